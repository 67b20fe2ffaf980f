"""Values between knots are numpy's, bit by bit, wherever the knots lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leeboard_workers.data.encoding.interpolation import Interpolation

PLACES = st.floats(0.0, 9.0, allow_subnormal=False)


@given(knots=st.lists(PLACES, min_size=1, max_size=300, unique=True), seed=st.integers(0, 2**32 - 1))
def test_values_are_those_of_numpy(knots: list[float], seed: int) -> None:
    random = np.random.default_rng(seed)
    axis = np.array([-1.0, *sorted(knots)])
    axis = axis[np.append(True, np.diff(axis) > 1e-12)]
    values = random.normal(size=len(axis))
    sought = np.concatenate([random.uniform(0.0, axis[-1], 600), axis[1:], [0.0, np.nan]])
    sought = sought[np.isnan(sought) | (sought <= axis[-1])]
    np.testing.assert_array_equal(Interpolation(axis, values)(sought), np.interp(sought, axis, values))


@pytest.mark.parametrize("shape", [(64, 32), (3, 1)])
def test_the_shape_and_the_order_in_memory_do_not_matter(shape: tuple[int, int]) -> None:
    axis, values = np.array([-1.0, 0.0, 1e-9, 2e-9, 0.5, 1.0]), np.arange(6.0)
    sought = np.random.default_rng(0).uniform(0.0, 1.0, shape)
    expected = np.interp(sought, axis, values)
    np.testing.assert_array_equal(Interpolation(axis, values)(sought), expected)
    np.testing.assert_array_equal(Interpolation(axis, values)(np.asfortranarray(sought)), expected)
