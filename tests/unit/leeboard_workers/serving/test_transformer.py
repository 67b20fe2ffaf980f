import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from leeboard.api.outofdistribution import Detector, OnDetection
from leeboard.contract.serving import METRIC_LOG_DROPPED, METRIC_REQUESTS, ChangedColumns
from leeboard_workers.ood.fitting import Wish, fit_on_rows
from leeboard_workers.ood.store import save
from leeboard_workers.serving.asgi import Request
from leeboard_workers.serving.exchange import Exchange
from leeboard_workers.serving.options import Identity, Options
from leeboard_workers.serving.privacy import Privacy
from leeboard_workers.serving.transformer import Transformer

V1_PREDICT = "/v1/models/flights:predict"
INFER = "/v2/models/flights/infer"
FIELD = {"name": "x", "shape": [2], "datatype": "FP64", "data": [1.0, 2.0]}
MATRIX = {"name": "rows", "shape": [2, 2], "datatype": "FP64", "data": [1.0, 2.0, 3.0, 4.0]}

TENSOR = {"name": "y", "shape": [2], "datatype": "FP64", "data": [1, 2]}


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def compact(document: Any) -> str:
    return orjson.dumps(document).decode()


class Played:
    """A predictor and a collector in one."""

    def __init__(self, outputs: list[dict[str, Any]] | None = None) -> None:
        self.outputs = outputs
        self.ready = True
        self.full = False
        self.logged: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/v1/predictions":
            self.logged += await request.json()
            return web.json_response({"accepted": 1, "refused": 0})
        if request.path == INFER and self.full:
            return web.json_response({"error": "full"}, status=503, headers={"retry-after": "7"}, dumps=compact)
        if request.method == "POST":
            self.asked.append(await request.json())
        if request.path == V1_PREDICT:
            return web.json_response({"predictions": [1] * len(self.asked[-1]["instances"])})
        if request.path == INFER:
            return web.json_response({"outputs": self.outputs})
        return web.Response(status=200 if self.ready else 503)


@asynccontextmanager
async def before(played: Played, protocol: str = "v2", **more: Any) -> AsyncIterator[Transformer]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", played.answer)
    async with TestServer(app) as server:
        identity = Identity("air", "flights", "1", "arm")
        url = str(server.make_url(""))
        host = f"{server.host}:{server.port}"
        transformer = Transformer(Options(identity, host, "flights", protocol, collector_url=url, **more))
        await transformer.start()
        try:
            yield transformer
        finally:
            await transformer.stop()


async def infer(transformer: Transformer, body: dict[str, Any] = {"inputs": [FIELD]}) -> int:  # noqa: B006 (only read)
    response = await transformer.answer(Request("POST", INFER, {}, orjson.dumps(body)))
    if response.afterwards is not None:
        response.afterwards()
    return response.status


async def status(transformer: Transformer, path: str) -> int:
    return (await transformer.answer(Request("GET", path, {}, b""))).status


async def dropped(transformer: Transformer) -> float:
    page = (await transformer.answer(Request("GET", "/metrics", {}, b""))).body.decode()
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(METRIC_LOG_DROPPED + "{"))


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("a", "outputs[0] of the predictor's answer is no tensor with a name"),
        (TENSOR | {"name": None}, "outputs[0] of the predictor's answer is no tensor with a name"),
        ({"name": "y", "data": [1, 2]}, "'y' has no shape"),
        (TENSOR | {"shape": [2.0]}, "'y' has no shape"),
        (TENSOR | {"shape": [1] * 5000}, "'y' has more than 16 dimensions"),
        ({"name": "y", "shape": [2], "datatype": "FP64"}, "'y' has no data"),
        (TENSOR | {"data": [1]}, "'y' holds 1 values, its shape [2] says otherwise"),
        (TENSOR | {"shape": [10**18, 10**18]}, "says otherwise"),
        (TENSOR | {"shape": [2, 10**18, 0], "data": []}, "says otherwise"),
        (TENSOR | {"shape": [3], "data": [1, 2, 3]}, "the predictor answered 3 rows of 2"),
        (TENSOR | {"shape": [1], "data": [1]}, "the predictor answered 1 rows of 2"),
        (TENSOR | {"shape": [], "data": [1]}, "the predictor answered 0 rows of 2"),
        (TENSOR | {"data": [1, deep(300)]}, "nested more deeply than JSON can be written"),
    ],
)
@pytest.mark.parametrize("path", [INFER, V1_PREDICT])
async def test_an_answer_that_contradicts_itself_is_no_answer(output: Any, sentence: str, path: str) -> None:
    body = {"inputs": [FIELD]} if path == INFER else {"instances": [{"x": 1.0}, {"x": 2.0}]}
    async with before(Played([output])) as transformer:
        response = await transformer.answer(Request("POST", path, {}, orjson.dumps(body)))
    assert response.status == 502
    assert sentence in orjson.loads(response.body)["error"]


async def test_data_that_come_nested_are_laid_flat() -> None:
    played = Played([TENSOR | {"shape": [2, 2], "data": [[1, 2], [3, 4]]}])
    async with before(played) as transformer:
        response = await transformer.answer(Request("POST", INFER, {}, orjson.dumps({"inputs": [FIELD]})))
    assert orjson.loads(response.body)["outputs"][0]["data"] == [1, 2, 3, 4]


async def test_an_answer_that_cannot_be_logged_goes_out_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise ValueError("nothing fits into it")

    async with before(Played([TENSOR])) as transformer:
        monkeypatch.setattr(transformer._queue, "put", full)
        assert await infer(transformer) == 200
        assert await dropped(transformer) == 2


