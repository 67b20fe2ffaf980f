"""Dates and time stamps: hour and weekday, never the clock itself."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest

from leeboard.api.checks import Check, UnivariateTest
from leeboard.api.multivariate import EnergyDistance, MultivariateTest
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
        pa.array([MONDAY]).dictionary_encode(),
        pa.array([MONDAY.isoformat()]),
        pa.array([berlin.isoformat()]),
        pa.array(["2026-01-05T23:30:00"]),
        pa.array(["2026-01-05 23:30"]),
        pa.array(["2026-01-05T23:30:00.123456789"]),
        pa.array(["2026-01-05T23:30:00Z"]).dictionary_encode(),
        pa.array([b"2026-01-05T23:30:00Z"]),
    ):
        assert part(column, "hour").to_pylist() == [23], column.type
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


def test_text_with_and_without_a_zone_may_be_mixed_and_what_is_no_time_is_missing():
    text = ["2026-01-05T23:30:00", "2026-01-06T00:30:00+01:00", "2026-01-05T23:30:00Z", "2026-01-05", None]
    for column in (pa.array(text), pa.chunked_array([text[:2], text[2:]])):
        assert part(column, "hour").to_pylist() == [23, 23, 23, 0, None]
    assert part(pa.array([*text, "soon", "2026-02-30"]), "hour").to_pylist() == [23, 23, 23, 0, None, None, None]
    then = hours(datetime(2026, 1, 1, tzinfo=UTC), 50, [1])
    found = compare(then, pa.table({"at": [at.isoformat() for at in then["at"].to_pylist()]}))
    assert [column.test.effect for column in found.columns] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("window", "sentence"),
    [
        (pa.array(["soon"] * 50), "holds text that is no time, such as 'soon': send ISO 8601"),
        (pa.array([1.5] * 50), "holds double, and times in the reference: send time stamps, or text in ISO 8601"),
        (pa.array([1] * 50), "holds int64, and times in the reference: send time stamps, or text in ISO 8601"),
    ],
    ids=["words", "floats", "integers"],
)
def test_what_is_no_time_is_told_in_a_sentence_and_enters_no_joint_test(window: pa.Array, sentence: str):
    then = hours(datetime(2026, 1, 1, tzinfo=UTC), 50, [1]).append_column("x", [list(range(50))])
    now = pa.table({"at": window, "x": list(range(50))})
    joint = Check(name="joint", multivariate_test=MultivariateTest(energy_distance=EnergyDistance()))
    found = compare(then, now, [Check(name="columns", univariate_test=UnivariateTest()), joint])
    assert next(column for column in found.columns if column.name == "at").message == sentence
    assert "at is left out: times are compared by hour and weekday, column by column" in found.checks[1].message
    assert found.checks[1].statistic == 0.0
