"""Faults of the data themselves, column by column: what is missing, unseen, impossible, constant or of another type.

Shares count as far as their one-sided 95 % lower bound, so that a few rows never decide. A fault is told once, in a
sentence that names the column.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa

from leeboard.api.quality import DataQuality, OnFinding
from leeboard.contract.findings import QualityFinding
from leeboard.contract.jobs import CheckReport
from leeboard_workers.data.mapping import Map, on_threads
from leeboard_workers.data.rows import Rows, TableRows, each_once
from leeboard_workers.drift.aggregate import wilson_lower_bound
from leeboard_workers.drift.faults import faults_of

KIND = "dataQuality"
MAX_FINDINGS = 200
_NAMED = 3


def quality_report(
    name: str,
    check: DataQuality,
    reference: Rows | pa.Table,
    window: Rows | pa.Table,
    *,
    expected: Sequence[str] | None = None,
    doubled: int = 0,
    run: Map = on_threads,
) -> CheckReport:
    """Look for faults in a window; of either side one column at a time is read by each worker.

    Args:
        name: Of the check.
        check: What is a fault.
        reference: Rows.
        window: Rows.
        expected: Columns that the model takes; none: those of the reference.
        doubled: Rows of the window, before sampling, that were logged before and left out.
        run: Applies the search to the columns.

    Raises:
        ValueError: a side has several columns of one name.
    """
    then = TableRows(reference) if isinstance(reference, pa.Table) else reference
    now = TableRows(window) if isinstance(window, pa.Table) else window
    each_once(then.names, "reference")
    each_once(now.names, "window")
    found = [*_rows_doubled(check, now.total_rows, doubled)]
    if check.schema_differences is OnFinding.BREACH:
        found += _schema(then.names, now.names, expected)
    shared = [column for column in now.names if column in then.names]
    for faults in run(partial(faults_of, check, then, now), shared):
        found += faults
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
        message=f"{told}{more}" if found else f"no fault in {len(now.names)} columns",
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
    needs = "the reference holds it" if expected is None else "the model takes it"
    for column in reference if expected is None else expected:
        if column not in window:
            told = f"{column}: {needs}, and nobody sends it"
            yield QualityFinding(rule="schemaDifferences", column=column, message=told)
    for column in window:
        if column not in reference:
            told = f"{column}: the reference does not know this column"
            yield QualityFinding(rule="schemaDifferences", column=column, message=told)
