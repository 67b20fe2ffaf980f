from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from leeboard.api.errors import TransientError
from leeboard.contract.registry import Row
from leeboard.sandbox.processes import free_port
from leeboard.services.arms import HttpArms, tensors
from tests.support.web import Web

ROWS: list[Row] = [{"distance": 100, "carrier": "AA"}, {"distance": 250.5, "carrier": "UA"}]


@pytest.fixture
async def arms() -> AsyncIterator[HttpArms]:
    arms = HttpArms(5)
    yield arms
    await arms.close()


def answer(served: Web, body: Any, status: int = 200) -> None:
    served.status, served.body = status, json.dumps(body).encode()


async def test_an_answer_to_every_row_is_the_proof_v1(served: Web, arms: HttpArms):
    answer(served, {"predictions": [0, 1]})
    assert await arms.predict(served.url, "flights", "v1", ROWS) is None
    method, path, headers, body = served.asked[0]
    assert (method, path) == ("POST", "/v1/models/flights:predict")
    assert headers["x-leeboard-purpose"] == "probe"
    assert json.loads(body) == {"instances": ROWS}


async def test_an_answer_to_every_row_is_the_proof_v2(served: Web, arms: HttpArms):
    answer(served, {"outputs": [{"name": "predict", "shape": [2], "datatype": "INT64", "data": [0, 1]}]})
    assert await arms.predict(served.url + "/", "flights", "v2", ROWS) is None
    assert served.asked[0][1] == "/v2/models/flights/infer"


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("v1", {"predictions": [None, None], "outOfDistribution": [{}, {}], "error": "all rows were refused"}),
        ("v2", {"outputs": [{"name": "out_of_distribution", "shape": [2], "data": [True, True]}]}),
    ],
)
async def test_an_arm_that_refuses_strangers_answers(served: Web, arms: HttpArms, protocol: str, body: Any):
    answer(served, body, 422)
    assert await arms.predict(served.url, "flights", protocol, ROWS) is None


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (500, {"error": "the model broke"}, "answers 500: the model broke"),
        (422, {"error": "no such column"}, "answers 422: no such column"),
        (200, {"predictions": [1]}, "answers 1 of 2 rows"),
        (200, {}, "answers 0 of 2 rows"),
        (200, [], "without a JSON object"),
    ],
)
async def test_anything_else_is_said_in_a_sentence(served: Web, arms: HttpArms, status: int, body: Any, sentence: str):
    answer(served, body, status)
    said = await arms.predict(served.url, "flights", "v1", ROWS)
    assert said is not None
    assert sentence in said


async def test_an_arm_that_is_away_says_nothing_about_its_model(arms: HttpArms):
    with pytest.raises(TransientError, match="does not answer"):
        await arms.predict(f"http://127.0.0.1:{free_port()}", "flights", "v2", ROWS)
    with pytest.raises(TransientError, match="is no address"):
        await arms.predict("http://arm:port", "flights", "v2", ROWS)


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_neither_does_something_in_front_of_it(served: Web, arms: HttpArms, status: int):
    answer(served, {"error": "no healthy upstream"}, status)
    with pytest.raises(TransientError, match=f"answers {status}: no healthy upstream"):
        await arms.predict(served.url, "flights", "v1", ROWS)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
async def test_rows_that_are_no_json_are_a_sentence(served: Web, arms: HttpArms, value: float):
    said = await arms.predict(served.url, "flights", "v2", [{"distance": value}])
    assert said is not None
    assert "cannot be sent as JSON" in said


def test_rows_become_one_tensor_per_column():
    assert tensors(ROWS) == [
        {"name": "distance", "shape": [2], "datatype": "FP64", "data": [100, 250.5]},
        {"name": "carrier", "shape": [2], "datatype": "BYTES", "data": ["AA", "UA"]},
    ]
    kinds = {tensor["name"]: tensor["datatype"] for tensor in tensors([{"a": 1, "b": True, "c": None, "d": 0.5}])}
    assert kinds == {"a": "INT64", "b": "BOOL", "c": "FP64", "d": "FP64"}


def test_rows_without_names_become_one_tensor():
    assert tensors([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]) == [
        {"name": "input-0", "shape": [3, 2], "datatype": "FP64", "data": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
    ]
