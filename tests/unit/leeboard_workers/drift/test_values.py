"""Arrow columns as numbers and levels."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from leeboard_workers.drift.levels import categorical_values
from leeboard_workers.drift.values import UnsupportedColumnError, is_numeric, numeric_values


def test_missing_and_infinite_values_are_counted_apart():
    values = numeric_values(pa.array([1.0, None, float("nan"), float("inf"), float("-inf"), -2.0]))
    assert values.finite.tolist() == [-2.0, 1.0]
    assert (values.missing, values.below, values.above, values.rows) == (2, 1, 1, 6)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2, 3], pa.int8()),
        pa.array(["1", "2", "3"]),
        pa.array([1, 2, 3]).cast(pa.decimal128(21, 2)),
        pa.chunked_array([[1, 2], [3]]),
        pa.array([1.0, 2.0, 3.0]).dictionary_encode(),
    ],
)
def test_numbers_of_all_kinds_are_numbers(column: Any):
    assert numeric_values(column).finite.tolist() == [1.0, 2.0, 3.0]


def test_text_that_is_no_number_is_missing():
    assert numeric_values(pa.array(["1.5", "many", None])).missing == 2


def test_times_are_seconds_since_the_epoch():
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    for kind in (pa.timestamp("s", "UTC"), pa.timestamp("ns", "UTC")):
        assert numeric_values(pa.array([moment], kind)).finite.tolist() == [moment.timestamp()]
    assert numeric_values(pa.array([moment.date()])).finite.tolist() == [moment.timestamp()]


def test_booleans_and_text_are_levels():
    assert categorical_values(pa.array([True, False, True, None])).counts == {"true": 2, "false": 1}
    assert categorical_values(pa.array(["a", "b", "a"]).dictionary_encode()).counts == {"a": 2, "b": 1}


def test_whole_doubles_are_levels_without_a_fraction():
    values = categorical_values(pa.array([1.0, 2.5, float("nan"), 1.0]))
    assert (values.counts, values.missing) == ({"1": 2, "2.5": 1}, 1)


def test_logged_zeros_and_ones_are_the_reference_s_booleans():
    reference = categorical_values(pa.array([True, False]))
    assert categorical_values(pa.array([1.0, 0.0, 1.0]), reference).counts == {"true": 2, "false": 1}
    assert categorical_values(pa.array(["a"]), reference).counts == {"a": 1}


def test_lists_are_not_compared():
    with pytest.raises(UnsupportedColumnError, match="list"):
        is_numeric(pa.list_(pa.float64()))


def test_the_column_itself_is_left_alone():
    column = pa.array(np.array([3.0, 1.0, 2.0]))
    numeric_values(column)
    assert column.to_pylist() == [3.0, 1.0, 2.0]
