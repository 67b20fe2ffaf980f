"""The sort and the merge against numpy and scipy, on what they were not made for, too."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from leeboard_workers.drift import merging, sorting
from leeboard_workers.drift.merging import BLOCK, gap
from leeboard_workers.drift.sorting import ascending, by_numpy, by_radix, remaining

DRAW = np.random.default_rng(5)
FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=64)
FINITE = st.floats(-1e9, 1e9, width=32)
SORTS = (ascending, by_numpy, by_radix)

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


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("values", HARD.values(), ids=HARD.keys())
def test_sorts_in_ascending_order(values: Any, sort: Any):
    kept = values.copy()
    found, *others = sort(values)
    assert np.array_equal(found, np.sort(kept))
    assert others == [0, 0, 0]
    assert np.array_equal(values, kept)


@settings(max_examples=150)
@given(st.lists(FLOATS, max_size=80))
def test_sorts_the_finite_and_counts_the_others(values: Any):
    data = np.array(values, dtype=float)
    for sort in SORTS:
        found, missing, below, above = sort(data)
        assert np.array_equal(found, np.sort(data[np.isfinite(data)]))
        assert (missing, below, above) == (np.isnan(data).sum(), np.isneginf(data).sum(), np.isposinf(data).sum())


@pytest.mark.parametrize("sort", SORTS)
def test_sorts_memory_that_may_not_be_written(sort: Any):
    column = pa.array([3.0, 1.0, 2.0]).to_numpy()
    assert not column.flags.writeable
    assert sort(column)[0].tolist() == [1.0, 2.0, 3.0]


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


def farthest(one: Any, other: Any) -> float:
    """The definition: looked up at every value of either side."""
    places = np.concatenate([one, other])
    then = np.searchsorted(one, places, "right") * other.size
    now = np.searchsorted(other, places, "right") * one.size
    return float(np.abs(then - now).max()) / (one.size * other.size)


@pytest.mark.parametrize("rows", [(BLOCK, BLOCK), (5 * BLOCK + 1, 3), (20 * BLOCK, 20 * BLOCK - 1), (7, 40 * BLOCK)])
@pytest.mark.parametrize("step", [0.0, 0.01, 0.3], ids=["continuous", "few ties", "many ties"])
def test_the_largest_gap_is_found_between_the_places_that_are_looked_up(rows: tuple[int, int], step: float):
    for seed in range(40):
        draw = np.random.default_rng(seed)
        one, other = (np.sort(draw.normal(draw.uniform(0, 0.2), 1, count)) for count in rows)
        if step:
            one, other = np.round(one / step) * step, np.round(other / step) * step
        assert gap(one, other).largest == pytest.approx(farthest(one, other), abs=1e-15)


def test_functions_that_keep_their_distance_are_merged_to_the_end():
    lower, upper = np.arange(0, 1_000.0), np.arange(2_000, 3_000.0)
    one = np.sort(np.concatenate([lower, upper + 0.5]))
    other = np.sort(np.concatenate([lower + 0.25, upper, upper + 0.75]))
    assert gap(one, other).largest == pytest.approx(farthest(one, other), abs=1e-15)


@settings(max_examples=100)
@given(st.lists(st.integers(0, 30), max_size=60), st.data())
def test_what_remains_is_what_was_not_taken(values: list[int], data: st.DataObject):
    places = data.draw(st.sets(st.sampled_from(range(len(values))))) if values else set()
    taken = np.sort(np.array([values[place] for place in places], float))
    left = [value for place, value in enumerate(values) if place not in places]
    assert remaining(np.sort(np.array(values, float)), taken).tolist() == sorted(left)


def test_the_compiled_merge_is_the_python_that_stands_there():
    for values in HARD.values():
        one, other = np.sort(np.resize(values, 150) / 2), np.sort(np.resize(values, 70) / 3)
        one.flags.writeable = other.flags.writeable = False
        with np.errstate(over="ignore"):
            assert merging._largest.py_func(one, other) == merging._largest(one, other)
            assert merging._area.py_func(one, other) == pytest.approx(merging._area(one, other), rel=1e-12)


@settings(max_examples=100)
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
