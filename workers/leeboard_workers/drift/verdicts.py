"""What each check says, given what was measured: pure, one function for each kind of check."""

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeboard.api.checks import (
    Aggregate,
    Check,
    OutOfDistributionIncrease,
    Prediction,
    UnivariateDistance,
    UnivariateTest,
)
from leeboard.api.multivariate import MultivariateTest
from leeboard.contract.findings import LearnedThreshold
from leeboard.contract.jobs import CheckReport, ColumnComparison, Distribution
from leeboard_workers.drift.aggregate import aggregated, drifted_share, wilson_lower_bound
from leeboard_workers.drift.correction import corrected
from leeboard_workers.drift.distribution import distribution_of
from leeboard_workers.drift.learning import Lesson
from leeboard_workers.drift.multivariate import JointOutcome
from leeboard_workers.drift.predictions import answer_distance
from leeboard_workers.drift.univariate import DistanceOutcome, TestOutcome

WORST_COLUMNS = 5
_ROUNDING = 1e-9
"""Shares are sums of floating-point weights."""

_AGGREGATES = {
    Aggregate.WEIGHTED_MEAN: "the weighted mean distance",
    Aggregate.MAX: "the largest distance",
}

Compared = dict[str, ColumnComparison]


def test_verdict(
    name: str,
    test: UnivariateTest,
    outcomes: Mapping[str, TestOutcome],
    weight_of: Mapping[str, float],
    lesson: Lesson | None,
) -> tuple[CheckReport, Compared]:
    """Decide by the weighted share of columns whose corrected p-value and effect both say that they drifted."""
    if not outcomes:
        return _nothing_compared(name, "univariateTest", test.drifted_share), {}
    bounds = _bounds(list(outcomes), test.smallest_effect, lesson)
    adjusted = corrected(np.array([outcome.p_value for outcome in outcomes.values()]), test.correction)
    columns = {
        column: ColumnComparison(
            method=outcome.method,
            statistic=outcome.statistic,
            threshold=bounds[column],
            p_value=outcome.p_value,
            corrected_p_value=float(p),
            effect=outcome.effect,
            drifted=bool(p < test.alpha and outcome.effect >= bounds[column]),
            reason=outcome.reason or None,
        )
        for (column, outcome), p in zip(outcomes.items(), adjusted, strict=True)
    }
    share = drifted_share([c.drifted for c in columns.values()], [weight_of[column] for column in columns])
    moved = sum(column.drifted for column in columns.values())
    return CheckReport(
        name=name,
        kind="univariateTest",
        statistic=share,
        threshold=test.drifted_share,
        drifted=moved > 0 and share >= test.drifted_share - _ROUNDING,
        worst_columns=_worst({column: c.effect or 0.0 for column, c in columns.items()}, columns, weight_of),
        message=f"{moved} of {len(columns)} columns drifted, {share:.0%} by weight"
        f"{_told(lesson, test.smallest_effect)}",
        learned=_learned(lesson),
    ), columns


def distance_verdict(
    name: str,
    distance: UnivariateDistance,
    distances: Mapping[str, DistanceOutcome],
    weight_of: Mapping[str, float],
    lesson: Lesson | None,
) -> tuple[CheckReport, Compared]:
    """Decide by the aggregate of the columns' distances."""
    limit = _limit(distance.limit, lesson)
    distances = {column: measured for column, measured in distances.items() if isfinite(measured.value)}
    if not distances:
        return _nothing_compared(name, "univariateDistance", limit), {}
    told = lesson.columns if lesson is not None else {}
    bounds = {column: max(told.get(column, limit), distance.limit or 0.0) for column in distances}
    columns = {
        column: ColumnComparison(
            method=measured.method,
            statistic=measured.value,
            threshold=bounds[column],
            drifted=measured.value > bounds[column],
            raw=measured.raw,
            reason=measured.reason or None,
        )
        for column, measured in distances.items()
    }
    values = {column: measured.value for column, measured in distances.items()}
    statistic = aggregated(list(values.values()), [weight_of[column] for column in values], distance.aggregate)
    beyond = sum(column.drifted for column in columns.values())
    across = f"{_AGGREGATES[distance.aggregate]} of {len(columns)} columns"
    return CheckReport(
        name=name,
        kind="univariateDistance",
        statistic=statistic,
        threshold=limit,
        drifted=statistic > limit,
        worst_columns=_worst(values, columns, weight_of),
        message=f"{across} is {statistic:.3g}; {beyond} of them exceed {'theirs' if told else 'the threshold'}"
        f"{_told(lesson, distance.limit)}",
        learned=_learned(lesson),
    ), columns


