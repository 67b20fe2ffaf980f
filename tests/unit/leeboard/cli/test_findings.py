"""Reports are shown as tables: what moved most comes first."""

import io

from rich.console import Console, RenderableType

from leeboard.cli.findings import drift, retraining
from leeboard.contract.jobs import DriftReport, RetrainReport


def _lines(drawn: RenderableType) -> list[str]:
    console = Console(file=io.StringIO(), width=140)
    console.print(drawn)
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def _column(name: str, effect: float, *, drifted: bool) -> dict[str, object]:
    return {
        "name": name,
        "type": "numeric",
        "weight": 1,
        "referenceMissing": 0,
        "windowMissing": 0,
        "test": {"method": "KolmogorovSmirnov", "statistic": effect, "effect": effect, "drifted": drifted},
        "distribution": {"labels": ["a", "b"], "reference": [1, 0], "window": [0, 1]},
    }


def test_shows_a_window_with_the_columns_that_moved_most_first():
    report = DriftReport.model_validate(
        {
            "requestHash": "ff",
            "outcome": "Measured",
            "drifted": True,
            "rows": 1200,
            "version": "7",
            "windowStartTime": "2026-01-01T00:00:00Z",
            "windowEndTime": "2026-01-02T00:00:00Z",
            "checks": [
                {"name": "columns", "kind": "univariateTest", "statistic": 0.5, "threshold": 0.3, "drifted": True}
            ],
            "columns": [_column("temp", 0.01, drifted=False), _column("wind", 0.4, drifted=True)],
        }
    )
    lines = _lines(drift(report))
    assert lines[0] == "Drifted 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z, 1,200 rows, version 7"
    assert "✗ columns 0.5 0.3" in lines
    moved, still = lines.index("✗ wind 0.4 - - █▁ ▁█"), lines.index("✓ temp 0.01 - - █▁ ▁█")
    assert moved < still


def test_shows_gates_and_backtest_of_a_challenger():
    report = RetrainReport.model_validate(
        {
            "requestHash": "ff",
            "outcome": "Measured",
            "passed": True,
            "version": "9",
            "trainRows": 80_000,
            "holdoutRows": 2000,
            "gates": [
                {
                    "name": "better",
                    "metric": "roc_auc",
                    "verdict": "Passed",
                    "challenger": 0.73,
                    "champion": 0.7,
                    "bound": 0.005,
                }
            ],
            "backtest": [
                {
                    "trainToTime": "2026-01-01T00:00:00Z",
                    "testToTime": "2026-01-08T00:00:00Z",
                    "trainRows": 100,
                    "testRows": 10,
                    "metrics": {"roc_auc": 0.71},
                }
            ],
        }
    )
    lines = _lines(retraining(report))
    assert lines[0] == "passed trained on 80,000 rows, compared on 2,000"
    assert "✓ better roc_auc 0.73 0.7 0.005" in lines
    assert "2026-01-01T00:00:00Z 2026-01-08T00:00:00Z 10 0.71" in lines
