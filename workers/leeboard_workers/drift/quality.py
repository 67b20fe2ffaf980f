"""Faults of the data themselves, column by column: what is missing, unseen, impossible, constant or of another type.

Shares count as far as their one-sided 95 % lower bound, so that a few rows never decide. A fault is told once, in a
sentence that names the column.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from leeboard.api.quality import DataQuality, OnFinding
from leeboard.contract.findings import QualityFinding
from leeboard.contract.jobs import CheckReport
from leeboard_workers.drift.aggregate import wilson_lower_bound
from leeboard_workers.drift.levels import categorical_values
from leeboard_workers.drift.values import (
    CategoricalValues,
    NumericValues,
    UnsupportedColumnError,
    is_numeric,
    level_of,
    numeric_values,
)

KIND = "dataQuality"
MAX_FINDINGS = 200
MIN_CONSTANT = 30
"""So many equal values in a row are no chance of a column that varies."""
_NAMED = 3


def quality_report(
    name: str,
    check: DataQuality,
    reference: pa.Table,
    window: pa.Table,
    *,
    expected: Sequence[str] | None = None,
    doubled: int = 0,
) -> CheckReport:
    """Look for faults in a window.

    Args:
        name: Of the check.
        check: What is a fault.
        reference: Columns of the reference.
        window: Columns of the window.
        expected: Columns that the model takes; none: nobody knows.
        doubled: Rows of the window that were logged before, and left out.
    """
    found = [*_rows_doubled(check, window.num_rows, doubled)]
    if check.schema_differences is OnFinding.BREACH:
        found += _schema(reference.column_names, window.column_names, expected)
    for column in window.column_names:
        if column in reference.column_names:
            try:
                found += _column(check, column, reference[column], window[column])
            except UnsupportedColumnError:  # neither numbers nor levels: the comparison of the column says so
                continue
    found.sort(key=lambda fault: -(fault.share if fault.share is not None else 1.0))
    told = "; ".join(fault.message for fault in found[:_NAMED])
    more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    columns = [fault.column for fault in found if fault.column is not None]
    return CheckReport(
        name=name,
        kind=KIND,
        statistic=float(len(found)),
        threshold=0.0,
        drifted=bool(found),
        worst_columns=tuple(dict.fromkeys(columns))[:5],
        message=f"{told}{more}" if found else f"no fault in {len(window.column_names)} columns",
        findings=tuple(found[:MAX_FINDINGS]),
    )


def _rows_doubled(check: DataQuality, rows: int, doubled: int) -> Iterator[QualityFinding]:
    if doubled and wilson_lower_bound(doubled, rows + doubled) > check.duplicates:
        share = doubled / (rows + doubled)
        told = f"{share:.1%} of the rows were logged twice: the same request ids were sent again"
        yield QualityFinding(rule="duplicates", share=share, limit=check.duplicates, message=told)


def _schema(
    reference: Sequence[str], window: Sequence[str], expected: Sequence[str] | None
) -> Iterator[QualityFinding]:
    for column in expected or ():
        if column not in window:
            yield QualityFinding(
                rule="schemaDifferences", column=column, message=f"{column}: the model takes it, and nobody sends it"
            )
    for column in window:
        if column not in reference:
            yield QualityFinding(
                rule="schemaDifferences", column=column, message=f"{column}: the reference does not know this column"
            )


def _column(
    check: DataQuality, column: str, reference: pa.ChunkedArray, window: pa.ChunkedArray
) -> Iterator[QualityFinding]:
    yield from _missing(check, column, reference, window)
    if reference.null_count == len(reference) or window.null_count == len(window):
        return
    numeric, now_numeric = is_numeric(reference.type), is_numeric(window.type)
    if numeric:
        then, now = numeric_values(reference), numeric_values(window)
        if not now_numeric and not pa.types.is_boolean(window.type) and now.missing > _absent(window):
            yield from _retyped(check, column, "numbers", "text")
            return
        yield from _outside(check, column, then, now)
        varied, alone = (
            then.present and then.finite[0] < then.finite[-1],
            now.present and now.finite[0] == now.finite[-1],
        )
        yield from _constant(check, column, varied=bool(varied), alone=bool(alone), present=now.present)
        return
    levels = categorical_values(reference)
    seen = categorical_values(window, levels)
    if now_numeric and not set(seen.counts) & set(levels.counts):
        yield from _retyped(check, column, "text", "numbers")
        return
    yield from _unseen(check, column, levels, seen)
    yield from _constant(
        check, column, varied=len(levels.counts) > 1, alone=len(seen.counts) == 1, present=seen.present
    )


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
    if pa.types.is_floating(column.type):
        return int(pc.sum(pc.cast(pc.is_null(column, nan_is_null=True), pa.int64())).as_py() or 0)
    return int(column.null_count)


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
    check: DataQuality, column: str, levels: CategoricalValues, seen: CategoricalValues
) -> Iterator[QualityFinding]:
    unknown = {level: count for level, count in seen.counts.items() if level not in levels.counts}
    # What a reference pooled is not known to be unseen.
    rows = sum(unknown.values()) + (0 if levels.other_levels else seen.other)
    if rows and wilson_lower_bound(rows, seen.present) > check.unseen_categories:
        most = sorted(unknown, key=lambda level: (-unknown[level], level))[:_NAMED]
        names = ", ".join(level_of(level)[:40] for level in most)
        told = f"{column}: {rows / seen.present:.1%} are levels that the reference does not know, such as {names}"
        yield QualityFinding(
            rule="unseenCategories",
            column=column,
            share=rows / seen.present,
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
