from datetime import UTC, datetime, timedelta, timezone

import pytest

from leeboard.control.clock import SystemClock, instant, iso


def test_writes_whole_seconds_in_utc():
    amsterdam = timezone(timedelta(hours=2))
    assert iso(datetime(2026, 7, 1, 14, 30, 5, 999_999, tzinfo=amsterdam)) == "2026-07-01T12:30:05Z"


def test_reads_what_it_wrote():
    assert instant("2026-07-01T12:30:05Z") == datetime(2026, 7, 1, 12, 30, 5, tzinfo=UTC)
    assert instant("2026-07-01T14:30:05+02:00") == datetime(2026, 7, 1, 12, 30, 5, tzinfo=UTC)


def test_refuses_times_without_a_zone():
    with pytest.raises(ValueError, match="time zone"):
        iso(datetime(2026, 7, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="time zone"):
        instant("2026-07-01T12:30:05")


def test_the_systems_clock_knows_its_zone():
    assert SystemClock().now().tzinfo is UTC
