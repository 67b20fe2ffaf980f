"""One number out of many, and how sure a rate is."""

import pytest
from scipy.stats import binomtest

from leeboard.api.checks import Aggregate
from leeboard_workers.drift.aggregate import aggregated, drifted_share, wilson_lower_bound


def test_the_share_goes_by_weight():
    assert drifted_share([True, False, False], [3.0, 1.0, 2.0]) == pytest.approx(0.5)
    assert drifted_share([True, False], [0.0, 0.0]) == pytest.approx(0.5)


def test_the_mean_goes_by_weight_and_the_largest_needs_some():
    assert aggregated([0.1, 0.4], [3.0, 1.0], Aggregate.WEIGHTED_MEAN) == pytest.approx(0.175)
    assert aggregated([0.1, 0.4], [1.0, 0.0], Aggregate.MAX) == pytest.approx(0.1)


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (3, 3), (7, 120), (500, 4_000)])
def test_the_lower_bound_is_wilsons(hits: int, rows: int):
    expected = binomtest(hits, rows, alternative="greater").proportion_ci(0.95, method="wilson").low
    assert wilson_lower_bound(hits, rows) == pytest.approx(expected, abs=1e-9)


def test_three_requests_never_decide():
    assert wilson_lower_bound(1, 3) < 0.1
