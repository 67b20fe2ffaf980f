"""Statistics of one column against scipy, numbers that can be worked out by hand, and what must always hold."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from leeboard.api.checks import CategoricalDistance, CategoricalTest, NumericDistance, NumericTest
from leeboard_workers.drift.bins import Shares, bins_of
from leeboard_workers.drift.levels import categorical_values
from leeboard_workers.drift.univariate import Pair, measure_distance, run_test
from leeboard_workers.drift.univariate.binned import (
    hellinger,
    jensen_shannon,
    kullback_leibler,
    population_stability,
)
from leeboard_workers.drift.univariate.chi_squared import chi_squared, pool_rare
from leeboard_workers.drift.values import CategoricalValues, numeric_values

DRAW = np.random.default_rng(7)


def numbers(values: Any):
    return numeric_values(pa.array(values, pa.float64()))


def levels(values: Any):
    return categorical_values(pa.array(values))


def counted(**counts: Any):
    return CategoricalValues(counts, 0)


def examined(then: Any, now: Any, test: Any = NumericTest.KOLMOGOROV_SMIRNOV):
    return run_test(Pair(numbers(then), numbers(now)), numeric=test, categorical=CategoricalTest.CHI_SQUARED)


def distance(then: Any, now: Any, method: Any):
    pair = Pair(numbers(then), numbers(now))
    return measure_distance(pair, numeric=method, categorical=CategoricalDistance.JENSEN_SHANNON).value


@pytest.mark.parametrize("sizes", [(30, 50), (2_000, 900), (30_000, 12_000)])
@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_kolmogorov_smirnov_is_scipys(sizes: Any, shift: float):
    then, now = DRAW.normal(size=sizes[0]), DRAW.normal(shift, size=sizes[1])
    outcome, expected = examined(then, now), stats.ks_2samp(then, now)
    assert outcome.statistic == pytest.approx(expected.statistic, abs=1e-12)
    assert outcome.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert outcome.effect == outcome.statistic


def test_missing_and_infinite_values_leave_kolmogorov_smirnov_alone():
    then, now = DRAW.normal(size=500), DRAW.normal(size=400)
    dirty = [*now, np.nan, np.inf, -np.inf]
    assert examined(then, dirty) == examined(then, now)


def test_a_column_without_values_on_one_side_differs_in_that_alone():
    outcome = examined(DRAW.normal(size=500), [np.nan] * 200)
    table = [[500, 0], [0, 200]]
    assert (outcome.statistic, outcome.effect) == (1.0, 1.0)
    assert outcome.p_value == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, abs=1e-300)


def test_a_column_without_any_value_is_not_compared():
    assert examined([np.nan] * 5, [np.nan] * 7) is None


def test_equal_constants_are_alike():
    outcome = examined([3.0] * 100, [3.0] * 50)
    assert (outcome.statistic, outcome.p_value) == (0.0, 1.0)


def test_chi_squared_is_scipys_for_two_samples():
    then = counted(a=400, b=350, c=250)
    now = counted(a=150, b=90, c=160)
    expected = stats.chi2_contingency([[400, 350, 250], [150, 90, 160]], correction=False)
    outcome = chi_squared(then, now)
    assert outcome.statistic == pytest.approx(expected.statistic, rel=1e-12)
    assert outcome.p_value == pytest.approx(expected.pvalue, rel=1e-9)


def test_the_effect_is_cramers_v_where_samples_are_equally_large():
    table = [[400, 350, 250], [300, 500, 200]]
    outcome = chi_squared(counted(a=400, b=350, c=250), counted(a=300, b=500, c=200))
    assert outcome.effect == pytest.approx(stats.contingency.association(np.array(table), method="cramer"), rel=1e-12)


def test_the_effect_does_not_depend_on_how_small_the_window_is():
    then, now = counted(a=5000, b=5000), counted(a=7000, b=3000)
    small = counted(a=70, b=30)
    assert chi_squared(then, small).effect == pytest.approx(chi_squared(then, now).effect, rel=1e-12)


def test_chi_squared_raises_the_false_alarms_that_it_promises():
    draw = np.random.default_rng(1)
    shares = draw.dirichlet(np.ones(10) * 5)
    alarms = 0
    for _ in range(600):
        then, now = (dict(zip("abcdefghij", draw.multinomial(2_000, shares).tolist(), strict=True)) for _ in range(2))
        alarms += chi_squared(CategoricalValues(then, 0), CategoricalValues(now, 0)).p_value < 0.05
    assert 0.025 < alarms / 600 < 0.08


def test_rare_levels_are_pooled_until_five_rows_are_expected():
    table = np.array([[500.0, 480.0, 3.0, 2.0, 15.0], [90.0, 95.0, 0.0, 1.0, 14.0]])
    pooled = pool_rare(table)
    assert pooled.shape == (2, 3)
    assert pooled.sum() == table.sum()
    assert (pooled.sum(axis=0) * table.sum(axis=1).min() / table.sum()).min() >= 5


def test_one_level_alone_is_alike():
    outcome = chi_squared(counted(a=10), counted(a=20))
    assert (outcome.statistic, outcome.p_value, outcome.effect) == (0.0, 1.0, 0.0)


def test_a_new_level_is_found():
    assert chi_squared(counted(a=500, b=500), counted(a=400, b=400, c=200)).p_value < 1e-9


def test_auto_compares_few_different_numbers_as_levels():
    then, now = DRAW.integers(0, 3, 800), DRAW.integers(0, 3, 900)
    assert examined(then, now, NumericTest.AUTO).method == "ChiSquared"
    assert examined(DRAW.normal(size=50), DRAW.normal(size=50), NumericTest.AUTO).method == "KolmogorovSmirnov"


def test_wasserstein_is_scipys_in_units_of_the_reference():
    then, now = DRAW.lognormal(size=3_000), DRAW.lognormal(0.3, size=2_000)
    expected = stats.wasserstein_distance(then, now) / np.std(then)
    assert distance(then, now, NumericDistance.WASSERSTEIN) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("unit", [1e-9, 1e6, 1e150, 1e300])
def test_wasserstein_does_not_depend_on_the_unit(unit: float):
    then, now = DRAW.normal(size=300), DRAW.normal(1.0, size=300)
    plain = distance(then, now, NumericDistance.WASSERSTEIN)
    assert distance(then * unit, now * unit, NumericDistance.WASSERSTEIN) == pytest.approx(plain, rel=1e-9)


def test_wasserstein_of_a_constant_reference_is_free_of_units():
    near = distance([5.0] * 100, [6.0] * 100, NumericDistance.WASSERSTEIN)
    far = distance([5.0] * 100, [5000.0] * 100, NumericDistance.WASSERSTEIN)
    assert near == pytest.approx(2.0) == pytest.approx(far)
    assert distance([5.0] * 100, [5.0] * 30, NumericDistance.WASSERSTEIN) == 0.0


def test_a_column_that_vanished_is_one_apart():
    found = measure_distance(
        Pair(numbers([1.0, 2.0, 3.0]), numbers([np.nan] * 3)),
        numeric=NumericDistance.WASSERSTEIN,
        categorical=CategoricalDistance.AUTO,
    )
    assert (found.method, found.value) == ("JensenShannon", pytest.approx(1.0))


def test_jensen_shannon_is_scipys_distance_in_base_two():
    then, now = np.array([50, 30, 20, 0]), np.array([20, 30, 40, 10])
    assert jensen_shannon(Shares(then, now)) == pytest.approx(jensenshannon(then, now, base=2), rel=1e-12)


def test_kullback_leibler_is_scipys_entropy_of_the_window():
    then, now = np.array([50, 30, 20]), np.array([20, 30, 50])
    smooth = (now + 0.5) / (now + 0.5).sum(), (then + 0.5) / (then + 0.5).sum()
    assert kullback_leibler(Shares(then, now)) == pytest.approx(stats.entropy(*smooth), rel=1e-12)


def test_population_stability_is_both_divergences():
    then, now = np.array([500, 300, 200]), np.array([200, 300, 500])
    both = kullback_leibler(Shares(then, now)) + kullback_leibler(Shares(now, then))
    assert population_stability(Shares(then, now)) == pytest.approx(both, rel=1e-12)


def test_an_empty_bin_does_not_explode_the_stability_index():
    assert population_stability(Shares(np.array([5_000, 5_000, 0]), np.array([4_990, 5_000, 10]))) < 0.01


def test_hellinger_of_strangers_is_one():
    assert hellinger(Shares(np.array([10, 0]), np.array([0, 5]))) == pytest.approx(1.0)


def test_quantile_bins_see_a_scaled_lognormal():
    """Equal-width bins over both samples give 0.0007 here, and call it stable."""
    draw = np.random.default_rng(0)
    then, now = draw.lognormal(sigma=1.0, size=100_000), 1.5 * draw.lognormal(sigma=1.0, size=100_000)
    assert distance(then, now, NumericDistance.POPULATION_STABILITY) > 0.1
    gentle = 1.2 * draw.lognormal(sigma=1.0, size=100_000)
    assert 0.02 < distance(then, gentle, NumericDistance.POPULATION_STABILITY) < 0.06


def test_bins_come_from_the_reference_alone():
    then = numbers(DRAW.normal(size=1_000))
    assert bins_of(then).edges.size == 19
    assert bins_of(numbers([0.0] * 900 + list(range(100)))).edges.size < 19


def test_every_row_falls_into_exactly_one_bin():
    then = numbers(DRAW.normal(size=1_000))
    now = numbers([*DRAW.normal(3, size=100), np.nan, np.inf, -np.inf, -50.0, 50.0])
    counts = bins_of(then).counts(now)
    assert counts.sum() == now.rows
    assert counts[-1] == 1
    assert counts[0] == 2


@settings(max_examples=60)
@given(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=64)), max_size=60),
    st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=64)), max_size=60),
    st.sampled_from(NumericDistance),
)
def test_any_numbers_have_a_defined_result(then: Any, now: Any, method: Any):
    one, other = numbers(then), numbers(now)
    outcome = run_test(Pair(one, other), numeric=NumericTest.AUTO, categorical=CategoricalTest.AUTO)
    assert outcome is None or (0 <= outcome.p_value <= 1 and 0 <= outcome.effect <= 1)
    measured = measure_distance(Pair(one, other), numeric=method, categorical=CategoricalDistance.AUTO)
    assert measured is None or (np.isfinite(measured.value) and measured.value >= -1e-12)


@settings(max_examples=60)
@given(
    st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c", ""])), max_size=40),
    st.lists(st.one_of(st.none(), st.sampled_from(["a", "c", "d"])), max_size=40),
    st.sampled_from(CategoricalDistance),
)
def test_any_levels_have_a_defined_result(then: Any, now: Any, method: Any):
    one, other = levels(then), levels(now)
    outcome = run_test(Pair(one, other), numeric=NumericTest.AUTO, categorical=CategoricalTest.AUTO)
    assert outcome is None or (0 <= outcome.p_value <= 1 and 0 <= outcome.effect <= 1)
    measured = measure_distance(Pair(one, other), numeric=NumericDistance.AUTO, categorical=method)
    assert measured is None or np.isfinite(measured.value)


@settings(max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50), st.sampled_from(NumericDistance))
def test_a_sample_is_not_apart_from_itself(values: Any, method: Any):
    assert distance(values, values, method) == pytest.approx(0.0, abs=1e-9)
