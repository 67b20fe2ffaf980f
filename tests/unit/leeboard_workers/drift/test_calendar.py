"""Dates and time stamps: hour and weekday, never the clock itself."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest

from leeboard_workers.drift import compare
from leeboard_workers.drift.calendar import part
from leeboard_workers.drift.reference import prepare_column

MONDAY = datetime(2026, 1, 5, 23, 30, tzinfo=UTC)


def hours(start: datetime, count: int, among: list[int]):
    draw = np.random.default_rng(count)
    return pa.table({"at": [start + timedelta(days=i, hours=int(draw.choice(among))) for i in range(count)]})


def test_all_kinds_of_time_tell_the_same_hour_and_day():
    berlin = MONDAY.astimezone(timezone(timedelta(hours=1)))
    for column in (
        pa.array([MONDAY]),
        pa.array([MONDAY], pa.timestamp("ns", "Europe/Berlin")),
        pa.array([berlin], pa.timestamp("us", "UTC")),
        pa.array([MONDAY.replace(tzinfo=None)], pa.timestamp("ms")),
        pa.array([MONDAY.isoformat()]),
    ):
        assert part(column, "hour").to_pylist() == [23]
        assert part(column, "weekday").to_pylist() == ["Monday"]
    assert part(pa.array([date(2026, 1, 5), None]), "weekday").to_pylist() == ["Monday", None]


def test_a_date_has_a_weekday_alone():
    assert [column.label for column in prepare_column("d", pa.chunked_array([[date(2026, 1, 5)]]))] == ["d (weekday)"]


def test_time_that_goes_on_is_no_drift_and_other_hours_are():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    year = timedelta(weeks=52)
    day = list(range(24))
    quiet = compare(hours(start, 700, day), hours(start + year, 700, day))
    assert [column.name for column in quiet.columns if column.test.drifted] == []
    night = compare(hours(start, 700, day), hours(start + year, 700, [0, 1, 2]))
    assert [column.name for column in night.columns if column.test.drifted] == ["at (hour)"]
    assert {column.name: column.weight for column in night.columns} == {
        "at (hour)": pytest.approx(0.5),
        "at (weekday)": pytest.approx(0.5),
    }


def test_text_that_is_no_time_is_told_by_column():
    then = hours(datetime(2026, 1, 1, tzinfo=UTC), 50, [1])
    found = compare(then, pa.table({"at": ["soon"] * 50}))
    assert found.columns[0].message.startswith("could not be compared: ArrowInvalid")
