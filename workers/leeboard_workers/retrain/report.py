"""The retraining report that people open: who won and by how much, the gates, the backtest."""

from dataclasses import dataclass
from itertools import pairwise

from leeboard.api.training import Evaluation
from leeboard.contract.jobs import BacktestFold, GateVerdict, JobOutcome, RetrainReport
from leeboard_workers.drift.page import day, number, render
from leeboard_workers.retrain.answers import METRICS

CHART_WIDTH = 1_000
CHART_HEIGHT = 190
_HEADROOM = 0.25


@dataclass(frozen=True)
class Story:
    """What a reader wants to know beside the numbers."""

    subject: str
    """The ModelDeployment."""
    model: str
    """Registered model."""
    champion: str
    """Version of the champion; empty: there is none."""
    trainer: str
    triggers: tuple[str, ...]
    data: str
    features: int
    unlabelled: int
    run_id: str = ""
    """MLflow run."""


@dataclass(frozen=True)
class Comparison:
    """A metric of both models."""

    metric: str
    challenger: float | None
    champion: float | None
    gated: bool

    @property
    def greater_is_better(self) -> bool:
        """The metric's direction."""
        return METRICS[self.metric].greater_is_better

    @property
    def gain(self) -> float | None:
        """By how much the challenger is better."""
        if self.challenger is None or self.champion is None:
            return None
        return (self.challenger - self.champion) * (1 if self.greater_is_better else -1)


@dataclass(frozen=True)
class Dot:
    """A fold in the chart."""

    x: float
    y: float
    fold: BacktestFold
    label: str


@dataclass(frozen=True)
class Chart:
    """The backtest, drawn."""

    metric: str
    dots: tuple[Dot, ...]
    lines: tuple[tuple[float, str, str], ...]
    """Height, text and style of lines across."""
    width: int = CHART_WIDTH
    height: int = CHART_HEIGHT

    @property
    def segments(self) -> tuple[tuple[Dot, Dot], ...]:
        """Neighbouring dots."""
        return tuple(pairwise(self.dots))


def verdict_of(report: RetrainReport) -> str:
    """Return Passed, Failed, Inconclusive, or the outcome of a run that measured nothing."""
    if report.outcome is not JobOutcome.MEASURED:
        return report.outcome.value
    if report.passed:
        return GateVerdict.PASSED.value
    failed = any(gate.verdict is GateVerdict.FAILED for gate in report.gates)
    return (GateVerdict.FAILED if failed else GateVerdict.INCONCLUSIVE).value


def headline(report: RetrainReport) -> str:
    """Say in one sentence how the challenger fared."""
    if report.outcome is not JobOutcome.MEASURED:
        return report.message
    against = _duel(report)
    if report.passed:
        return f"The challenger passed every gate and is version {report.version}: {against}."
    verdict = verdict_of(report)
    gate = next(gate for gate in report.gates if gate.verdict.value == verdict)
    if verdict == GateVerdict.FAILED.value:
        return f"The challenger failed the gate {gate.name}: {gate.message}."
    return f"The gate {gate.name} could not be decided: {gate.message}."


def html(report: RetrainReport, evaluation: Evaluation, story: Story) -> str:
    """Return the self-contained page."""
    gated = [gate.metric for gate in evaluation.gates]
    ordered = [*dict.fromkeys(gated), *(name for name in METRICS if name not in gated)]
    comparisons = [
        Comparison(name, report.metrics.get(name), report.champion_metrics.get(name), name in gated)
        for name in ordered
        if name in report.metrics or name in report.champion_metrics
    ]
    return render(
        "leeboard_workers.retrain",
        "retrain.html.j2",
        report=report,
        story=story,
        holdout=fairness(report),
        verdict=verdict_of(report),
        headline=headline(report),
        comparisons=comparisons,
        chart=_chart(report, gated[0]),
        title=f"Retraining of {story.subject}",
    )


def fairness(report: RetrainReport) -> str:
    """Say from when to when the rows are that both were compared on, and that neither has learnt from them."""
    told = ["seen by neither"]
    if report.holdout_from_time and report.holdout_to_time:
        told.append(f"from {day(report.holdout_from_time)} to {day(report.holdout_to_time)}")
    learnt = [
        f"the {who} learnt up to {day(cutoff)}"
        for who, cutoff in (("challenger", report.training_cutoff_time), ("champion", report.champion_cutoff_time))
        if cutoff
    ]
    told += learnt
    if report.seen_rows:
        told.append(f"{report.seen_rows} rows that the champion may have learnt are left out")
    return "; ".join(told)


def _duel(report: RetrainReport) -> str:
    gate = report.gates[0]
    mine = f"{gate.metric} {number(gate.challenger)}"
    return mine if gate.champion is None else f"{mine}, against {number(gate.champion)} of the champion"


def _chart(report: RetrainReport, metric: str) -> Chart | None:
    folds = [fold for fold in report.backtest if metric in fold.metrics]
    if not folds:
        return None
    across = [
        (value, f"{who} on the holdout", style)
        for who, value, style in (
            ("challenger", report.metrics.get(metric), "now"),
            ("champion", report.champion_metrics.get(metric), "then"),
        )
        if value is not None
    ]
    values = [fold.metrics[metric] for fold in folds] + [value for value, _, _ in across]
    low, high = min(values), max(values)
    room = (high - low) * _HEADROOM or max(abs(high), 1.0) * _HEADROOM
    low, high = low - room, high + room

    def height(value: float) -> float:
        return CHART_HEIGHT * (high - value) / (high - low)

    slot = CHART_WIDTH / len(folds)
    dots = tuple(
        Dot(x=slot * (index + 0.5), y=height(fold.metrics[metric]), fold=fold, label=day(fold.test_to_time)[:16])
        for index, fold in enumerate(folds)
    )
    lines = tuple((height(value), f"{text}: {number(value)}", style) for value, text, style in across)
    return Chart(metric, dots, lines)
