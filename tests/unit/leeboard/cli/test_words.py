"""Numbers and times are written so that people can read them."""

import pytest

from leeboard.cli.words import ago, ahead, bar, number, span, sparkline
from leeboard.control.clock import instant

NOW = instant("2026-01-31T12:00:00Z")


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (200_000, "2 d")]
)
def test_writes_spans_by_their_largest_unit(seconds: float, text: str):
    assert span(seconds) == text


def test_writes_times_relative_to_now():
    assert ago("2026-01-31T11:58:00Z", NOW) == "2 min ago"
    assert ahead("2026-01-31T15:00:00Z", NOW) == "in 3 h"
    assert ahead("2026-01-31T11:00:00Z", NOW) == "now"


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.123456, "0.1235"), (12345.6, "12,346"), (3.0, "3")])
def test_writes_the_digits_that_matter(value: float | None, text: str):
    assert number(value) == text


@pytest.mark.parametrize("shares", [[100], [75, 25], [33, 33, 34], [1, 99], [99, 1], [50]])
def test_fills_the_bar_by_share(shares: list[int]):
    drawn = bar(((share, "red") for share in shares), width=40).plain
    assert len(drawn) == 40
    assert abs(drawn.count("█") - 0.4 * sum(shares)) <= 1


def test_draws_histograms_in_one_line():
    assert sparkline([0, 0.5, 1]) == "▁▅█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == ""
