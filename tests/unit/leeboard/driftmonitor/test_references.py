"""Which times of the log a window is held against."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leeboard.api.driftmonitor import DriftMonitor
from leeboard.driftmonitor import references

END = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)
START = END - timedelta(hours=6)
"""A Monday; the clocks of Amsterdam went forward the day before."""


def monitor(reference: dict[str, Any], **schedule: Any) -> DriftMonitor:
    spec = {
        "modelDeploymentRef": {"name": "flights"},
        "schedule": schedule or {"every": "6h"},
        "window": {"duration": "6h"},
        "reference": reference,
    }
    return DriftMonitor.model_validate({"metadata": {"name": "watch"}, "spec": spec})


AMSTERDAM = {"cron": "0 */6 * * *", "timeZone": "Europe/Amsterdam"}


@pytest.mark.parametrize(
    ("sentence", "reference", "schedule", "expected"),
    [
        ("a table", {"trainingData": {}}, {}, None),
        ("the time before", {"trailing": {"window": "7d"}}, {}, [("2026-03-23T06:00:00Z", "2026-03-30T06:00:00Z")]),
        (
            "the time before, with a gap",
            {"trailing": {"window": "1d", "gap": "1d"}},
            {},
            [("2026-03-28T06:00:00Z", "2026-03-29T06:00:00Z")],
        ),
        (
            "the same time on the last two Mondays",
            {"sameTime": {"ago": "7d", "windows": 2}},
            {},
            [("2026-03-16T06:00:00Z", "2026-03-16T12:00:00Z"), ("2026-03-23T06:00:00Z", "2026-03-23T12:00:00Z")],
        ),
        (
            "the same time by the clock on the wall",
            {"sameTime": {"ago": "7d"}},
            AMSTERDAM,
            [("2026-03-23T07:00:00Z", "2026-03-23T13:00:00Z")],
        ),
        (
            "hours are hours, whatever the clocks do",
            {"sameTime": {"ago": "168h"}},
            AMSTERDAM,
            [("2026-03-23T06:00:00Z", "2026-03-23T12:00:00Z")],
        ),
    ],
)
def test_names_the_times(
    sentence: str, reference: dict[str, Any], schedule: dict[str, Any], expected: list[tuple[str, str]] | None
) -> None:
    watched = monitor(reference, **schedule)
    spans = references.spans(watched, START, END)
    assert (None if spans is None else [(span.from_time, span.to_time) for span in spans]) == expected, sentence
    first = START if spans is None else datetime.fromisoformat(spans[0].from_time)
    assert first >= START - references.reach(watched), "arms are remembered so far back"


def test_the_reference_never_reaches_into_the_window() -> None:
    for reference in ({"trailing": {"window": "30d"}}, {"sameTime": {"ago": "6h", "windows": 52}}):
        spans = references.spans(monitor(reference), START, END)
        assert spans is not None
        assert all(datetime.fromisoformat(span.to_time) <= START for span in spans)
