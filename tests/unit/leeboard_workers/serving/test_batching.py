"""Requests that wait are joined, and each gets its own answer; none waits for what is yet to come."""

import asyncio
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from leeboard_workers.ood.outputs import Outputs, outputs_of
from leeboard_workers.serving.batching import MOST_ROWS, Batches


class Model:
    """Answers each row's number when it is let, and stumbles over negative ones."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.begun, self.let = threading.Event(), threading.Event()

    def __call__(self, frame: pd.DataFrame) -> Outputs:
        self.calls.append(len(frame))
        self.begun.set()
        assert self.let.wait(10)
        if (frame["x"] < 0).any():
            raise ValueError(f"{len(frame)} rows hold a negative number")
        numbers = frame["x"].to_numpy()
        return Outputs(numbers, np.column_stack([numbers, -numbers]).astype(float))


async def asked(model: Model, *frames: pd.DataFrame) -> list[Any]:
    """Ask while the model works on one row, which is answered first."""
    batches = Batches(model)
    first = asyncio.create_task(batches.ask(rows(0)))
    await asyncio.to_thread(model.begun.wait, 10)
    others = [asyncio.create_task(batches.ask(frame)) for frame in frames]
    await asyncio.sleep(0)  # they stand in the queue now
    model.let.set()
    assert (await first).predict.tolist() == [0]
    return await asyncio.gather(*others, return_exceptions=True)


def rows(*numbers: Any) -> pd.DataFrame:
    return pd.DataFrame({"x": numbers})


async def test_what_waits_is_joined_and_each_gets_its_own() -> None:
    model = Model()
    answers = await asked(model, rows(1), rows(2, 3), rows(4))
    assert model.calls == [1, 4]
    assert [answer.predict.tolist() for answer in answers] == [[1], [2, 3], [4]]
    assert answers[1].probabilities.tolist() == [[2, -2], [3, -3]]
    assert answers[1].logits is None


async def test_one_that_fails_does_not_fail_its_neighbours() -> None:
    model = Model()
    answers = await asked(model, rows(1), rows(-2, 3), rows(4))
    assert model.calls == [1, 4, 1, 2, 1]
    assert str(answers[1]) == "2 rows hold a negative number"
    assert [answers[at].predict.tolist() for at in (0, 2)] == [[1], [4]]


@pytest.mark.parametrize(
    ("frames", "calls"),
    [
        ((rows(1), rows(1.5), rows(2.5)), [1, 1, 2]),
        ((rows(1), rows(*range(MOST_ROWS)), rows(1)), [1, 1, MOST_ROWS, 1]),
        ((), [1]),
    ],
)
async def test_other_types_and_too_many_rows_go_by_themselves(frames: Any, calls: list[int]) -> None:
    model = Model()
    answers = await asked(model, *frames)
    assert model.calls == calls
    assert [answer.predict.tolist() for answer in answers] == [frame["x"].tolist() for frame in frames]


async def test_who_has_gone_holds_nobody_up() -> None:
    model = Model()
    batches = Batches(model)
    gone = asyncio.create_task(batches.ask(rows(1)))
    await asyncio.to_thread(model.begun.wait, 10)
    stays = asyncio.create_task(batches.ask(rows(2)))
    gone.cancel()
    model.let.set()
    assert (await stays).predict.tolist() == [2]


async def test_a_model_answers_alike_alone_and_joined() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(400, 3)), columns=["a", "b", "c"])
    model = LogisticRegression().fit(frame, frame["a"] > 0)
    batches = Batches(lambda part: outputs_of(model, part))
    parts = [frame.iloc[at : at + 4] for at in range(0, 400, 4)]
    answers = await asyncio.gather(*(batches.ask(part) for part in parts))
    for part, answer in zip(parts, answers, strict=True):
        alone = outputs_of(model, part)
        np.testing.assert_array_equal(answer.predict, alone.predict)
        np.testing.assert_allclose(answer.probabilities, alone.probabilities, rtol=1e-12)
