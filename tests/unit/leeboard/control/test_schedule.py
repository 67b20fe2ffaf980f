from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leeboard.api.errors import SpecError
from leeboard.api.shared import Schedule
from leeboard.control.schedule import due_tick, jitter, last_tick, next_due, next_tick

EVERY = Schedule(every="30m")
NIGHTLY = Schedule(cron="30 2 * * *", time_zone="Europe/Amsterdam")
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
SCHEDULES = st.sampled_from([EVERY, NIGHTLY, Schedule(every="7d"), Schedule(cron="*/5 * * * 1-5")])


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "now", "last", "following"),
    [
        (EVERY, "2026-01-01T12:10", "2026-01-01T12:00", "2026-01-01T12:30"),
        (EVERY, "2026-01-01T12:30", "2026-01-01T12:30", "2026-01-01T13:00"),
        (
            Schedule(every="7d"),
            "2026-01-01T00:00",
            "2026-01-01T00:00",
            "2026-01-08T00:00",
        ),
        (Schedule(cron="0 6 * * 1"), "2026-01-01T12:00", "2025-12-29T06:00", "2026-01-05T06:00"),
        (Schedule(cron="0 6 * * 1"), "2026-01-05T06:00", "2026-01-05T06:00", "2026-01-12T06:00"),
        (NIGHTLY, "2026-01-01T12:00", "2026-01-01T01:30", "2026-01-02T01:30"),
        # 02:30 does not exist on 29 March: the clock goes from 02:00 to 03:00 …
        (NIGHTLY, "2026-03-28T12:00", "2026-03-28T01:30", "2026-03-29T01:00"),
        # … and is there twice on 25 October: it strikes once.
        (NIGHTLY, "2026-10-24T12:00", "2026-10-24T00:30", "2026-10-25T00:30"),
        (NIGHTLY, "2026-10-25T00:30", "2026-10-25T00:30", "2026-10-26T01:30"),
    ],
)
def test_ticks_lie_on_the_grid(schedule: Schedule, now: str, last: str, following: str):
    assert last_tick(schedule, at(now)) == at(last)
    assert next_tick(schedule, at(now)) == at(following)


@given(SCHEDULES, MOMENTS)
def test_now_lies_between_the_last_tick_and_the_next(schedule: Schedule, now: datetime):
    assert last_tick(schedule, now) <= now < next_tick(schedule, now)


@given(SCHEDULES, MOMENTS)
def test_a_tick_is_its_own_last_tick(schedule: Schedule, now: datetime):
    tick = next_tick(schedule, now)
    assert last_tick(schedule, tick) == tick


@given(SCHEDULES, MOMENTS, st.text())
def test_what_is_due_has_come_and_what_is_next_has_not(schedule: Schedule, now: datetime, name: str):
    due, following = due_tick(schedule, now, name), next_due(schedule, now, name)
    assert due + jitter(schedule, due, name) <= now < following
    assert due_tick(schedule, following, name) > due


@given(MOMENTS, st.text())
def test_the_jitter_is_stable_and_within_a_tenth_of_the_period(now: datetime, name: str):
    tick = last_tick(EVERY, now)
    assert timedelta(0) <= jitter(EVERY, tick, name) <= timedelta(minutes=3)
    assert jitter(EVERY, tick, name) == jitter(EVERY, tick, name)


def test_the_jitter_tells_objects_apart():
    tick = at("2026-01-01T12:00")
    assert len({jitter(EVERY, tick, "ns", f"monitor-{number}") for number in range(100)}) > 50


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        (Schedule(cron="0 6 * * *", time_zone="Mars/Olympus"), "time zone 'Mars/Olympus' is unknown"),
        (Schedule(cron="0 6 * * *", time_zone="/etc/passwd"), "is unknown"),
        (Schedule(cron="61 6 * * *"), "cannot be read"),
        (Schedule(cron="0 6 31 2 *"), "never strikes|cannot be read"),
    ],
)
def test_what_cannot_be_a_schedule_is_refused_with_a_sentence(schedule: Schedule, sentence: str):
    with pytest.raises(SpecError, match=sentence):
        next_tick(schedule, at("2026-01-01T12:00"))
