"""Statistics of one column then and now, each by the name that a manifest gives it.

A test answers with its statistic, p-value and effect size; a distance answers with one number. Whoever has a faster
implementation of one changes its file and nothing else.
"""

from collections.abc import Callable

from leeboard.api.checks import CategoricalDistance, CategoricalTest, NumericDistance, NumericTest
from leeboard_workers.drift.bins import FEW_DISTINCT, Shares
from leeboard_workers.drift.univariate.binned import (
    hellinger,
    jensen_shannon,
    kullback_leibler,
    population_stability,
    total_variation,
)
from leeboard_workers.drift.univariate.chi_squared import chi_squared
from leeboard_workers.drift.univariate.kolmogorov_smirnov import kolmogorov_smirnov
from leeboard_workers.drift.univariate.outcome import DistanceOutcome, TestOutcome, vanished
from leeboard_workers.drift.univariate.pair import Pair
from leeboard_workers.drift.univariate.wasserstein import wasserstein

_BINNED: dict[str, Callable[[Shares], float]] = {
    CategoricalDistance.JENSEN_SHANNON.value: jensen_shannon,
    CategoricalDistance.KULLBACK_LEIBLER.value: kullback_leibler,
    CategoricalDistance.POPULATION_STABILITY.value: population_stability,
    CategoricalDistance.HELLINGER.value: hellinger,
    CategoricalDistance.TOTAL_VARIATION.value: total_variation,
}
_FEW = f"at most {FEW_DISTINCT} different numbers in the reference: compared as levels"
_MANY = f"more than {FEW_DISTINCT} different numbers in the reference"


def run_test(pair: Pair, *, numeric: NumericTest, categorical: CategoricalTest) -> TestOutcome | None:
    """Test whether two columns of one type are drawn from one distribution; none when neither holds a value.

    `Auto` is Kolmogorov-Smirnov for numbers, chi-squared for levels and for numbers with at most ten distinct values
    in the reference, where ties make Kolmogorov-Smirnov blind. `categorical` may name only chi-squared so far.
    """
    del categorical
    if pair.reference.present == 0 and pair.window.present == 0:
        return None
    if pair.one_sided:
        method = NumericTest.KOLMOGOROV_SMIRNOV if pair.numeric else CategoricalTest.CHI_SQUARED
        return vanished(method, pair.reference, pair.window)
    auto = pair.numeric and numeric is NumericTest.AUTO
    if auto and pair.few:
        return _because(_FEW, chi_squared(*pair.levels))
    if not pair.numeric:
        return chi_squared(*pair.levels)
    outcome = kolmogorov_smirnov(pair)
    return _because(_MANY, outcome) if auto else outcome


def measure_distance(
    pair: Pair, *, numeric: NumericDistance, categorical: CategoricalDistance
) -> DistanceOutcome | None:
    """Measure the distance between two columns of one type; none when it cannot be measured.

    `Auto` is Wasserstein for numbers, Jensen-Shannon for levels and for numbers with at most ten distinct values.
    """
    if min(pair.reference.rows, pair.window.rows) == 0 or pair.reference.present == pair.window.present == 0:
        return None
    method, reason = _method(pair, numeric, categorical)
    if method == NumericDistance.WASSERSTEIN.value:
        value, raw = wasserstein(pair)
        return DistanceOutcome(method, value, raw, reason)
    return DistanceOutcome(method, _BINNED[method](pair.shares), reason=reason)


def _method(pair: Pair, numeric: NumericDistance, categorical: CategoricalDistance) -> tuple[str, str]:
    """Return the method and why it is this one; nothing needs to be said of one that was asked for."""
    if not pair.numeric:
        auto = categorical is CategoricalDistance.AUTO
        return (CategoricalDistance.JENSEN_SHANNON.value, "levels") if auto else (categorical.value, "")
    method, reason = numeric.value, ""
    if numeric is NumericDistance.AUTO:
        found = NumericDistance.JENSEN_SHANNON if pair.few else NumericDistance.WASSERSTEIN
        method, reason = found.value, _FEW if pair.few else _MANY
    if method == NumericDistance.WASSERSTEIN.value and pair.one_sided:
        return NumericDistance.JENSEN_SHANNON.value, "one side has no value: the share of missing values is compared"
    return method, reason


def _because(reason: str, outcome: TestOutcome) -> TestOutcome:
    reasons = "; ".join(part for part in (reason, outcome.reason) if part)
    return TestOutcome(outcome.method, outcome.statistic, outcome.p_value, outcome.effect, reasons)


__all__ = ["DistanceOutcome", "Pair", "TestOutcome", "measure_distance", "run_test"]
