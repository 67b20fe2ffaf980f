"""Joins requests that wait while the model works; none waits for another that is yet to come.

```
model   ├── request 1 ──┤├── requests 2, 3 and 4 ──┤├── 5 ──┤
waiting      2   3  4                          5
```
A call of a model often costs the same for one row as for thirty, and its calls from several threads take turns for
the interpreter anyhow. A request waits no longer than it would for its turn.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from leeboard_workers.ood.outputs import MATRICES, Outputs

MOST_ROWS = 1024
"""Rows of requests that are joined; a larger request goes alone."""


@dataclass
class _Waiting:
    frame: pd.DataFrame
    answer: asyncio.Future[Outputs] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batches:
    """The requests of one model."""

    def __init__(self, predict: Callable[[pd.DataFrame], Outputs]) -> None:
        """Take what answers rows, in a thread, one call at a time; a row's answer depends on no other row."""
        self._predict = predict
        self._waiting: deque[_Waiting] = deque()
        self._working: asyncio.Task[None] | None = None

    async def ask(self, frame: pd.DataFrame) -> Outputs:
        """Return the answers to some rows; whatever the model raises for them is raised."""
        one = _Waiting(frame)
        self._waiting.append(one)
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await one.answer

    async def _work(self) -> None:
        while self._waiting:
            group = self._next()
            try:
                joined = await asyncio.to_thread(self._predict, _joined([one.frame for one in group]))
                answers = _parts(joined, [len(one.frame) for one in group])
            except Exception as error:  # noqa: BLE001 (whatever a model raises)
                if len(group) == 1:
                    _settle(group[0], error)
                    continue
                for one in group:
                    await self._alone(one)
            else:
                for one, answer in zip(group, answers, strict=True):
                    _settle(one, answer)
        self._working = None

    async def _alone(self, one: _Waiting) -> None:
        """Ask for one request, so that its neighbour's error is not its own."""
        try:
            _settle(one, await asyncio.to_thread(self._predict, one.frame))
        except Exception as error:  # noqa: BLE001 (whatever a model raises)
            _settle(one, error)

    def _next(self) -> list[_Waiting]:
        """Take the requests that have waited longest, as long as their columns are of the same types."""
        group = [self._waiting.popleft()]
        rows, kinds = len(group[0].frame), list(group[0].frame.dtypes)
        while self._waiting:
            frame = self._waiting[0].frame
            rows += len(frame)
            if rows > MOST_ROWS or list(frame.dtypes) != kinds:
                break
            group.append(self._waiting.popleft())
        return group


def _settle(one: _Waiting, outcome: Outputs | Exception) -> None:
    if one.answer.done():  # whoever waited has gone
        return
    if isinstance(outcome, Exception):
        one.answer.set_exception(outcome)
    else:
        one.answer.set_result(outcome)


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def _parts(outputs: Outputs, counts: list[int]) -> list[Outputs]:
    if len(counts) == 1:
        return [outputs]
    ends = np.cumsum(counts).tolist()
    if len(outputs.predict) != ends[-1]:
        raise ValueError(f"the model answered {len(outputs.predict)} rows of {ends[-1]}")

    def cut(values: Any, end: int, count: int) -> Any:
        return None if values is None else values[end - count : end]

    return [
        Outputs(**{name: cut(getattr(outputs, name), end, count) for name in ("predict", *MATRICES)})
        for end, count in zip(ends, counts, strict=True)
    ]
