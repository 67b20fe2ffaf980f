"""What a comparison found, as values, as JSON, as an Arrow table and as a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from leeboard.contract.jobs import CheckReport, ColumnReport, Distribution, DriftReport, JobOutcome

_COLUMNS = pa.schema(
    [
        ("column", pa.string()),
        ("type", pa.string()),
        ("weight", pa.float64()),
        ("test", pa.string()),
        ("statistic", pa.float64()),
        ("p_value", pa.float64()),
        ("corrected_p_value", pa.float64()),
        ("effect", pa.float64()),
        ("drifted", pa.bool_()),
        ("test_reason", pa.string()),
        ("method", pa.string()),
        ("distance", pa.float64()),
        ("raw_distance", pa.float64()),
        ("distance_drifted", pa.bool_()),
        ("distance_reason", pa.string()),
        ("reference_missing", pa.float64()),
        ("window_missing", pa.float64()),
        ("window_infinite", pa.float64()),
        ("message", pa.string()),
    ]
)


@dataclass(frozen=True)
class Report:
    """A window held against its reference."""

    checks: tuple[CheckReport, ...]
    """In the order given."""
    columns: tuple[ColumnReport, ...]
    """Those that moved most first, by weight."""
    prediction_distribution: Distribution | None
    bins: Mapping[str, Mapping[str, Any]]
    """Bins of the reference by column."""
    rows: int
    """Rows of the window."""
    compared_rows: int
    """Rows that were compared: fewer when the window was sampled."""
    reference_rows: int
    """Rows of the reference that were compared."""
    reference_total_rows: int
    """Rows of the reference before sampling."""

    @property
    def drifted(self) -> bool:
        """Whether any check says so."""
        return any(check.drifted for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON has it: camelCase, nothing unset."""
        return self._document().document()

    def to_arrow(self) -> pa.Table:
        """Return one row for each column, with the numbers of the first test and the first distance."""
        return pa.Table.from_pylist([_row(column) for column in self.columns], schema=_COLUMNS)

    def to_html(self, title: str = "window") -> str:
        """Return a page that stands alone.

        Args:
            title: What was compared.
        """
        from leeboard_workers.drift.report import Story, html  # noqa: PLC0415 (templates)

        story = Story(subject=title, model="", reference="", weighting="")
        return html(self._document(), story)

    def _document(self) -> DriftReport:
        from leeboard_workers.drift.report import concluded  # noqa: PLC0415 (templates)

        report = DriftReport(
            request_hash="",
            outcome=JobOutcome.MEASURED,
            rows=self.rows,
            compared_rows=self.compared_rows,
            sampled=self.compared_rows < self.rows,
            reference_rows=self.reference_rows,
            reference_total_rows=self.reference_total_rows,
            checks=self.checks,
            columns=self.columns,
            prediction_distribution=self.prediction_distribution,
        )
        return concluded(report)


def was_read(column: ColumnReport) -> bool:
    """Whether the column's type is known: it is not where it could not be compared."""
    counted = [counts for counts in (column.reference_counts, column.window_counts) if counts is not None]
    return not counted or any(counts.rows for counts in counted)


def _row(column: ColumnReport) -> dict[str, Any]:
    row: dict[str, Any] = {
        "column": column.name,
        "type": column.type if was_read(column) else None,
        "weight": column.weight,
        "reference_missing": column.reference_missing,
        "window_missing": column.window_missing,
        "window_infinite": column.window_infinite,
        "message": column.message,
    }
    if column.test is not None:
        test = column.test
        row |= {"test": test.method, "statistic": test.statistic, "p_value": test.p_value, "effect": test.effect}
        row |= {"corrected_p_value": test.corrected_p_value, "drifted": test.drifted, "test_reason": test.reason}
    if column.distance is not None:
        row |= {"method": column.distance.method, "distance": column.distance.statistic}
        row |= {"raw_distance": column.distance.raw, "distance_drifted": column.distance.drifted}
        row |= {"distance_reason": column.distance.reason}
    return row
