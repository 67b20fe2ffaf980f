"""Time as the API writes it: RFC 3339 in UTC, whole seconds; and the clock that decisions get as an argument."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)


def iso(time: datetime) -> str:
    """Write an instant as `2026-01-31T12:00:00Z`; fractions of a second are cut.

    Raises:
        ValueError: the datetime has no time zone.
    """
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone")
    return time.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def instant(text: str) -> datetime:
    """Read an RFC 3339 time as an aware datetime in UTC.

    Raises:
        ValueError: the text is no time, or has no time zone.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: write it as 2026-01-31T12:00:00Z")
    return time.astimezone(UTC)
