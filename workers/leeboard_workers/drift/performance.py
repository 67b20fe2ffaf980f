"""How good the answers were: each metric with its interval, held against the reference at the interval's side.

A metric has fallen only if even the friendly end of the drop's interval lies beyond `maxDrop`, so that a few labels
never decide. Intervals are 95 %, from resampling the requests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite, isnan, sqrt

import numpy as np
import pyarrow as pa

from leeboard.api.checks import CategoricalTest, NumericTest
from leeboard.api.performance import Performance, PerformanceMetric
from leeboard.contract.findings import LabelComparison, MetricReport, PerformanceReport
from leeboard.contract.jobs import CheckReport
from leeboard_workers.drift.levels import categorical_values
from leeboard_workers.drift.metrics import Metric, fits, metric_of
from leeboard_workers.drift.outcomes import Outcomes
from leeboard_workers.drift.univariate import Pair, run_test
from leeboard_workers.drift.values import Floats, numeric_values

KIND = "performance"
REPLICATES = 200
"""Resamplings: the standard error is then known within 5 % of itself."""
MIN_LABELLED = 30
"""With fewer labelled rows no interval can be trusted."""
LABEL_ALPHA = 0.01
LABEL_EFFECT = 0.1
"""Labels drifted: p below alpha and Cramér's V (of numbers: the KS statistic) of at least so much."""
_NAMED = 2
"""So many metrics are told with their numbers; the page has them all."""
Z = 1.959963984540054
"""97.5 % quantile of the normal distribution."""


@dataclass(frozen=True)
class Interval:
    """A number and where it may lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Guess:
    """What the answers' own confidence lets one expect, by metric."""

    expected: Mapping[str, Interval]
    """Of the labelled rows."""
    estimate: Mapping[str, Interval]
    """Of the scored window, whose labels are still to come."""


@dataclass(frozen=True)
class Coverage:
    """How many outcomes are known, and how late they came."""

    start_time: str
    end_time: str
    rows: int
    labelled: int
    delay_seconds: float | None = None
    late_delay_seconds: float | None = None

    @property
    def share(self) -> float:
        """Share of the rows that have a label."""
        return self.labelled / self.rows if self.rows else 0.0


def intervals(
    outcomes: Outcomes, metrics: Sequence[Metric], seed: int, weights: Floats | None = None
) -> dict[str, Interval]:
    """Return the metrics that are defined for these rows, each with its 95 % interval.

    Standard errors come from the bootstrap over groups of rows with Poisson weights (Efron, 1979; Hanley and MacGibbon,
    2006). A proportion has Wilson's interval for as many rows as its standard error is worth (Korn and Graubard, 1998),
    which stays honest near 0 and 1; other metrics have a normal one, cut to their range.

    Args:
        outcomes: Rows.
        metrics: Which metrics.
        seed: Of the resampling.
        weights: How much each row counts; none: each as one.
    """
    if outcomes.rows == 0:
        return {}
    counted = np.ones(outcomes.rows) if weights is None else weights
    prepared = {metric.name: metric.prepare(outcomes) for metric in metrics if fits(metric, outcomes)}
    values = {name: weighted(counted) for name, weighted in prepared.items()}
    draw = np.random.default_rng(seed)
    groups = outcomes.groups
    replicates: dict[str, list[float]] = {name: [] for name in prepared}
    for _ in range(REPLICATES):
        drawn = draw.poisson(1.0, outcomes.rows if groups is None else int(groups.max()) + 1).astype(np.float64)
        resampled = counted * (drawn if groups is None else drawn[groups])
        for name, weighted in prepared.items():
            replicates[name].append(weighted(resampled))
    return {
        metric.name: _interval(metric, values[metric.name], np.array(replicates[metric.name]), float(counted.sum()))
        for metric in metrics
        if metric.name in prepared and isfinite(values[metric.name])
    }


