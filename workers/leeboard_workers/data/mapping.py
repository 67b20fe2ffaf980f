"""How work on many columns is shared out: on this machine's cores here; jobs hand in their cluster."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Map(Protocol):
    """Applies a function to items, in parallel or not, and returns the results in the items' order."""

    def __call__(self, function: Callable[[T], R], items: Sequence[T], /) -> Iterable[R]:
        """Return what the function makes of each item."""


def on_threads(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Use all cores that this process may use: what takes time here runs without the GIL."""
    workers = min(len(os.sched_getaffinity(0)), len(items))
    if workers < 2:  # noqa: PLR2004 (nothing to share out)
        return [function(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))
