"""Maximum mean discrepancy and energy distance against naive float64 code, on two array namespaces, in any blocks."""

from collections.abc import Callable

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from leeboard_workers.drift.multivariate import (
    Device,
    JointOutcome,
    Permuting,
    Sides,
    cpu,
    discrepancy,
    energy_distance,
    maximum_mean_discrepancy,
)
from leeboard_workers.drift.multivariate.arrangements import arranged, p_value
from leeboard_workers.drift.multivariate.discrepancy import discrepancies
from leeboard_workers.drift.multivariate.features import sum_features
from leeboard_workers.drift.multivariate.kernels import Gaussian, NegativeDistance, median_sigma
from leeboard_workers.drift.multivariate.pairs import sum_pairs

FEW = Permuting(permutations=49, seed=3)


def drawn(rows: int, width: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng((seed, rows)).normal(size=(rows, width)) + shift).astype(np.float32)


def naive(similarities: np.ndarray, in_window: np.ndarray) -> float:
    """Return the unbiased squared discrepancy of a similarity matrix, in float64 and by loops over the sides."""
    now, then = in_window > 0, in_window == 0

    def mean_off_diagonal(block: np.ndarray) -> float:
        size = len(block)
        return float((block.sum() - np.trace(block)) / (size * (size - 1)))

    return float(
        mean_off_diagonal(similarities[np.ix_(then, then)])
        + mean_off_diagonal(similarities[np.ix_(now, now)])
        - 2.0 * similarities[np.ix_(then, now)].mean()
    )


@pytest.mark.parametrize("bandwidths", [(1.0,), (0.5, 1.0, 4.0)])
@pytest.mark.parametrize("spans", [10, 150])
def test_every_arrangement_is_that_of_naive_float64_code(bandwidths: tuple[float, ...], spans: int):
    sides = Sides.cut(drawn(300, 7), drawn(150, 7, 0.3), spans)
    kernel = Gaussian(median_sigma(sides.reference), bandwidths)
    arrangements = arranged(sides, 20, seed=1)
    found = discrepancies(sum_pairs(sides, kernel, arrangements, Device(cpu().namespace, block=64)), 300, 150)
    rows = np.vstack([sides.reference, sides.window]).astype(np.float64)
    squares = cdist(rows, rows, "sqeuclidean")
    similarities = sum(np.exp(-squares / (2 * (b * kernel.sigma) ** 2)) for b in bandwidths) / len(bandwidths)
    wanted = [naive(similarities, np.repeat(column, sides.span)) for column in arrangements.T]
    assert found == pytest.approx(wanted, rel=1e-4, abs=1e-8)


def test_the_energy_distance_is_that_of_scipys_distances():
    then, now = drawn(400, 5), drawn(300, 5, 0.4)
    found = energy_distance(Sides.cut(then, now, 300), permuting=FEW, device=cpu())
    n, m = len(then), len(now)
    within = cdist(then, then).sum() / (n * (n - 1)) + cdist(now, now).sum() / (m * (m - 1))
    assert found.statistic == pytest.approx(2 * cdist(then, now).mean() - within, rel=1e-4)
    assert found.p_value == pytest.approx(1 / 50)


@pytest.mark.parametrize("kernel", [Gaussian(2.0, (1.0, 2.0)), NegativeDistance(2.0)])
def test_the_code_keeps_to_the_array_api_standard(kernel: Gaussian | NegativeDistance):
    sides = Sides.cut(drawn(80, 4), drawn(60, 4), 30)
    arrangements = arranged(sides, 5, seed=2)
    strict = Device(array_api_strict, array_api_strict.Device("CPU_DEVICE"), block=48)
    theirs, ours = sum_pairs(sides, kernel, arrangements, strict), sum_pairs(sides, kernel, arrangements, cpu())
    assert theirs.across == pytest.approx(ours.across, rel=1e-5, abs=1e-3)
    assert theirs.within_window == pytest.approx(ours.within_window, rel=1e-5, abs=1e-3)
    if isinstance(kernel, Gaussian):
        theirs = sum_features(sides, kernel, arrangements, strict, seed=4)
        ours = sum_features(sides, kernel, arrangements, cpu(), seed=4)
        assert theirs.across == pytest.approx(ours.across, rel=1e-4, abs=1e-2)


@settings(max_examples=12)
@given(st.integers(16, 400), st.integers(0, 1000), st.floats(-30, 30))
def test_blocks_order_of_rows_and_place_change_nothing_beyond_rounding(block: int, seed: int, offset: float):
    then, now = drawn(120, 3, seed=seed), drawn(90, 3, 0.5, seed=seed)
    generator = np.random.default_rng(seed)
    one = maximum_mean_discrepancy(Sides.cut(then, now, 90), permuting=FEW, device=cpu())
    moved = Sides.cut(
        generator.permutation(then) + np.float32(offset), generator.permutation(now) + np.float32(offset), 90
    )
    other = maximum_mean_discrepancy(moved, permuting=FEW, device=Device(cpu().namespace, block=block))
    assert other.statistic == pytest.approx(one.statistic, rel=1e-3, abs=1e-6)


