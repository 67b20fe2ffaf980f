"""Reports are shown as tables: what moved most comes first."""

import io

from rich.console import RenderableType

from leeboard.cli.findings import comparison, drift, retraining, verification
from leeboard.cli.terminal import terminal
from leeboard.contract.examinations import CompareReport, VerifyReport
from leeboard.contract.jobs import DriftReport, RetrainReport


def _lines(drawn: RenderableType) -> list[str]:
    console = terminal()
    console.file, console.width = io.StringIO(), 140
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


def test_a_column_that_its_distance_alone_found_is_marked():
    distance = {"method": "Wasserstein", "statistic": 0.9, "drifted": True}
    column = _column("temp", 0.01, drifted=False) | {"distance": distance}
    given = {"requestHash": "ff", "outcome": "Measured", "drifted": True, "columns": [column]}
    assert "✗ temp 0.01 - 0.9 █▁ ▁█" in _lines(drift(DriftReport.model_validate(given)))


def test_shows_names_as_they_are():
    names = ["[red]fare[/red]", "[/]", ":warning: delay"]
    columns = [_column(name, 0.4, drifted=True) for name in names]
    given = {"requestHash": "ff", "outcome": "Measured", "drifted": True, "message": "[/] drifted", "columns": columns}
    lines = _lines(drift(DriftReport.model_validate(given)))
    assert "[/] drifted" in lines
    assert all(f"✗ {name} 0.4 - - █▁ ▁█" in lines for name in names)


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


def test_shows_what_the_test_pack_proved():
    latency = {"p50": 12.0, "p95": 20.0, "p99": 30.0}
    metric = {"name": "accuracy", "verdict": "Failed", "candidate": 0.71, "stable": 0.8, "bound": 0.78, "message": "no"}
    given = {"requestHash": "f", "outcome": "Measured", "message": "version 2 failed", "version": "2", "rows": 1000}
    more = {"comparedRows": 990, "refusedRows": 10, "metrics": [metric], "latency": latency}
    lines = _lines(verification(VerifyReport.model_validate(given | more)))
    assert lines[0] == "not passed version 2, 1,000 labelled rows through its arm, 10 refused, 0 failed"
    assert "✗ accuracy 0.71 0.8 0.78 no" in lines
    assert "candidate 12 20 30" in lines


def test_shows_how_answers_in_the_shadow_agree():
    given = {"requestHash": "f", "outcome": "Measured", "passed": True, "message": "they agree", "version": "2"}
    more = {"stableVersion": "1", "rows": 2000, "pairs": [{"stable": "no", "candidate": "yes", "rows": 30}]}
    lines = _lines(comparison(CompareReport.model_validate(given | more)))
    assert lines[:2] == ["passed version 2 beside version 1, 2,000 rows that both answered", "they agree"]
    assert "no yes 30" in lines
