"""What each check says, given what was measured: pure, one function for each kind of check."""

from collections.abc import Mapping
from math import isfinite

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeboard.api.checks import (
    Aggregate,
    CategoricalDistance,
    NumericDistance,
    OutOfDistributionIncrease,
    Prediction,
    UnivariateDistance,
    UnivariateTest,
)
from leeboard.api.multivariate import MultivariateTest
from leeboard.contract.jobs import CheckReport, ColumnComparison, Distribution
from leeboard_workers.drift.aggregate import aggregated, drifted_share, wilson_lower_bound
from leeboard_workers.drift.bins import has_few_values
from leeboard_workers.drift.correction import corrected
from leeboard_workers.drift.distribution import distribution_of
from leeboard_workers.drift.multivariate import JointOutcome
from leeboard_workers.drift.reference import prepare_column, typed_like
from leeboard_workers.drift.univariate import DistanceOutcome, Pair, TestOutcome, measure_distance
from leeboard_workers.drift.values import NumericValues

WORST_COLUMNS = 5
_ROUNDING = 1e-9
"""Shares are sums of floating-point weights."""

_AGGREGATES = {
    Aggregate.WEIGHTED_MEAN: "the weighted mean distance",
    Aggregate.MAX: "the largest distance",
}

Compared = dict[str, ColumnComparison]


def test_verdict(
    name: str, test: UnivariateTest, outcomes: Mapping[str, TestOutcome], weight_of: Mapping[str, float]
) -> tuple[CheckReport, Compared]:
    """Decide by the weighted share of columns whose corrected p-value and effect both say that they drifted."""
    if not outcomes:
        return _nothing_compared(name, "univariateTest", test.drifted_share), {}
    adjusted = corrected(np.array([outcome.p_value for outcome in outcomes.values()]), test.correction)
    columns = {
        column: ColumnComparison(
            method=outcome.method,
            statistic=outcome.statistic,
            threshold=test.min_effect,
            p_value=outcome.p_value,
            corrected_p_value=float(p),
            effect=outcome.effect,
            drifted=bool(p < test.alpha and outcome.effect >= test.min_effect),
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
        message=f"{moved} of {len(columns)} columns drifted, {share:.0%} by weight",
    ), columns


def distance_verdict(
    name: str, distance: UnivariateDistance, distances: Mapping[str, DistanceOutcome], weight_of: Mapping[str, float]
) -> tuple[CheckReport, Compared]:
    """Decide by the aggregate of the columns' distances."""
    distances = {column: measured for column, measured in distances.items() if isfinite(measured.value)}
    if not distances:
        return _nothing_compared(name, "univariateDistance", distance.threshold), {}
    columns = {
        column: ColumnComparison(
            method=measured.method,
            statistic=measured.value,
            threshold=distance.threshold,
            drifted=measured.value > distance.threshold,
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
        threshold=distance.threshold,
        drifted=statistic > distance.threshold,
        worst_columns=_worst(values, columns, weight_of),
        message=f"{across} is {statistic:.3g}; {beyond} of them exceed the threshold",
    ), columns


def joint_verdict(name: str, test: MultivariateTest, outcome: JointOutcome) -> CheckReport:
    """Decide by p-value and effect of a test of all columns at once."""
    telling = sorted(outcome.importances, key=lambda column: (-outcome.importances[column], column))
    notes = "".join(f"; {note}" for note in outcome.notes)
    return CheckReport(
        name=name,
        kind="multivariateTest",
        statistic=outcome.effect,
        threshold=test.smallest_effect,
        drifted=outcome.p_value < test.alpha and outcome.effect >= test.smallest_effect,
        worst_columns=tuple(column for column in telling if outcome.importances[column] > 0)[:WORST_COLUMNS],
        message=f"{outcome.told}: effect {outcome.effect:.3g}, p = {outcome.p_value:.2g}{notes}",
    )


def prediction_verdict(
    name: str, check: Prediction, reference: pa.ChunkedArray, window: pa.ChunkedArray
) -> tuple[CheckReport, Distribution | None]:
    """Decide by the distance between the answers then and now; few different numbers are classes."""
    column = prepare_column("prediction", reference)[0]
    if column.kind == "unknown":
        column = typed_like(column, window)[0]
    then, now = column.values, column.read(window)
    if isinstance(then, NumericValues) and isinstance(now, NumericValues) and has_few_values(then):
        then, now = Pair(then, now).levels
    method = CategoricalDistance.JENSEN_SHANNON if check.method is CategoricalDistance.AUTO else check.method
    measured = measure_distance(Pair(then, now), numeric=NumericDistance(method.value), categorical=method)
    if measured is None or then.present == 0 or now.present == 0:
        side = "reference" if then.present == 0 else "window"
        return unmeasured(name, "prediction", check.threshold, f"the stable version has no answer in the {side}"), None
    statistic = measured.value
    return CheckReport(
        name=name,
        kind="prediction",
        statistic=statistic,
        threshold=check.threshold,
        drifted=statistic > check.threshold,
        message=f"the answers then and now are {statistic:.3g} apart ({method})",
    ), distribution_of(then, now)


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


def unmeasured(name: str, kind: str, threshold: float, message: str) -> CheckReport:
    """Say why a check has no number; that is never drift."""
    return CheckReport(name=name, kind=kind, threshold=threshold, message=message)


def _nothing_compared(name: str, kind: str, threshold: float) -> CheckReport:
    return unmeasured(name, kind, threshold, "no column could be compared; the columns say why")


def _worst(scores: Mapping[str, float], columns: Compared, weight_of: Mapping[str, float]) -> tuple[str, ...]:
    """Return the columns that moved most, by weight: of those that drifted if any did."""
    drifted = [column for column in columns if columns[column].drifted and weight_of[column] > 0]
    ranked = sorted(drifted or scores, key=lambda column: (-weight_of[column] * scores[column], column))
    return tuple(column for column in ranked if weight_of[column] * scores[column] > 0)[:WORST_COLUMNS]
