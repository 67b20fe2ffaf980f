"""Remembers what was appended lately, so that what is sent again is recognized; bounded in memory."""

from collections.abc import Hashable

KEPT = 100_000
"""So many keys are surely remembered, and at most twice as many."""


class Recent:
    """A map of the newest keys, in two generations: when the younger one is full, the older one is forgotten."""

    def __init__(self, kept: int = KEPT) -> None:
        """Begin empty.

        Args:
            kept: So many keys are surely remembered.
        """
        self._kept = kept
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def get(self, key: Hashable) -> int | None:
        """Return what a key was last given, or none."""
        number = hash(key)  # keyed anew in each process, so nobody can make two keys meet on purpose
        found = self._young.get(number)
        return self._old.get(number) if found is None else found

    def put(self, key: Hashable, value: int) -> None:
        """Give a key a value."""
        self._young[hash(key)] = value
        if len(self._young) >= self._kept:
            self._old, self._young = self._young, {}

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())