def performance_report(
    name: str,
    check: Performance,
    coverage: Coverage,
    *,
    window: Outcomes | None,
    reference: Outcomes | None,
    guess: Guess | None = None,
    seed: int = 0,
    why_no_reference: str = "",
) -> CheckReport:
    """Decide whether the answers have become worse.

    Args:
        name: Of the check.
        check: Metrics and bounds.
        coverage: How many rows there are and how many have a label.
        window: Rows of the window with their outcomes; none: there are none.
        reference: Rows of the reference with theirs; none: there are none, and only stated baselines hold.
        guess: What the answers' own confidence lets one expect.
        seed: Of the resampling.
        why_no_reference: Why there is no reference, and what to do, in a sentence.
    """
    metrics = [metric_of(asked.name, asked.quantile) for asked in check.metrics]
    now = intervals(window, metrics, seed) if window is not None else {}
    then = intervals(reference, metrics, seed) if reference is not None and now else {}
    reports = tuple(
        _held(asked, metric, now[asked.name], _baseline(asked, then), why_no_reference)
        if asked.name in now
        else MetricReport(name=asked.name, max_drop=asked.max_drop, message=_undefined(metric, window))
        for asked, metric in zip(check.metrics, metrics, strict=True)
    )
    if guess is not None:
        reports = tuple(
            _with_guess(report, metric, now.get(metric.name), guess)
            for report, metric in zip(reports, metrics, strict=True)
        )
    performance = PerformanceReport(
        window_start_time=coverage.start_time,
        window_end_time=coverage.end_time,
        rows=coverage.rows,
        labelled=coverage.labelled,
        min_coverage=check.min_coverage,
        labels=_labels_compared(window, reference),
        delay_seconds=coverage.delay_seconds,
        late_delay_seconds=coverage.late_delay_seconds,
        metrics=reports,
    )
    lacking = _lacking(check, coverage)
    if lacking is not None:
        wanted, message = lacking
        undecided = tuple(report.model_copy(update={"drifted": False}) for report in reports)
        labels = performance.labels and performance.labels.model_copy(update={"drifted": False})
        shown = performance.model_copy(update={"metrics": undecided, "labels": labels})
        guessed = [report for report in reports if report.estimate is not None]
        if guessed:
            message += f"; by the answers' own confidence {guessed[0].name} is about {_number(guessed[0].estimate)}"
        return CheckReport(name=name, kind=KIND, message=message, labels_wanted=wanted, performance=shown)
    decided = [report for report in reports if report.drop is not None]
    breached = [report for report in decided if report.drifted]
    if not decided:
        message = "; ".join(dict.fromkeys(report.message for report in reports))
        return CheckReport(name=name, kind=KIND, message=message, performance=performance)
    leading = (breached or decided)[0]
    return CheckReport(
        name=name,
        kind=KIND,
        statistic=leading.drop,
        threshold=leading.max_drop,
        drifted=bool(breached),
        message=_told_all(breached or decided, coverage),
        performance=performance,
    )


def too_few_rows(name: str, check: Performance, coverage: Coverage, message: str) -> CheckReport:
    """Say that there are too few rows to judge; more labels would not help."""
    empty = PerformanceReport(
        window_start_time=coverage.start_time,
        window_end_time=coverage.end_time,
        rows=coverage.rows,
        labelled=coverage.labelled,
        min_coverage=check.min_coverage,
    )
    return CheckReport(name=name, kind=KIND, message=message, performance=empty)


def _lacking(check: Performance, coverage: Coverage) -> tuple[int | None, str] | None:
    """Return how many labels are lacking, and a sentence; none of the former: more labels cannot come."""
    needed = max(ceil(check.min_coverage * coverage.rows), MIN_LABELLED)
    if coverage.labelled >= needed:
        return None
    if coverage.rows < needed:
        return None, f"{coverage.rows} rows are too few to judge a model by: {needed} with a label are needed"
    return needed - coverage.labelled, (
        f"{coverage.labelled} of {coverage.rows} rows have a label ({coverage.share:.0%}), and {needed} are asked for: "
        "it is scored again as labels come"
    )


def _interval(metric: Metric, value: float, replicates: Floats, rows: float) -> Interval:
    known = replicates[np.isfinite(replicates)]
    error = float(known.std(ddof=1)) if known.size > 1 else float("nan")
    if metric.proportion:
        worth = rows if not error > 0 else min(rows, value * (1 - value) / error**2)
        return Interval(value, *_wilson(value, worth))
    if isnan(error):
        return Interval(value, metric.lowest, metric.highest)
    return Interval(value, max(value - Z * error, metric.lowest), min(value + Z * error, metric.highest))


def _wilson(share: float, rows: float) -> tuple[float, float]:
    """Return Wilson's interval (1927) of a share of so many rows."""
    centre = share + Z * Z / (2 * rows)
    margin = Z * sqrt(share * (1 - share) / rows + Z * Z / (4 * rows * rows))
    below = 1 + Z * Z / rows
    return max((centre - margin) / below, 0.0), min((centre + margin) / below, 1.0)


def _baseline(asked: PerformanceMetric, then: Mapping[str, Interval]) -> Interval | None:
    if asked.baseline is not None:
        return Interval(asked.baseline, asked.baseline, asked.baseline)
    return then.get(asked.name)


