"""The work queue: a key stands in it once, is worked on by one worker at a time, and may be due later.

Namespaces take turns, and none takes every worker: a thousand failing objects of one do not hold up the others.

add(key) ──► due now ──► a worker's pass ──► Finished(look=30 s) ──► due in 30 s ──► …
                ▲                │ failed ──► due after its own back-off
                └── add(key) during the pass: due again at once when the pass ends
"""

import asyncio
import heapq
import itertools
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable

from leeboard.control.backoff import Backoff
from leeboard.control.ref import Ref
from leeboard.control.steps import Finished, Look

_STALE_ENTRIES = 64
"""So many superseded entries of the heap are borne before it is built anew."""

logger = logging.getLogger(__name__)


class WorkQueue:
    """Keys that wait for a pass.

    Args:
        backoff: How long failing keys wait.
        share: So many keys of one namespace are worked on at once, at most.
    """

    def __init__(self, backoff: Backoff[Ref] | None = None, share: int = 64) -> None:
        self._backoff = backoff or Backoff[Ref]()
        self._share = share
        self._turns: dict[str, deque[Ref]] = {}
        self._in_work: Counter[str] = Counter()
        self._due: dict[Ref, float] = {}
        self._heap: list[tuple[float, int, Ref]] = []
        self._busy: set[Ref] = set()
        self._again: set[Ref] = set()
        self._order = itertools.count()
        self._changed = asyncio.Event()
        self._closed = False

    def add(self, key: Ref, after: float = 0.0) -> None:
        """Make a key due after some seconds; an earlier due time stands."""
        if key in self._busy:
            self._again.add(key)
            return
        due = asyncio.get_running_loop().time() + after
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))
        if len(self._heap) > 2 * len(self._due) + _STALE_ENTRIES:
            self._heap = [entry for entry in self._heap if self._due.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)
        self._changed.set()

    def backlog(self) -> int:
        """Return how many keys are due now or worked on."""
        now = asyncio.get_running_loop().time()
        return len(self._busy) + sum(due <= now for due in self._due.values())

    def close(self) -> None:
        """Let the workers end after the passes under way."""
        self._closed = True
        self._changed.set()

    async def work(self, work: Callable[[Ref], Awaitable[Finished]]) -> None:
        """Take one key after another, until `close`; run as many of these as there may be passes at once."""
        while (key := await self._take()) is not None:
            finished = Finished(Look.never(), failed=True)
            try:
                finished = await work(key)
            except Exception:  # the worker must outlive any pass
                logger.exception("a pass over %s %s/%s broke", key.kind, key.namespace, key.name)
            finally:
                self._done(key, finished)

    async def _take(self) -> Ref | None:
        while not self._closed:
            now = asyncio.get_running_loop().time()
            self._line_up(now)
            key = self._next_in_turn()
            if key is not None:
                del self._due[key]
                self._busy.add(key)
                self._in_work[key.namespace] += 1
                return key
            self._changed.clear()
            wait = self._heap[0][0] - now if self._heap else None
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue
        return None

    def _line_up(self, now: float) -> None:
        """Let the keys that are due stand in the lines of their namespaces."""
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) == due:
                if due > now:
                    return
                self._turns.setdefault(key.namespace, deque()).append(key)
            heapq.heappop(self._heap)  # what is left was superseded by an earlier due time

    def _next_in_turn(self) -> Ref | None:
        for namespace, line in self._turns.items():
            if self._in_work[namespace] < self._share:
                del self._turns[namespace]
                key = line.popleft()
                if line:
                    self._turns[namespace] = line  # behind the others
                return key
        return None

    def _done(self, key: Ref, finished: Finished) -> None:
        self._busy.discard(key)
        self._in_work[key.namespace] -= 1
        if not self._in_work[key.namespace]:
            del self._in_work[key.namespace]
        self._changed.set()
        after = finished.look.after
        if finished.failed:
            delay = self._backoff.failed(key)
            after = delay if after is None else min(after, delay)
        else:
            self._backoff.succeeded(key)
        if key in self._again:
            self._again.discard(key)
            after = 0.0
        if after is not None:
            self.add(key, after)
