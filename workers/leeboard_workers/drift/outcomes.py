"""Answers beside what really came of them: classes as codes, numbers as floats; what cannot be judged is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leeboard_workers.drift.values import Floats, level_of, numbers_of

Codes = npt.NDArray[np.int64]

_BOOLEANS = {"0": "false", "1": "true"}


@dataclass(frozen=True)
class Outcomes:
    """Rows with an answer and a known outcome."""

    truth: npt.NDArray[np.float64] | Codes
    """Codes of classes, where the code after the last is a label that the model does not know; or numbers."""
    answer: npt.NDArray[np.float64] | Codes
    """Alike; but an answer that is none of the classes has a code of its own, and so is never right."""
    classes: tuple[str, ...] | None = None
    """Levels in the order of the codes; none: numbers."""
    probabilities: Floats | None = None
    """Rows by classes."""
    groups: Codes | None = None
    """Rows with one number stand and fall together, such as those of one request; none: each by itself."""

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.truth.size


def outcomes_of(
    truth: pa.ChunkedArray | pa.Array,
    answer: pa.ChunkedArray | pa.Array,
    *,
    classes: Sequence[object] | None,
    probabilities: Floats | None = None,
    groups: pa.ChunkedArray | pa.Array | None = None,
) -> Outcomes:
    """Read labels and answers of the same rows, in one order.

    Rows without label or answer, and numbers that are not finite, are left out.

    Args:
        truth: Labels.
        answer: What the model answered.
        classes: The model's classes in the order of its probabilities; none: it answers numbers.
        probabilities: Rows by classes; NaN where a row has none. With another width they are of no use and left out.
        groups: What tells which rows belong together.
    """
    if classes is None:
        true, said = numbers_of(truth), numbers_of(answer)
        keep = np.isfinite(true) & np.isfinite(said)
        return Outcomes(true[keep], said[keep], groups=_kept_groups(groups, keep))
    levels = tuple(level_of(value) for value in classes)
    true_codes, said_codes = _codes(truth, levels), _codes(answer, levels)
    said_codes[said_codes == len(levels)] = len(levels) + 1
    keep = (true_codes >= 0) & (said_codes >= 0)
    usable = probabilities is not None and probabilities.shape == (len(keep), len(levels))
    kept = None
    if usable and probabilities is not None:
        keep &= np.isfinite(probabilities).all(axis=1)
        kept = probabilities[keep]
    return Outcomes(true_codes[keep], said_codes[keep], levels, kept, _kept_groups(groups, keep))


def probabilities_of(column: pa.ChunkedArray | pa.Array, width: int) -> Floats | None:
    """Return a column of lists as rows by classes, NaN where a list is missing or of another length; none: no list."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not (pa.types.is_list(whole.type) or pa.types.is_large_list(whole.type)) or whole.null_count == len(whole):
        return None
    lengths = np.diff(whole.offsets.to_numpy())
    fitting = (lengths == width) & ~np.asarray(whole.is_null())
    if not fitting.any():
        return None
    found = np.full((len(whole), width), np.nan)
    starts = whole.offsets.to_numpy()[:-1][fitting]
    values = numbers_of(whole.values)
    found[fitting] = values[starts[:, None] + np.arange(width)]
    return found


def _codes(column: pa.ChunkedArray | pa.Array, levels: Sequence[str]) -> Codes:
    """Return the codes of a column's levels: -1 where there is none, the code after the last for an unknown one."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    names = [_level(value) for value in encoded.dictionary.to_pylist()]
    position = {level: code for code, level in enumerate(_spellings(levels, names))}
    codes = np.array([-1 if name is None else position.get(name, len(levels)) for name in names] + [-1])
    indices: Codes = encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False).astype(np.int64)
    found: Codes = codes[indices]
    return found


def _level(value: object) -> str | None:
    if value is None or (isinstance(value, float) and isnan(value)):
        return None
    return level_of(value)


def _spellings(levels: Sequence[str], names: Sequence[str | None]) -> Sequence[str]:
    """Return the levels as the column spells them, since JSON and Delta may have made 0 and 1 of booleans."""
    present = {name for name in names if name is not None}
    spelled = {word: digit for digit, word in _BOOLEANS.items()}
    if set(levels) <= set(spelled) and present <= set(_BOOLEANS):
        return [spelled[level] for level in levels]
    if set(levels) <= set(_BOOLEANS) and present <= set(spelled):
        return [_BOOLEANS[level] for level in levels]
    return levels


def _kept_groups(groups: pa.ChunkedArray | pa.Array | None, keep: npt.NDArray[np.bool_]) -> Codes | None:
    if groups is None:
        return None
    whole = groups.combine_chunks() if isinstance(groups, pa.ChunkedArray) else groups
    codes = whole.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    found: Codes = np.unique(codes[keep], return_inverse=True)[1].astype(np.int64)
    return found
