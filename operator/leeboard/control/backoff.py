"""How long a failing key waits: longer each time, each key alone."""

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Backoff(Generic[Key]):
    """Counts failures by key.

    Args:
        first: Seconds after the first failure; they double with each further one.
        longest: Seconds at most.
    """

    def __init__(self, first: float = 1.0, longest: float = 120.0) -> None:
        self._first = first
        self._longest = longest
        self._failures: dict[Key, int] = {}

    def failed(self, key: Key) -> float:
        """Count a failure, and return the seconds to wait."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        return float(min(self._first * 2 ** min(failures, 30), self._longest))

    def succeeded(self, key: Key) -> None:
        """Forget a key's failures."""
        self._failures.pop(key, None)