def test_threads_change_nothing_at_all():
    sides = Sides.cut(drawn(700, 6), drawn(500, 6))
    one, two = (Device(cpu().namespace, block=100, threads=threads) for threads in (2, 5))
    assert maximum_mean_discrepancy(sides, permuting=FEW, device=one) == maximum_mean_discrepancy(
        sides, permuting=FEW, device=two
    )


def test_sides_may_be_exchanged():
    then, now = drawn(200, 4), drawn(150, 4, 0.2)
    kernel = Gaussian(2.0)
    ways = []
    for one, other in ((then, now), (now, then)):
        sides = Sides.cut(one, other, len(other))
        sums = sum_pairs(sides, kernel, arranged(sides, 1, 0), cpu())
        ways.append(discrepancies(sums, len(one), len(other))[0])
    assert ways[0] == pytest.approx(ways[1], rel=1e-6)


def test_the_seed_decides_the_permutations():
    sides = Sides.cut(drawn(100, 3), drawn(100, 3), 100)
    p_values = {maximum_mean_discrepancy(sides, permuting=Permuting(99, seed), device=cpu()).p_value for seed in (1, 1)}
    assert len(p_values) == 1
    assert (arranged(sides, 9, 1) == arranged(sides, 9, 1)).all()
    assert (arranged(sides, 9, 1) != arranged(sides, 9, 2)).any()


def test_random_features_come_near_the_kernel_and_say_so(monkeypatch: pytest.MonkeyPatch):
    sides = Sides.cut(drawn(600, 8), drawn(500, 8, 0.3), 10)
    exact = maximum_mean_discrepancy(sides, bandwidths=(0.5, 2.0), permuting=FEW, device=cpu())
    monkeypatch.setattr(discrepancy, "EXACT_ROWS", 1_000)
    near = maximum_mean_discrepancy(sides, bandwidths=(0.5, 2.0), permuting=FEW, device=cpu())
    assert near.statistic == pytest.approx(exact.statistic, rel=0.1)
    assert near.p_value == exact.p_value
    assert "approximated by 1,024 random features" in near.notes[0]
    assert energy_distance(sides, permuting=FEW, device=cpu()).notes[0].startswith("of 500 and 500 rows")


def test_features_of_long_spans_are_summed_piece_by_piece():
    sides = Sides.cut(drawn(600, 3), drawn(300, 3), 3)
    arrangements = arranged(sides, 3, 0)
    whole = sum_features(sides, Gaussian(1.0), arrangements, Device(cpu().namespace, block=4096), seed=1)
    pieces = sum_features(sides, Gaussian(1.0), arrangements, Device(cpu().namespace, block=32), seed=1)
    assert pieces.across == pytest.approx(whole.across, rel=1e-4, abs=1e-1)


@pytest.mark.parametrize("test", [maximum_mean_discrepancy, energy_distance])
def test_alpha_is_kept_and_a_shift_is_found(test: Callable[..., JointOutcome]):
    small = Permuting(permutations=39, seed=0)
    p_values = [
        test(Sides.cut(drawn(60, 4, seed=s), drawn(50, 4, seed=s), 50), permuting=small, device=cpu()).p_value
        for s in range(120)
    ]
    rejected = sum(p <= 0.1 for p in p_values)
    assert 3 <= rejected <= 25  # 12 expected; outside with a chance of 1 in 1,000
    shifted = test(Sides.cut(drawn(60, 4), drawn(50, 4, 1.0), 50), permuting=small, device=cpu())
    assert shifted.p_value == pytest.approx(1 / 40)
    assert shifted.effect > 0.2


def test_the_effect_runs_from_nothing_to_everything():
    apart = Sides.cut(drawn(100, 2), drawn(100, 2, 1e4), 100)
    assert maximum_mean_discrepancy(apart, permuting=FEW, device=cpu()).effect == pytest.approx(0.58, abs=0.1)
    assert energy_distance(apart, permuting=FEW, device=cpu()).effect > 0.99
    constant = Sides.cut(np.ones((50, 2), np.float32), np.ones((50, 2), np.float32), 50)
    alike = maximum_mean_discrepancy(constant, permuting=FEW, device=cpu())
    assert (alike.effect, alike.p_value) == (0.0, 1.0)
    moved = Sides.cut(np.ones((50, 2), np.float32), np.full((50, 2), 7, np.float32), 50)
    assert maximum_mean_discrepancy(moved, permuting=FEW, device=cpu()).effect == pytest.approx(1.0)


def test_an_observed_value_among_equals_has_a_large_p_value():
    assert p_value(np.array([0.0, 0.0, 0.0, -1.0])) == 0.75
    assert p_value(np.array([3.0, 1.0, 2.0, 0.0])) == 0.25
