"""What a report found, as tables for the terminal; pure."""

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from leeboard.cli.words import BAD, BUSY, GOOD, QUIET, STYLES, mark, number, sparkline, verdict
from leeboard.contract.examinations import CompareReport, Milliseconds, VerifiedMetric, VerifyReport
from leeboard.contract.jobs import BacktestFold, CheckReport, ColumnReport, DriftReport, GateReport, RetrainReport

_MOST_COLUMNS = 20


def drift(report: DriftReport) -> RenderableType:
    """Show the checks of a window, and the columns that moved most."""
    head = f"{report.window_start_time} to {report.window_end_time}, {report.rows:,} rows, version {report.version}"
    said = verdict("Drifted" if report.drifted else "Stable" if report.outcome == "Measured" else str(report.outcome))
    return Group(
        Text.assemble(said, (f"  {head}", QUIET)), report.message, _checks(report.checks), _columns(report.columns)
    )


def retraining(report: RetrainReport) -> RenderableType:
    """Show gates, metrics and backtest of a challenger."""
    said = Text("passed", style=GOOD) if report.passed else Text("not passed", style=BAD)
    rows = f"  trained on {report.train_rows:,} rows, compared on {report.holdout_rows:,}"
    return Group(Text.assemble(said, (rows, QUIET)), report.message, _gates(report.gates), *_backtest(report.backtest))


def verification(report: VerifyReport) -> RenderableType:
    """Show what the deployed arm made of the test pack."""
    said = Text("passed", style=GOOD) if report.passed else Text("not passed", style=BAD)
    lost = f", {report.refused_rows} refused, {report.failed_rows} failed" if report.compared_rows < report.rows else ""
    head = f"  version {report.version}, {report.rows:,} labelled rows through its arm{lost}"
    return Group(
        Text.assemble(said, (head, QUIET)),
        report.message,
        _verified(report.metrics),
        *_latency(report.latency, report.stable_latency),
    )


def comparison(report: CompareReport) -> RenderableType:
    """Show how a candidate in the shadow answered, beside the stable version."""
    said = Text("passed", style=GOOD) if report.passed else Text("not passed", style=BAD)
    head = f"  version {report.version} beside version {report.stable_version}, {report.rows:,} rows that both answered"
    drawn = _table("stable answers", "candidate answers", "rows")
    for pair in report.pairs:
        drawn.add_row(pair.stable, pair.candidate, f"{pair.rows:,}")
    pairs = (drawn,) if report.pairs else ()
    return Group(
        Text.assemble(said, (head, QUIET)), report.message, *pairs, *_latency(report.latency, report.stable_latency)
    )


def _verified(metrics: tuple[VerifiedMetric, ...]) -> Table:
    drawn = _table("", "metric", "candidate", "stable", "bound", "")
    for metric in metrics:
        drawn.add_row(
            mark(STYLES.get(metric.verdict, BUSY)),
            metric.name,
            number(metric.candidate),
            number(metric.stable),
            number(metric.bound),
            Text(metric.message, style=QUIET),
        )
    return drawn


def _latency(candidate: Milliseconds | None, stable: Milliseconds | None) -> Iterator[Table]:
    drawn = _table("milliseconds", "p50", "p95", "p99")
    for who, found in (("candidate", candidate), ("stable", stable)):
        if found is not None:
            drawn.add_row(who, number(found.p50), number(found.p95), number(found.p99))
    if drawn.row_count:
        yield drawn


def _table(*columns: str) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        drawn.add_column(column)
    return drawn


def _checks(checks: tuple[CheckReport, ...]) -> Table:
    drawn = _table("", "check", "statistic", "bound", "worst columns", "")
    for check in checks:
        drawn.add_row(
            mark(BAD if check.drifted else GOOD),
            check.name,
            number(check.statistic),
            number(check.threshold),
            ", ".join(check.worst_columns),
            Text(check.message, style=QUIET),
        )
    return drawn


def _columns(columns: tuple[ColumnReport, ...]) -> Table:
    drawn = _table("", "column", "effect", "p-value", "distance", "reference", "window")
    for column in sorted(columns, key=_moved, reverse=True)[:_MOST_COLUMNS]:
        test, shapes = column.test, column.distribution
        drawn.add_row(
            mark(BAD if _drifted(column) else GOOD),
            column.name,
            number(test.effect if test else None),
            number(test.corrected_p_value if test else None),
            number(column.distance.statistic if column.distance else None),
            sparkline(shapes.reference) if shapes else "",
            sparkline(shapes.window) if shapes else "",
        )
    return drawn


def _drifted(column: ColumnReport) -> bool:
    return any(found is not None and found.drifted for found in (column.test, column.distance))


def _moved(column: ColumnReport) -> tuple[bool, float, float]:
    """Order columns by how much they moved: the drifted first, then by effect, then by distance."""
    test, distance = column.test, column.distance
    return (
        _drifted(column),
        (test.effect or 0.0) if test is not None else 0.0,
        distance.statistic if distance is not None else 0.0,
    )


def _gates(gates: tuple[GateReport, ...]) -> Table:
    drawn = _table("", "gate", "metric", "challenger", "champion", "bound", "")
    for gate in gates:
        drawn.add_row(
            mark(STYLES.get(gate.verdict, BUSY)),
            gate.name,
            gate.metric,
            number(gate.challenger),
            number(gate.champion),
            number(gate.bound),
            Text(gate.message, style=QUIET),
        )
    return drawn


def _backtest(folds: tuple[BacktestFold, ...]) -> Iterator[Table]:
    if folds:
        names = sorted({name for fold in folds for name in fold.metrics})
        drawn = _table("trained until", "tested until", "rows", *names)
        for fold in folds:
            measured = (number(fold.metrics.get(name)) for name in names)
            drawn.add_row(fold.train_to_time, fold.test_to_time, f"{fold.test_rows:,}", *measured)
        yield drawn
