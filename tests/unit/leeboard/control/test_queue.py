from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from leeboard.control.backoff import Backoff
from leeboard.control.queue import WorkQueue
from leeboard.control.ref import Ref
from leeboard.control.steps import Finished, Look

ONE, OTHER = Ref("DriftMonitor", "ml", "one"), Ref("DriftMonitor", "ml", "other")
DONE = Finished(Look.never())


class Work:
    """Notes the passes, and holds them back until it is told."""

    def __init__(self, finished: Callable[[int], Finished] = lambda _: DONE) -> None:
        self.passes: list[Ref] = []
        self.at_once: dict[Ref, int] = {}
        self.most_at_once = 0
        self.most_of_one = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._finished = finished
        self._seen = asyncio.Condition()

    async def __call__(self, key: Ref) -> Finished:
        async with self._seen:
            self.passes.append(key)
            self._seen.notify_all()
        self.at_once[key] = self.at_once.get(key, 0) + 1
        self.most_at_once = max(self.most_at_once, sum(self.at_once.values()))
        self.most_of_one = max(self.most_of_one, *self.at_once.values())
        await self.gate.wait()
        self.at_once[key] -= 1
        return self._finished(len(self.passes))

    async def until(self, passes: int) -> None:
        async with asyncio.timeout(5), self._seen:
            await self._seen.wait_for(lambda: len(self.passes) >= passes)


@asynccontextmanager
async def working(queue: WorkQueue, work: Work, workers: int = 1) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(queue.work(work)) for _ in range(workers)]
    yield
    queue.close()
    work.gate.set()
    await asyncio.gather(*tasks)


async def test_a_key_stands_in_it_once():
    queue, work = WorkQueue(), Work()
    for _ in range(5):
        queue.add(ONE)
    queue.add(OTHER)
    async with working(queue, work):
        await work.until(2)
    assert work.passes == [ONE, OTHER]


async def test_a_key_that_comes_during_its_pass_has_another_one_after_it():
    queue, work = WorkQueue(), Work()
    work.gate.clear()
    queue.add(ONE)
    async with working(queue, work, workers=3):
        await work.until(1)
        queue.add(ONE)
        queue.add(ONE)
        work.gate.set()
        await work.until(2)
    assert work.passes == [ONE, ONE]
    assert work.most_of_one == 1


async def test_so_many_passes_at_once_as_there_are_workers():
    queue, work = WorkQueue(), Work()
    work.gate.clear()
    keys = [Ref("DriftMonitor", "ml", f"m{number}") for number in range(6)]
    for key in keys:
        queue.add(key)
    async with working(queue, work, workers=2):
        await work.until(2)
        assert queue.backlog() == 6
        work.gate.set()
        await work.until(6)
    assert work.most_at_once == 2
    assert sorted(work.passes) == keys


async def test_namespaces_take_turns():
    queue, work = WorkQueue(), Work()
    many = [Ref("DriftMonitor", "failing", f"m{number}") for number in range(1000)]
    for key in (*many, ONE, OTHER):
        queue.add(key)
    async with working(queue, work):
        await work.until(1002)
    assert work.passes == [many[0], ONE, many[1], OTHER, *many[2:]]


async def test_a_namespace_whose_passes_hang_leaves_workers_to_the_others():
    queue, work = WorkQueue(share=2), Work()
    work.gate.clear()
    hanging = [Ref("DriftMonitor", "hanging", f"m{number}") for number in range(5)]
    for key in hanging:
        queue.add(key)
    async with working(queue, work, workers=3):
        await work.until(2)
        queue.add(ONE)
        await work.until(3)
        assert work.passes == [*hanging[:2], ONE]
        work.gate.set()
        await work.until(6)
    assert work.passes == [*hanging[:2], ONE, *hanging[2:]]


async def test_a_look_brings_the_next_pass():
    queue, work = WorkQueue(), Work(lambda number: Finished(Look(0.01 if number < 3 else None)))
    queue.add(ONE)
    async with working(queue, work):
        await work.until(3)
    assert work.passes == [ONE] * 3


async def test_something_that_happens_comes_before_a_late_look():
    queue, work = WorkQueue(), Work()
    queue.add(ONE, after=3600)
    async with working(queue, work):
        queue.add(ONE)
        await work.until(1)
        queue.add(OTHER)
        await work.until(2)
    assert work.passes == [ONE, OTHER]  # the late look went with the pass


async def test_a_failing_key_backs_off_alone():
    queue = WorkQueue(Backoff(first=3600))
    work = Work(lambda _: Finished(Look.never(), failed=True))
    async with working(queue, work):
        queue.add(ONE)
        await work.until(1)
        queue.add(OTHER)
        await work.until(2)
    assert work.passes == [ONE, OTHER]


async def test_a_failing_key_is_looked_at_again_when_its_plan_says_so_sooner():
    queue = WorkQueue(Backoff(first=3600))
    work = Work(lambda _: Finished(Look(0.01), failed=True))
    queue.add(ONE)
    async with working(queue, work):
        await work.until(3)


async def test_a_pass_that_breaks_takes_no_worker_with_it():
    queue, work = WorkQueue(Backoff(first=0.01)), Work()

    async def break_once(key: Ref) -> Finished:
        if not work.passes:
            await work(key)
            raise RuntimeError("broken")
        return await work(key)

    task = asyncio.create_task(queue.work(break_once))
    queue.add(ONE)
    await work.until(2)
    queue.close()
    await task


async def test_closing_lets_the_pass_under_way_end_and_starts_no_other():
    queue, work = WorkQueue(), Work()
    work.gate.clear()
    queue.add(ONE)
    task = asyncio.create_task(queue.work(work))
    await work.until(1)
    queue.add(OTHER)
    queue.close()
    work.gate.set()
    await task
    assert work.passes == [ONE]
    assert work.at_once[ONE] == 0


async def test_ten_thousand_events_leave_no_heap_behind():
    queue = WorkQueue()
    for number in range(10_000):
        queue.add(ONE, after=10_000 - number)
    assert len(queue._heap) < 200


def test_the_wait_doubles_up_to_a_limit_and_is_forgotten_after_success():
    backoff = Backoff[str](first=1, longest=10)
    assert [backoff.failed("a") for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    assert backoff.failed("b") == 1
    backoff.succeeded("a")
    assert backoff.failed("a") == 1
