"""Which columns are compared."""

from typing import Any

import pytest

from leeboard.api.checks import Columns
from leeboard_workers.drift.selection import ColumnSelectionError, selected_columns, stated_weights

PRESENT = ["temp", "temp_max", "wind", "a[1]"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (Columns(), PRESENT),
        (Columns(include=["temp*"]), ["temp", "temp_max"]),
        (Columns(include=["temp*"], exclude=["*max"]), ["temp"]),
        (Columns(exclude=["wind"]), ["temp", "temp_max", "a[1]"]),
        (Columns(include=["a[1]"]), ["a[1]"]),
    ],
)
def test_patterns_choose_columns(columns: Any, expected: Any):
    assert selected_columns(columns, PRESENT) == expected


def test_a_name_that_there_is_not_is_refused():
    with pytest.raises(ColumnSelectionError, match="humidity"):
        selected_columns(Columns(include=["humidity"]), PRESENT)
    with pytest.raises(ColumnSelectionError, match="humidity"):
        stated_weights({"humidity": 1.0}, PRESENT)


def test_nothing_left_is_refused():
    with pytest.raises(ColumnSelectionError, match="leave none"):
        selected_columns(Columns(exclude=["*"]), PRESENT)
