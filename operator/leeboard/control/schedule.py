"""When a schedule strikes: ticks on a fixed grid, each object's moved by a stable jitter. Pure."""

import math
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from leeboard.api.base import seconds
from leeboard.api.errors import SpecError
from leeboard.api.shared import Schedule
from leeboard.contract.documents import short_hash

JITTER = 0.1
"""Largest jitter, as a share of the period: a thousand monitors do not start together."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def next_tick(schedule: Schedule, now: datetime) -> datetime:
    """Return the first tick after `now`, on the grid, without jitter.

    Raises:
        SpecError: the cron expression or its time zone cannot be read, or the cron expression never strikes.
    """
    if schedule.every is not None:
        step = seconds(schedule.every)
        return _EPOCH + timedelta(seconds=(math.floor((now - _EPOCH).total_seconds() / step) + 1) * step)
    return _cron(schedule, now, reverse=False)


def last_tick(schedule: Schedule, now: datetime) -> datetime:
    """Return the newest tick that is not after `now`, on the grid, without jitter.

    Raises:
        SpecError: as in `next_tick`.
    """
    if schedule.every is not None:
        step = seconds(schedule.every)
        return _EPOCH + timedelta(seconds=math.floor((now - _EPOCH).total_seconds() / step) * step)
    # CronSim looks strictly before its start, and `now` itself may be a tick.
    return _cron(schedule, now.replace(microsecond=0) + timedelta(seconds=1), reverse=True)


def jitter(schedule: Schedule, tick: datetime, *identity: object) -> timedelta:
    """Return how much later than the tick this object begins: stable, within 10 % of the period, whole seconds.

    Args:
        schedule: The schedule.
        tick: A tick of it.
        identity: What tells objects apart: kind, namespace, name.
    """
    period = (next_tick(schedule, tick) - tick).total_seconds()
    share = int(short_hash(*identity, length=8), 16) / 0x1_0000_0000
    return timedelta(seconds=math.floor(share * JITTER * period))


def due_tick(schedule: Schedule, now: datetime, *identity: object) -> datetime:
    """Return the newest tick whose jittered time has come.

    Raises:
        SpecError: as in `next_tick`.
    """
    tick = last_tick(schedule, now)
    if tick + jitter(schedule, tick, *identity) <= now:
        return tick
    return last_tick(schedule, tick - timedelta(seconds=1))


def next_due(schedule: Schedule, now: datetime, *identity: object) -> datetime:
    """Return the instant at which the next tick comes for this object: the tick plus its jitter.

    Raises:
        SpecError: as in `next_tick`.
    """
    tick = last_tick(schedule, now)
    due = tick + jitter(schedule, tick, *identity)
    if due > now:
        return due
    tick = next_tick(schedule, now)
    return tick + jitter(schedule, tick, *identity)


def _cron(schedule: Schedule, start: datetime, *, reverse: bool) -> datetime:
    cron = schedule.cron or ""
    zone = _zone(schedule)
    try:
        ticks = (tick.astimezone(UTC) for tick in CronSim(cron, start.astimezone(zone), reverse=reverse))
        # Within the hour that a clock repeats, CronSim may name a tick of its first run from a start in its second.
        return next(tick for tick in ticks if (tick < start if reverse else tick > start))
    except CronSimError as error:
        raise SpecError(f"the cron expression {cron!r} cannot be read: {error}", "InvalidSchedule") from None
    except StopIteration:
        raise SpecError(f"the cron expression {cron!r} never strikes", "InvalidSchedule") from None


def _zone(schedule: Schedule) -> tzinfo:
    if schedule.time_zone is None:
        return UTC
    try:
        return ZoneInfo(schedule.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SpecError(
            f"the time zone {schedule.time_zone!r} is unknown: use an IANA name such as Europe/Amsterdam",
            "UnknownTimeZone",
        ) from None
