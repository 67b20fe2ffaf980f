"""A reference cut into windows as long as the scored one."""

import numpy as np
import pytest

from leeboard_workers.drift.cuts import MAX_WINDOWS, NO_TIME, cut_by_rows, cut_by_time, round_down

DAY = 86_400_000_000
HOURS = np.arange(0, 42 * 24) * (DAY // 24)
"""Six weeks, a row an hour."""


def test_time_is_cut_into_whole_windows():
    assert cut_by_time(HOURS, 7 * DAY) == tuple((hour, hour + 168) for hour in range(0, 1_008, 168))


def test_days_without_a_clock_fill_their_window():
    days = np.repeat(np.arange(42) * DAY, 10)
    assert cut_by_time(days, 7 * DAY)[-1] == (350, 420), "the last day's rows all stand at its midnight"


def test_the_rest_is_left_out():
    assert cut_by_time(HOURS, 8 * DAY)[-1] == (768, 960)
    assert cut_by_time(HOURS, 7 * DAY + DAY // 4)[-1] == (870, 1_008), "but what is nearly full counts"


def test_where_they_would_be_too_few_they_are_a_quarter_shorter():
    four_weeks = HOURS[: 28 * 24]
    assert cut_by_time(four_weeks, 7 * DAY) == tuple((hour, hour + 126) for hour in range(0, 630, 126))
    assert cut_by_time(four_weeks, 10 * DAY) == ((0, 240), (240, 480), (480, 672)), "unless they are too few even so"
    assert cut_by_rows(400, 100) == tuple((row, row + 75) for row in range(0, 375, 75))
    assert len(cut_by_rows(300, 100)) == 3


def test_a_window_with_a_gap_is_left_out():
    kept = np.concatenate([HOURS[:168], HOURS[320:]])
    assert cut_by_time(kept, 7 * DAY) == ((0, 168), *((hour, hour + 168) for hour in range(184, 856, 168)))


def test_rows_without_a_time_are_in_no_window():
    times = np.concatenate([np.full(5, NO_TIME), HOURS])
    assert cut_by_time(times, 7 * DAY)[0] == (5, 173)


def test_spans_are_windows_by_themselves():
    mondays = [(week * 7 * DAY, week * 7 * DAY + 2 * DAY) for week in range(4)]
    times = np.concatenate([HOURS[start // (DAY // 24) :][:48] for start, _ in mondays])
    assert cut_by_time(times, 2 * DAY, mondays) == ((0, 48), (48, 96), (96, 144), (144, 192))


def test_nothing_is_cut_of_nothing():
    assert cut_by_time(np.array([], np.int64), DAY) == ()
    assert cut_by_time(np.full(3, NO_TIME), DAY) == ()
    assert cut_by_rows(10, 100) == ()


def test_many_windows_are_thinned_evenly():
    cuts = cut_by_rows(100_000, 100)
    assert len(cuts) == MAX_WINDOWS
    assert (cuts[0], cuts[-1]) == ((0, 100), (99_900, 100_000))


@pytest.mark.parametrize(("rows", "least"), [(0, 0), (1, 1), (3, 3), (5, 4), (7, 6), (1_023, 768), (1_600, 1_536)])
def test_rows_are_rounded_down_to_two_digits(rows: int, least: int):
    assert round_down(rows) == least
