"""Spans of time, half open, in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self


def instant(text: str) -> datetime:
    """Read an RFC 3339 time.

    Raises:
        ValueError: the text is no time, or names no offset.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} has no offset: write it with a Z, such as 2026-01-31T00:00:00Z")
    return time.astimezone(UTC)


@dataclass(frozen=True)
class Window:
    """The instants from `start`, included, to `end`, excluded; none means open."""

    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def between(cls, start: str | None, end: str | None) -> Self:
        """Return the window between two RFC 3339 times, either of which may be open."""
        return cls(instant(start) if start else None, instant(end) if end else None)

    def overlap(self, other: Self) -> "Window":
        """Return the instants that lie in both."""
        starts = [window.start for window in (self, other) if window.start is not None]
        ends = [window.end for window in (self, other) if window.end is not None]
        return Window(max(starts, default=None), min(ends, default=None))

    @property
    def empty(self) -> bool:
        """Whether no instant lies in it."""
        return self.start is not None and self.end is not None and self.start >= self.end
