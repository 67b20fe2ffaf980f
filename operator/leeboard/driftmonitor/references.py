"""Which times of the log a window is held against. Pure.

trailing   [───── window ─────) gap [scored window)
sameTime   [twice ago) … [once ago) … [scored window)
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from leeboard.api.base import seconds
from leeboard.api.driftmonitor import DriftMonitor, SameTime
from leeboard.contract.jobs import Span
from leeboard.control.clock import iso

_CLOCK_CHANGE = timedelta(hours=2)
"""No change of the clocks is larger, but for islands that change sides of the date line."""


def spans(monitor: DriftMonitor, start: datetime, end: datetime) -> tuple[Span, ...] | None:
    """Return the times that the reference of the window `[start, end)` consists of, oldest first; None: it is a table.

    The schedule's time zone must have been read before.
    """
    reference = monitor.spec.reference
    if reference.trailing is not None:
        until = start - timedelta(seconds=seconds(reference.trailing.gap) if reference.trailing.gap else 0)
        since = until - timedelta(seconds=seconds(reference.trailing.window))
        return (Span(from_time=iso(since), to_time=iso(until)),)
    if reference.same_time is not None:
        same, zone = reference.same_time, monitor.spec.schedule.time_zone
        starts = [_earlier(start, same, count, zone) for count in range(same.windows, 0, -1)]
        return tuple(Span(from_time=iso(since), to_time=iso(since + (end - start))) for since in starts)
    return None


def reach(monitor: DriftMonitor) -> timedelta:
    """Return how much further back than a window's start its reference begins in the log."""
    reference = monitor.spec.reference
    if reference.trailing is not None:
        gap = seconds(reference.trailing.gap) if reference.trailing.gap else 0
        return timedelta(seconds=seconds(reference.trailing.window) + gap)
    if reference.same_time is not None:
        return timedelta(seconds=seconds(reference.same_time.ago) * reference.same_time.windows) + _CLOCK_CHANGE
    return timedelta()


def _earlier(time: datetime, same: SameTime, count: int, zone: str | None) -> datetime:
    ago = timedelta(seconds=seconds(same.ago) * count)
    if zone is None or not same.ago.endswith("d"):
        return time - ago
    # Datetimes of one zone are subtracted by the clock on the wall.
    return (time.astimezone(ZoneInfo(zone)) - ago).astimezone(UTC)
