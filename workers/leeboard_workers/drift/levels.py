"""Counts the levels of a categorical column, exactly, however many there are; too many are pooled.

A reference keeps its most frequent levels apart and counts the others together. A window is counted by the levels of
its reference: levels that the reference keeps stay apart, and what it pooled is pooled in the window, too.
"""

from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leeboard_workers.drift.values import CategoricalValues, NumericValues, is_text, level_of

MAX_LEVELS = 1_000
"""So many levels are told apart."""


class LevelCounter:
    """Counts levels piece by piece; in whatever order the pieces come, the counts are those of the whole."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.levels = pa.array([], pa.large_string())
        self.counts = pa.array([], pa.int64())
        self.missing = 0
        self.nulls = 0

    def add(self, column: pa.ChunkedArray | pa.Array) -> None:
        """Count the rows of a piece of the column."""
        self.nulls += column.null_count
        for levels, counts, missing in _counted(column):
            self.missing += missing
            self._merge(levels, counts)

    def merge(self, other: "LevelCounter") -> None:
        """Add what another one has counted."""
        self.nulls += other.nulls
        self.missing += other.missing
        self._merge(other.levels, other.counts)

    def values(self, like: CategoricalValues | None = None) -> CategoricalValues:
        """Return the counts, pooled as the reference's are.

        Args:
            like: The reference's levels; none for the reference itself.
        """
        levels = self.levels if like is None else _as_named(self.levels, list(like.counts))
        known = np.zeros(len(levels), dtype=bool)
        if like is not None and like.counts:
            known = _among(levels, pa.array(list(like.counts), pa.large_string()))
        kept = _mapping(levels.filter(pa.array(known)), self.counts.filter(pa.array(known)))
        rest = pa.table({"level": levels.filter(pa.array(~known)), "count": self.counts.filter(pa.array(~known))})
        apart = 0 if like is not None and like.other_levels else min(MAX_LEVELS, rest.num_rows)
        top = rest.slice(0, 0)
        if apart:
            keys = [("count", "descending"), ("level", "ascending")]
            top = rest.take(pc.select_k_unstable(rest, apart, keys))
        counts = kept | _mapping(top["level"], top["count"])
        total = int(pc.sum(self.counts).as_py() or 0)
        return CategoricalValues(
            counts=counts,
            missing=self.missing,
            other=total - sum(counts.values()),
            other_levels=rest.num_rows - apart,
            nulls=self.nulls,
        )

    def known_to(self, reference: Self) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
        """Return the levels as the reference spells them, and which of them it holds, however many it has."""
        levels = _as_named(self.levels, reference.levels.slice(0, 3).to_pylist())
        return levels, _among(levels, reference.levels)

    def _merge(self, levels: pa.Array, counts: pa.Array) -> None:
        encoded = pa.concat_arrays([self.levels, levels]).dictionary_encode()
        rows = np.concatenate([self.counts.to_numpy(), counts.to_numpy()])
        sums = np.bincount(encoded.indices.to_numpy(), weights=rows, minlength=len(encoded.dictionary))
        self.levels, self.counts = encoded.dictionary, pa.array(sums.astype(np.int64))


def categorical_values(column: pa.ChunkedArray | pa.Array, like: CategoricalValues | None = None) -> CategoricalValues:
    """Read a column as levels.

    Args:
        column: Text, booleans, numbers or a dictionary of them.
        like: The levels of the reference, by which a window is counted.
    """
    counter = LevelCounter()
    counter.add(column)
    return counter.values(like)


def as_levels(values: NumericValues, like: CategoricalValues | None = None) -> CategoricalValues:
    """Read numbers as levels; infinities are levels of their own.

    Args:
        values: The numbers.
        like: The levels of the reference, by which a window is counted.
    """
    starts = np.concatenate([[0], np.flatnonzero(np.diff(values.finite)) + 1]) if values.finite.size else np.array([])
    starts = starts.astype(np.int64)
    counts = np.diff(starts, append=values.finite.size)
    if starts.size > MAX_LEVELS:  # the reference has few: names are made for the most frequent of the others only
        rare = np.argsort(-counts, kind="stable")[MAX_LEVELS:]
        known = {float(level) for level in (like.counts if like is not None else ())}
        rare = rare[~np.isin(values.finite[starts[rare]], list(known))]
        other, other_levels = int(counts[rare].sum()), rare.size
        starts, counts = np.delete(starts, rare), np.delete(counts, rare)
    else:
        other, other_levels = 0, 0
    named = zip(values.finite[starts], counts, strict=True)
    levels = {level_of(float(number)): int(count) for number, count in named}
    infinite = {"-inf": values.below, "inf": values.above}
    levels |= {name: count for name, count in infinite.items() if count}
    return CategoricalValues(levels, values.missing, other, other_levels, values.nulls)


def _counted(column: pa.ChunkedArray | pa.Array) -> Iterable[tuple[pa.Array, pa.Array, int]]:
    """Yield levels as text, their counts, and how many rows are missing; chunk by chunk for dictionaries."""
    if not pa.types.is_dictionary(column.type):
        # Arrow cannot filter the views.
        found = pc.value_counts(column.cast(pa.string()) if pa.types.is_string_view(column.type) else column)
        yield _named(found.field("values"), found.field("counts"))
        return
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        found = pc.value_counts(chunk.indices)
        yield _named(chunk.dictionary.take(found.field("values")), found.field("counts"))


def _named(values: pa.Array, counts: pa.Array) -> tuple[pa.Array, pa.Array, int]:
    """Give the values their names; those that share one are added up, and nulls and NaN are counted apart."""
    absent = pc.is_null(values, nan_is_null=True)
    missing = int(pc.sum(counts.filter(absent)).as_py() or 0)
    present = pc.invert(absent)
    values, counts = values.filter(present), counts.filter(present)
    kind = values.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if text or pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind):
        return values.cast(pa.large_string()), counts, missing
    if not (is_text(kind) or pa.types.is_primitive(kind) or pa.types.is_decimal(kind)):
        values = values.cast(pa.string())
    merged: dict[str, int] = {}
    for value, count in zip(values.to_pylist(), counts.to_pylist(), strict=True):
        level = level_of(value)
        merged[level] = merged.get(level, 0) + count
    return pa.array(list(merged), pa.large_string()), pa.array(list(merged.values()), pa.int64()), missing


def _among(levels: pa.Array, known: pa.Array) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = pc.is_in(levels, value_set=known).to_numpy(zero_copy_only=False)
    return found


def _as_named(levels: pa.Array, known: Sequence[str]) -> pa.Array:
    """Read logged 0 and 1 as the reference's booleans, since JSON and Delta may have made numbers of them."""
    names = {"0": "false", "1": "true"}
    if len(levels) <= len(names) and set(known) <= set(names.values()) and set(levels.to_pylist()) <= set(names):
        return pa.array([names[level] for level in levels.to_pylist()], pa.large_string())
    return levels


def _mapping(levels: pa.Array | pa.ChunkedArray, counts: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    return dict(zip(levels.to_pylist(), counts.to_pylist(), strict=True))
