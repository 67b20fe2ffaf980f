"""The drift report that people open: the verdict in a sentence, then the checks, then every column then and now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leeboard.contract.jobs import CheckReport, DriftReport, JobOutcome
from leeboard_workers.drift import history, whiskers
from leeboard_workers.drift.findings import was_read
from leeboard_workers.drift.history import PastWindow
from leeboard_workers.drift.kinds import kinds_of
from leeboard_workers.drift.page import render

MAX_COLUMNS = 300
"""More columns are in report.json only."""

_METHODS = {
    "KolmogorovSmirnov": "KS D",
    "ChiSquared": "χ²",
    "Wasserstein": "Wasserstein / σ",  # noqa: RUF001 (Greek on purpose)
    "JensenShannon": "Jensen–Shannon",  # noqa: RUF001 (typography)
    "KullbackLeibler": "Kullback–Leibler",  # noqa: RUF001 (typography)
    "PopulationStability": "PSI",
    "Hellinger": "Hellinger",
    "TotalVariation": "total variation",
}
_KINDS = {
    "univariateTest": "test of each column",
    "univariateDistance": "distance of each column",
    "multivariateTest": "test of all columns at once",
    "prediction": "the model's answers",
    "outOfDistributionRate": "rows that do not belong",
    "performance": "answers against outcomes",
    "dataQuality": "faults of the data",
}


@dataclass(frozen=True)
class Story:
    """What a reader wants to know beside the numbers."""

    subject: str
    """The ModelDeployment."""
    model: str
    """Registered model."""
    reference: str
    """What the window was held against."""
    weighting: str
    """How the columns are weighted."""
    run_id: str = ""
    """MLflow run."""
    past: tuple[PastWindow, ...] = ()
    """Windows that the same monitor scored before."""


def verdict_of(report: DriftReport) -> str:
    """Return Stable, Drifted, Insufficient or Error."""
    if report.outcome is not JobOutcome.MEASURED:
        return report.outcome.value
    return "Drifted" if report.drifted else "Stable"


def concluded(report: DriftReport) -> DriftReport:
    """Return the report with what follows from its checks: outcome, verdict, kinds of drift, and all in a sentence.

    A message that it has stays, unless a check could measure something.
    """
    measured = any(check.statistic is not None for check in report.checks)
    report = report.model_copy(
        update={
            "outcome": JobOutcome.MEASURED if measured else JobOutcome.INSUFFICIENT,
            "drifted": any(check.drifted for check in report.checks),
            "kinds": kinds_of(report.checks) or None,
        }
    )
    return report.model_copy(update={"message": headline(report)})


def headline(report: DriftReport) -> str:
    """Say in one sentence what the window showed."""
    if report.outcome is not JobOutcome.MEASURED:
        return report.message or _nothing(report.checks)
    found = [check for check in report.checks if check.drifted]
    if not found:
        return _quiet(report.checks)
    columns = list(dict.fromkeys(name for check in found for name in check.worst_columns))[:3]
    where = f", most of all in {_enumerated(columns)}" if columns else ""
    named = _enumerated([kind.kind for kind in report.kinds or ()])
    kinds = f" This is {named} drift." if named else ""
    return f"The window drifted: {_enumerated([check.name for check in found])} found it{where}.{kinds}"


def html(report: DriftReport, story: Story) -> str:
    """Return the self-contained page."""
    own = {check.name: check.statistic for check in report.checks if check.statistic is not None}
    over = {check.name: check.drifted for check in report.checks if check.statistic is not None}
    windows = history.merged([*story.past, PastWindow(report.window_end_time, verdict_of(report), own, over)])
    return render(
        "leeboard_workers.drift",
        "drift.html.j2",
        report=report,
        story=story,
        verdict=verdict_of(report),
        headline=headline(report),
        columns=report.columns[:MAX_COLUMNS],
        hidden=max(len(report.columns) - MAX_COLUMNS, 0),
        methods=_METHODS,
        kinds=_KINDS,
        windows=windows,
        lines=history.lines(windows, report.checks),
        timeline_width=history.WIDTH,
        timeline_height=history.HEIGHT,
        place=history.place,
        was_read=was_read,
        scale_of=whiskers.scale_of,
        whisker_width=whiskers.WIDTH,
        title=f"Drift of {story.subject}",
    )


def metrics(report: DriftReport) -> Mapping[str, float]:
    """Return what MLflow should plot over the windows: each check and its verdict, and how far each column moved."""
    found = {f"check/{check.name}": check.statistic for check in report.checks if check.statistic is not None}
    for column in report.columns[:MAX_COLUMNS]:
        if column.test is not None and column.test.effect is not None:
            found[f"effect/{column.name}"] = column.test.effect
        if column.distance is not None:
            found[f"distance/{column.name}"] = column.distance.statistic
    found |= {f"drifted/{check.name}": float(check.drifted) for check in report.checks if check.statistic is not None}
    return found | {"rows": float(report.rows), "drifted": float(report.drifted)}


def _quiet(checks: Sequence[CheckReport]) -> str:
    measured = [check.name for check in checks if check.statistic is not None]
    unmeasured = [check.name for check in checks if check.statistic is None]
    none = f"{measured[0]} found no drift" if len(measured) == 1 else f"none of {len(measured)} checks found drift"
    tail = f" ({_enumerated(unmeasured)} could not be measured)" if unmeasured else ""
    return f"The window looks like the reference: {none}{tail}."


def _nothing(checks: Sequence[CheckReport]) -> str:
    told = "; ".join(dict.fromkeys(check.message for check in checks)) or "no check was asked for"
    return f"Nothing could be compared: {told}"


def _enumerated(names: list[str]) -> str:
    if not names:
        return ""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