OWN = {"id": "mine", "parameters": {"k": 1}, "outputs": [{"name": "predict"}]}


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Store a detector that knows numbers around zero."""
    folder = tmp_path_factory.mktemp("detector")
    known = pa.table({"x": np.random.default_rng(0).normal(size=500)})
    save(fit_on_rows(Wish(Detector.model_validate({"mahalanobis": {}}), 0.95, 1, {}), known, None), folder)
    return str(folder)


async def asked(transformer: Transformer, *cells: float) -> tuple[int, dict[str, Any]]:
    """Ask for rows by a document with an id of its own, through a gateway that gives it another."""
    body = orjson.dumps(OWN | {"inputs": [FIELD | {"shape": [len(cells)], "data": list(cells)}]})
    response = await transformer.answer(Request("POST", INFER, {b"x-request-id": b"header-id"}, body))
    assert dict(response.headers)[b"x-request-id"] == b"header-id"
    return response.status, orjson.loads(response.body)


async def test_a_documents_own_id_comes_back_from_a_predictor_of_the_other_protocol() -> None:
    async with before(Played(), protocol="v1") as transformer:
        status, answer = await asked(transformer, 0.0)
    assert (status, answer["id"]) == (200, "mine")


async def test_what_stands_beside_the_rows_survives_a_refusal(detector: str) -> None:
    played = Played([TENSOR | {"shape": [1], "data": [7]}])
    async with before(played, detector_uri=detector, on_detection=OnDetection.REJECT) as transformer:
        await transformer._detection.fetched.wait()
        status, answer = await asked(transformer, 1e9, 0.0)
        assert (status, answer["id"], answer["outputs"][0]["data"]) == (200, "mine", [None, 7])
        (sent,) = played.asked
        assert {name: sent[name] for name in OWN} == OWN
        assert sent["inputs"][0]["data"] == [0.0]
        status, answer = await asked(transformer, 1e9, 1e9)
        assert (status, answer["id"], len(played.asked)) == (422, "mine", 1)


async def test_a_row_too_few_never_gives_a_refused_row_a_value(detector: str) -> None:
    played = Played([TENSOR | {"shape": [1], "data": [7]}])
    async with before(played, detector_uri=detector, on_detection=OnDetection.REJECT) as transformer:
        await transformer._detection.fetched.wait()
        status, answer = await asked(transformer, 1e9, 0.0, 0.1)
    assert (status, answer["error"]) == (502, "the predictor answered 1 rows of 2")


async def test_rows_without_probabilities_are_logged() -> None:
    played = Played(
        [
            {"name": "predictions", "shape": [2], "datatype": "FP64", "data": [1, 2]},
            {"name": "probabilities", "shape": [2, 0], "datatype": "FP64", "data": []},
        ]
    )
    async with before(played) as transformer:
        assert await infer(transformer) == 200
    assert [batch["probabilities"] for batch in played.logged] == [[[], []]]


async def test_what_a_request_held_is_let_go_with_its_answer() -> None:
    played = Played([{"name": "predict", "shape": [2], "datatype": "FP64", "data": [1, 2]}])
    async with before(played) as transformer:
        assert await infer(transformer) == 200
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                assert await infer(transformer) == 200
            assert not [held for held in gc.get_objects() if isinstance(held, Exchange)]
        finally:
            gc.enable()


async def test_a_predictor_that_falters_after_its_start_leaves_the_transformer_ready() -> None:
    played = Played()
    played.ready = False
    async with before(played) as transformer:
        seen = []
        for played.ready in (False, True, False):
            seen.append(await status(transformer, "/v2/health/ready"))
    assert seen == [503, 200, 200]


async def test_a_client_is_told_when_a_full_predictor_wants_it_again() -> None:
    played = Played()
    played.full = True
    async with before(played) as transformer:
        response = await transformer.answer(Request("POST", INFER, {}, orjson.dumps({"inputs": [FIELD]})))
    assert (response.status, response.body) == (503, b'{"error":"full"}')
    assert dict(response.headers)[b"retry-after"] == b"7"


async def test_a_client_is_told_to_come_again_when_there_is_no_predictor() -> None:
    async with before(Played()) as transformer:
        pass
    response = await transformer.answer(Request("POST", INFER, {}, orjson.dumps({"inputs": [FIELD]})))
    assert (response.status, dict(response.headers)[b"retry-after"]) == (503, b"1")


async def test_a_body_that_there_is_no_memory_for_is_counted() -> None:
    async with before(Played()) as transformer:
        response = transformer.too_many(Request("POST", INFER, {}, b""))
        page = (await transformer.answer(Request("GET", "/metrics", {}, b""))).body.decode()
    assert (response.status, dict(response.headers)[b"retry-after"]) == (429, b"1")
    (counted,) = (line for line in page.splitlines() if line.startswith(METRIC_REQUESTS + "{") and '"429"' in line)
    assert counted.endswith(" 1.0")


@pytest.mark.parametrize(
    ("body", "logged"),
    [({"inputs": [FIELD | {"name": "age"}, FIELD | {"name": "name"}]}, {"age": [0, 0]}), ({"inputs": [MATRIX]}, {})],
)
async def test_private_columns_never_reach_the_log(body: dict[str, Any], logged: dict[str, Any]) -> None:
    played = Played([{"name": "predict", "shape": [2], "datatype": "FP64", "data": [1, 2]}])
    changes = ChangedColumns(drop=["name"], round={"age": -1})
    async with before(played, privacy=Privacy(changes, b"")) as transformer:
        assert await infer(transformer, body) == 200
    assert [batch["features"] for batch in played.logged] == [logged]
    assert played.logged[0]["changedColumns"] == changes.document()
