"""The sort and the merge against numpy and scipy, on what they were not made for, too."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from leeboard_workers.drift import sorting
from leeboard_workers.drift.merging import gap
from leeboard_workers.drift.sorting import ascending

DRAW = np.random.default_rng(5)
FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=64)
FINITE = st.floats(-1e9, 1e9, width=32)

HARD = {
    "normal": DRAW.normal(size=5_000),
    "one value": np.full(3_000, 7.0),
    "ties": DRAW.poisson(3, 5_000).astype(float),
    "times": 1.7e9 + DRAW.uniform(0, 86_400, 5_000).round(),
    "subnormal": DRAW.uniform(-1, 1, 5_000) * 1e-310,
    "huge": DRAW.uniform(-1, 1, 5_000) * 1.7e308,
    "beyond exact integers": 2.0**53 + DRAW.integers(-50, 50, 5_000),
    "clusters far apart": np.concatenate([1 + DRAW.uniform(0, 1e-12, 5_000), [1e300, -1e300]]),
    "both zeros": np.tile([0.0, -0.0, 1.0], 500),
    "falling": -np.arange(5_000.0),
}


@pytest.mark.parametrize("values", HARD.values(), ids=HARD.keys())
def test_sorts_as_numpy_does(values: Any):
    kept = values.copy()
    found, *others = ascending(values)
    assert np.array_equal(found, np.sort(kept))
    assert others == [0, 0, 0]
    assert np.array_equal(values, kept)


@settings(deadline=None, max_examples=150)
@given(st.lists(FLOATS, max_size=80))
def test_sorts_the_finite_and_counts_the_others(values: Any):
    data = np.array(values, dtype=float)
    found, missing, below, above = ascending(data)
    assert np.array_equal(found, np.sort(data[np.isfinite(data)]))
    assert (missing, below, above) == (np.isnan(data).sum(), np.isneginf(data).sum(), np.isposinf(data).sum())


def test_sorts_memory_that_may_not_be_written():
    column = pa.array([3.0, 1.0, 2.0]).to_numpy()
    assert not column.flags.writeable
    assert ascending(column)[0].tolist() == [1.0, 2.0, 3.0]


def test_the_compiled_loops_are_the_python_that_stands_there():
    """The native code and the interpreted source agree, so that either may be read for the other."""
    for values in HARD.values():
        few = np.resize(values, 60)
        keys, spare = np.empty(60, np.uint64), np.empty(60, np.uint64)
        with np.errstate(over="ignore"):
            lowest = sorting._ordered_keys.py_func(few.view(np.uint64), keys)[3]
            swapped = sorting._passes.py_func(keys, spare, lowest, 0, 6)
        found = spare if swapped else keys
        native, other = np.empty(60, np.uint64), np.empty(60, np.uint64)
        view = few.view(np.uint64)
        view.flags.writeable = False
        assert sorting._ordered_keys(view, native)[3] == lowest
        assert sorting._passes(native, other, lowest, 0, 6) == swapped
        assert np.array_equal(found, other if swapped else native)


@pytest.mark.parametrize("one", HARD.values(), ids=HARD.keys())
def test_the_gap_is_scipys(one: Any):
    other = np.sort(np.concatenate([one[::3], one[:50] * 0.5]))
    one = np.sort(one)
    scale = max(abs(one[0]), abs(one[-1]), 1e-300)
    found, expected = gap(one / scale, other / scale), stats.ks_2samp(one, other, method="asymp")
    assert found.largest == pytest.approx(expected.statistic, abs=1e-12)
    assert found.area == pytest.approx(stats.wasserstein_distance(one / scale, other / scale), rel=1e-9, abs=1e-12)


@settings(deadline=None, max_examples=100)
@given(st.lists(FINITE, min_size=1, max_size=40), st.lists(FINITE, min_size=1, max_size=40))
def test_the_gap_has_the_properties_of_a_distance_of_distributions(one: Any, other: Any):
    then, now = np.sort(np.array(one, float)), np.sort(np.array(other, float))
    found = gap(then, now)
    swapped = gap(now, then)
    assert (swapped.largest, swapped.area) == (found.largest, pytest.approx(found.area))
    assert gap(then, then).largest == gap(then, then).area == 0
    assert 0 <= found.largest <= 1
    scaled = gap(then * 8, now * 8)
    assert (scaled.largest, scaled.area) == (found.largest, pytest.approx(found.area * 8))
    assert gap(np.cbrt(then), np.cbrt(now)).largest == found.largest or len({*one, *other}) != len(
        set(np.cbrt(np.array([*one, *other])))
    )