def _held(
    asked: PerformanceMetric,
    metric: Metric,
    now: Interval,
    then: Interval | None,
    why_no_reference: str,
) -> MetricReport:
    found = MetricReport(
        name=asked.name, max_drop=asked.max_drop, value=now.value, low=_finite(now.low), high=_finite(now.high)
    )
    if then is None:
        return found.model_copy(
            update={"message": why_no_reference or f"{asked.name} is not defined on the reference: state its baseline"}
        )
    drop = _drop(metric, now, then)
    if not isfinite(drop):
        return found.model_copy(update={"message": f"{asked.name} has no interval: too few rows differ"})
    return found.model_copy(
        update={
            "reference": then.value,
            "reference_low": _finite(then.low),
            "reference_high": _finite(then.high),
            "drop": drop,
            "drifted": drop > asked.max_drop,
        }
    )


def _with_guess(report: MetricReport, metric: Metric, now: Interval | None, guess: Guess) -> MetricReport:
    expected, estimate = guess.expected.get(report.name), guess.estimate.get(report.name)
    update: dict[str, float | None] = {}
    if expected is not None:
        update |= {"expected": expected.value, "expected_low": _finite(expected.low)}
        update |= {"expected_high": _finite(expected.high)}
        if now is not None:
            update["shortfall"] = _finite(_drop(metric, now, expected))
    if estimate is not None:
        update |= {"estimate": estimate.value, "estimate_low": _finite(estimate.low)}
        update |= {"estimate_high": _finite(estimate.high)}
    return report.model_copy(update=update)


def _labels_compared(window: Outcomes | None, reference: Outcomes | None) -> LabelComparison | None:
    """Compare the labels then and now: of classes by chi-squared, of numbers by Kolmogorov-Smirnov."""
    if window is None or reference is None or min(window.rows, reference.rows) < MIN_LABELLED:
        return None
    if window.classes != reference.classes:
        return None
    then, now = (
        numeric_values(pa.array(side.truth)) if side.classes is None else categorical_values(pa.array(side.truth))
        for side in (reference, window)
    )
    found = run_test(Pair(then, now), numeric=NumericTest.KOLMOGOROV_SMIRNOV, categorical=CategoricalTest.CHI_SQUARED)
    if found is None:
        return None
    return LabelComparison(
        method=found.method,
        statistic=found.statistic,
        p_value=found.p_value,
        effect=found.effect,
        drifted=bool(found.p_value < LABEL_ALPHA and found.effect >= LABEL_EFFECT),
    )


def _drop(metric: Metric, now: Interval, then: Interval) -> float:
    """Return the lower 95 % limit of how much worse the window is than the reference.

    The two intervals are combined as if they were variances (MOVER: Zou and Donner, 2008; of two proportions it is
    Newcombe's interval, 1998).
    """
    if metric.greater_is_better:
        return then.value - now.value - sqrt((then.value - then.low) ** 2 + (now.high - now.value) ** 2)
    return now.value - then.value - sqrt((now.value - now.low) ** 2 + (then.high - then.value) ** 2)


def _undefined(metric: Metric, window: Outcomes | None) -> str:
    if window is None or window.rows == 0:
        return "no row of the window has both an answer and a label"
    if metric.needs == "numbers" and window.classes is not None:
        return f"{metric.name} is of numbers, and the model answers classes: ask for accuracy, f1 or log_loss"
    if metric.needs != "numbers" and window.classes is None:
        return f"{metric.name} is of classes, and the model answers numbers: ask for mae, rmse or r2"
    if metric.needs == "probabilities" and window.probabilities is None:
        return (
            f"{metric.name} needs probabilities, and the answers have none: serve the model with Leeboard's predictor, "
            "or ask for accuracy or f1"
        )
    return f"{metric.name} is not defined for these rows, such as when they hold one class alone"


def _told_all(reports: Sequence[MetricReport], coverage: Coverage) -> str:
    told = "; ".join(_told(report) for report in reports[:_NAMED])
    more = f"; and {', '.join(report.name for report in reports[_NAMED:])}" if len(reports) > _NAMED else ""
    return f"{told}{more}, by {coverage.share:.0%} of the labels"


def _told(report: MetricReport) -> str:
    interval = f"{_number(report.value)} ({_number(report.low)} to {_number(report.high)})"
    verdict = f"worse by at least {_number(report.drop)}, and {_number(report.max_drop)} is allowed"
    held = f"{report.name} is {interval}, {_number(report.reference)} on the reference"
    return f"{held}: {verdict}" if report.drifted else held


def _number(value: float | None) -> str:
    return "unbounded" if value is None else f"{value:.3g}"


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