def joint_verdict(name: str, test: MultivariateTest, outcome: JointOutcome, lesson: Lesson | None) -> CheckReport:
    """Decide by p-value and effect of a test of all columns at once."""
    least = _limit(test.smallest_effect, lesson)
    telling = sorted(outcome.importances, key=lambda column: (-outcome.importances[column], column))
    notes = "".join(f"; {note}" for note in outcome.notes)
    return CheckReport(
        name=name,
        kind="multivariateTest",
        statistic=outcome.effect,
        threshold=least,
        drifted=outcome.p_value < test.alpha and outcome.effect >= least,
        worst_columns=tuple(column for column in telling if outcome.importances[column] > 0)[:WORST_COLUMNS],
        message=f"{outcome.told}: effect {outcome.effect:.3g}, p = {outcome.p_value:.2g}{notes}"
        f"{_told(lesson, test.smallest_effect)}",
        learned=_learned(lesson),
    )


def prediction_verdict(
    name: str,
    check: Prediction,
    reference: pa.ChunkedArray,
    window: pa.ChunkedArray,
    lesson: Lesson | None,
) -> tuple[CheckReport, Distribution | None]:
    """Decide by the distance between the answers then and now."""
    limit = _limit(check.limit, lesson)
    found = answer_distance(check, reference, window)
    if found is None:
        side = "reference" if reference.null_count == len(reference) else "window"
        return unmeasured(name, "prediction", limit, f"the stable version has no answer in the {side}"), None
    return CheckReport(
        name=name,
        kind="prediction",
        statistic=found.value,
        threshold=limit,
        drifted=found.value > limit,
        message=f"the answers then and now are {found.value:.3g} apart ({found.method}){_told(lesson, check.limit)}",
        learned=_learned(lesson),
    ), distribution_of(found.then, found.now)


def ood_verdict(name: str, check: OutOfDistributionIncrease, flags: pa.ChunkedArray, acceptance: float) -> CheckReport:
    """Decide by the lower bound of the rate of strangers, so that a few rows never decide."""
    limit = 1 - acceptance + check.max_increase
    scored = len(flags) - flags.null_count
    if scored == 0:
        return unmeasured(name, "outOfDistributionRate", limit, "no row of the window was scored by a detector")
    hits = int(pc.sum(pc.cast(flags, pa.int64())).as_py())
    bound = wilson_lower_bound(hits, scored)
    return CheckReport(
        name=name,
        kind="outOfDistributionRate",
        statistic=bound,
        threshold=limit,
        drifted=bound > limit,
        message=f"{hits} of {scored} rows are out of distribution ({hits / scored:.1%}, at least {bound:.1%} with 95 % "
        f"confidence); {1 - acceptance:.1%} are expected",
    )


def unlearned(check: Check, lesson: Lesson) -> CheckReport:
    """Say why a check has no bound; without one nothing is drift."""
    [kind] = check.document().keys() - {"name"}
    return CheckReport(name=check.name, kind=kind, message=lesson.lacks, learned=lesson.threshold)


def unmeasured(name: str, kind: str, threshold: float, message: str) -> CheckReport:
    """Say why a check has no number; that is never drift."""
    return CheckReport(name=name, kind=kind, threshold=threshold, message=message)


def _limit(least: float | None, lesson: Lesson | None) -> float:
    """Return the larger of what is stated, or the default, and what was learned."""
    known = [bound for bound in (least, lesson.bound if lesson is not None else None) if bound is not None]
    if not known:
        raise ValueError("a check without a threshold needs a lesson")
    return max(known)


def _bounds(columns: Sequence[str], least: float, lesson: Lesson | None) -> dict[str, float]:
    learned = lesson.columns if lesson is not None else {}
    return {column: max(least, learned.get(column, 0.0)) for column in columns}


def _learned(lesson: Lesson | None) -> LearnedThreshold | None:
    return lesson.threshold if lesson is not None and not lesson.lacks else None


def _told(lesson: Lesson | None, least: float | None) -> str:
    """Say how the bounds were learned, or why they were not."""
    if lesson is None:
        return ""
    if lesson.lacks:
        return f"; the bound is {least:g}, since {lesson.lacks}"
    how = lesson.threshold
    source = f"{how.rule} of {how.windows} windows of the reference of {how.rows} rows"
    if how.mean is None or how.standard_deviation is None:
        return f"; each column's bound is {source}"
    return f"; the threshold is {source} (mean {how.mean:.3g}, sd {how.standard_deviation:.2g})"


def _nothing_compared(name: str, kind: str, threshold: float) -> CheckReport:
    return unmeasured(name, kind, threshold, "no column could be compared; the columns say why")


def _worst(scores: Mapping[str, float], columns: Compared, weight_of: Mapping[str, float]) -> tuple[str, ...]:
    """Return the columns that moved most, by weight: of those that drifted if any did."""
    drifted = [column for column in columns if columns[column].drifted and weight_of[column] > 0]
    ranked = sorted(drifted or scores, key=lambda column: (-weight_of[column] * scores[column], column))
    return tuple(column for column in ranked if weight_of[column] * scores[column] > 0)[:WORST_COLUMNS]
