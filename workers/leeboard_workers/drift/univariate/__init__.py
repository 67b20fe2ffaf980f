"""Statistics of one column then and now, each by the name that a manifest gives it.

A test answers with its statistic, p-value and effect size; a distance answers with one number. Whoever has a faster
implementation of one changes its file and nothing else.
"""

from collections.abc import Callable

from leeboard.api.checks import CategoricalDistance, CategoricalTest, NumericDistance, NumericTest
from leeboard_workers.drift.reference import as_levels, bins_of, has_few_values
from leeboard_workers.drift.univariate.binned import (
    Shares,
    hellinger,
    jensen_shannon,
    kullback_leibler,
    population_stability,
)
from leeboard_workers.drift.univariate.chi_squared import chi_squared
from leeboard_workers.drift.univariate.kolmogorov_smirnov import kolmogorov_smirnov
from leeboard_workers.drift.univariate.outcome import TestOutcome, vanished
from leeboard_workers.drift.univariate.wasserstein import wasserstein
from leeboard_workers.drift.values import CategoricalValues, NumericValues, Values

_BINNED: dict[str, Callable[[Shares], float]] = {
    CategoricalDistance.JENSEN_SHANNON.value: jensen_shannon,
    CategoricalDistance.KULLBACK_LEIBLER.value: kullback_leibler,
    CategoricalDistance.POPULATION_STABILITY.value: population_stability,
    CategoricalDistance.HELLINGER.value: hellinger,
}


def run_test(
    reference: Values, window: Values, *, numeric: NumericTest, categorical: CategoricalTest
) -> TestOutcome | None:
    """Test whether two columns of one type are drawn from one distribution; none when neither holds a value.

    `Auto` is Kolmogorov-Smirnov for numbers, chi-squared for levels and for numbers with at most ten distinct values
    in the reference, where ties make Kolmogorov-Smirnov blind. `categorical` may name only chi-squared so far.
    """
    del categorical
    if reference.present == 0 and window.present == 0:
        return None
    if isinstance(reference, NumericValues) and isinstance(window, NumericValues):
        if numeric is NumericTest.AUTO and has_few_values(reference):
            return chi_squared(as_levels(reference), as_levels(window))
        if reference.present == 0 or window.present == 0:
            return vanished(NumericTest.KOLMOGOROV_SMIRNOV, reference, window)
        return kolmogorov_smirnov(reference, window)
    if isinstance(reference, CategoricalValues) and isinstance(window, CategoricalValues):
        if reference.present == 0 or window.present == 0:
            return vanished(CategoricalTest.CHI_SQUARED, reference, window)
        return chi_squared(reference, window)
    raise TypeError("both columns must be of one type")


def measure_distance(
    reference: Values, window: Values, *, numeric: NumericDistance, categorical: CategoricalDistance
) -> tuple[str, float] | None:
    """Return the method and the distance between two columns of one type; none when neither can be measured.

    `Auto` is Wasserstein for numbers, Jensen-Shannon for levels and for numbers with at most ten distinct values.
    """
    if min(reference.rows, window.rows) == 0 or reference.present == window.present == 0:
        return None
    if isinstance(reference, NumericValues) and isinstance(window, NumericValues):
        method = numeric.value
        if numeric is NumericDistance.AUTO:
            few = has_few_values(reference)
            method = (NumericDistance.JENSEN_SHANNON if few else NumericDistance.WASSERSTEIN).value
        if method == NumericDistance.WASSERSTEIN.value:
            if reference.present and window.present:
                return method, wasserstein(reference, window)
            method = NumericDistance.JENSEN_SHANNON.value  # a column that vanished: its bin of missing values tells
    else:
        method = categorical.value
        if categorical is CategoricalDistance.AUTO:
            method = CategoricalDistance.JENSEN_SHANNON.value
    bins = bins_of(reference)
    return method, _BINNED[method](Shares(bins.counts(reference), bins.counts(window)))


__all__ = ["TestOutcome", "measure_distance", "run_test"]
