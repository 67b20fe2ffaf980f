"""Faults of one column, then and now: missing, unseen, outside the range, constant, of another type."""

import logging
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leeboard.api.quality import DataQuality, OnFinding
from leeboard.contract.findings import QualityFinding
from leeboard_workers.data.rows import Rows
from leeboard_workers.drift.aggregate import wilson_lower_bound
from leeboard_workers.drift.calendar import instants, is_clock
from leeboard_workers.drift.levels import LevelCounter
from leeboard_workers.drift.values import (
    NumericValues,
    UnsupportedColumnError,
    is_numeric,
    is_text,
    numeric_values,
)

log = logging.getLogger(__name__)

MIN_CONSTANT = 30
"""So many equal values in a row are no chance of a column that varies."""
_NAMED = 3
_NESTED = frozenset({"lists", "structs"})
_SHOWN = 40


def faults_of(check: DataQuality, reference: Rows, window: Rows, column: str) -> list[QualityFinding]:
    """Return the faults of a column of both sides; one that cannot be read has none, and takes no other down."""
    found: list[QualityFinding] = []
    try:
        found.extend(_faults(check, column, reference.column(column), window.column(column)))
    except Exception:  # the comparison of the column says why; what was found before it failed stays
        log.debug("the column %s cannot be searched for faults", column, exc_info=True)
    return found


def _faults(
    check: DataQuality, column: str, reference: pa.ChunkedArray, window: pa.ChunkedArray
) -> Iterator[QualityFinding]:
    yield from _missing(check, column, reference, window)
    if reference.null_count == len(reference) or window.null_count == len(window):
        return
    then, now = _word(reference.type), _word(window.type)
    if "times" in (then, now):
        if then != now and not _same_times(reference, window):
            yield from _retyped(check, column, then, now)
    elif _NESTED & {then, now}:
        if then != now:
            yield from _retyped(check, column, then, now)
    elif is_numeric(reference.type):
        yield from _of_numbers(check, column, reference, window)
    else:
        yield from _of_levels(check, column, reference, window)


def _word(kind: pa.DataType) -> str:
    """Say what a column holds."""
    if pa.types.is_dictionary(kind):
        return _word(kind.value_type)
    if is_clock(kind):
        return "times"
    if pa.types.is_nested(kind):
        return "structs" if pa.types.is_struct(kind) or pa.types.is_map(kind) else "lists"
    if pa.types.is_boolean(kind):
        return "booleans"
    return "numbers" if is_numeric(kind) else "text"


def _same_times(reference: pa.ChunkedArray, window: pa.ChunkedArray) -> bool:
    """Whether one side holds times and the other text that is times, too."""
    written = window if is_clock(reference.type) else reference
    kind = written.type.value_type if pa.types.is_dictionary(written.type) else written.type
    if not is_text(kind):
        return False
    try:
        return bool(instants(written).null_count == _absent(written))
    except UnsupportedColumnError:
        return False


def _missing(
    check: DataQuality, column: str, reference: pa.ChunkedArray, window: pa.ChunkedArray
) -> Iterator[QualityFinding]:
    rows, missing = len(window), _absent(window)
    before = _absent(reference) / max(len(reference), 1)
    if missing and wilson_lower_bound(missing, rows) > before + check.missing:
        told = f"{column}: {missing / rows:.1%} missing, {before:.1%} in the reference"
        yield QualityFinding(
            rule="missing", column=column, share=missing / rows, limit=before + check.missing, message=told
        )


def _absent(column: pa.ChunkedArray) -> int:
    """Count nulls and NaN."""
    if pa.types.is_dictionary(column.type):
        return _absent(column.cast(column.type.value_type))
    if pa.types.is_floating(column.type):
        return int(pc.sum(pc.cast(pc.is_null(column, nan_is_null=True), pa.int64())).as_py() or 0)
    return int(column.null_count)


def _of_numbers(
    check: DataQuality, column: str, reference: pa.ChunkedArray, window: pa.ChunkedArray
) -> Iterator[QualityFinding]:
    then, now = numeric_values(reference), numeric_values(window)
    if _word(window.type) == "text" and now.missing > _absent(window):
        yield from _retyped(check, column, "numbers", "text")
        return
    yield from _outside(check, column, then, now)
    varied = bool(then.present and then.finite[0] < then.finite[-1])
    alone = bool(now.present and now.finite[0] == now.finite[-1])
    yield from _constant(check, column, varied=varied, alone=alone, present=now.present)


def _of_levels(
    check: DataQuality, column: str, reference: pa.ChunkedArray, window: pa.ChunkedArray
) -> Iterator[QualityFinding]:
    then, now = LevelCounter(), LevelCounter()
    then.add(reference)
    now.add(window)
    levels, known = now.known_to(then)
    if is_numeric(window.type) and not known.any():
        yield from _retyped(check, column, _word(reference.type), "numbers")
        return
    rows = now.counts.to_numpy()
    yield from _unseen(check, column, levels, np.where(known, 0, rows), present=int(rows.sum()))
    yield from _constant(
        check, column, varied=len(then.levels) > 1, alone=len(now.levels) == 1, present=int(rows.sum())
    )


def _outside(check: DataQuality, column: str, then: NumericValues, now: NumericValues) -> Iterator[QualityFinding]:
    rows = now.present + now.below + now.above
    if not then.present or not rows:
        return
    low, high = then.finite[0], then.finite[-1]
    strange = int((now.finite < low).sum() + (now.finite > high).sum()) + now.below + now.above
    if strange and wilson_lower_bound(strange, rows) > check.out_of_range:
        infinite = f", {now.below + now.above} of them infinite" if now.below + now.above else ""
        told = f"{column}: {strange / rows:.1%} outside the reference's {low:.4g} to {high:.4g}{infinite}"
        yield QualityFinding(
            rule="outOfRange", column=column, share=strange / rows, limit=check.out_of_range, message=told
        )


def _unseen(
    check: DataQuality, column: str, levels: pa.Array, unknown: npt.NDArray[np.int64], *, present: int
) -> Iterator[QualityFinding]:
    rows = int(unknown.sum())
    if rows and wilson_lower_bound(rows, present) > check.unseen_categories:
        found = pa.table({"level": levels, "rows": unknown}).filter(pc.field("rows") > 0)
        most = found.take(pc.select_k_unstable(found, _NAMED, [("rows", "descending"), ("level", "ascending")]))
        names = ", ".join(level[:_SHOWN] for level in most["level"].to_pylist())
        told = f"{column}: {rows / present:.1%} are levels that the reference does not know, such as {names}"
        yield QualityFinding(
            rule="unseenCategories",
            column=column,
            share=rows / present,
            limit=check.unseen_categories,
            message=told,
        )


def _constant(check: DataQuality, column: str, *, varied: bool, alone: bool, present: int) -> Iterator[QualityFinding]:
    if check.constant_columns is OnFinding.BREACH and varied and alone and present >= MIN_CONSTANT:
        told = f"{column}: a single value in all {present} rows, and several in the reference"
        yield QualityFinding(rule="constantColumns", column=column, message=told)


def _retyped(check: DataQuality, column: str, then: str, now: str) -> Iterator[QualityFinding]:
    if check.type_changes is OnFinding.BREACH:
        told = f"{column}: holds {now}, and {then} in the reference: see who sends it"
        yield QualityFinding(rule="typeChanges", column=column, message=told)
