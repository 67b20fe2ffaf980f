"""Whatever a client sends: an answer, and never the server's own failure. What was found stands below as a case."""

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from leeboard.contract.serving import ChangedColumns
from leeboard_workers.data.encoding import RowLists
from leeboard_workers.serving.answers import Answer, BadAnswerError
from leeboard_workers.serving.asgi import Request
from leeboard_workers.serving.codec import BadRequestError, Rows, decode_v1, decode_v2, encode_v1, encode_v2
from leeboard_workers.serving.exchange import as_sent
from leeboard_workers.serving.options import Identity, Options
from leeboard_workers.serving.privacy import Privacy
from leeboard_workers.serving.transformer import Transformer

NAMES = st.sampled_from(["a", "b", "", "\x00", "ß"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3))
TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "name": NAMES | SCALARS,
        "shape": st.lists(st.integers(-1, 4), max_size=4) | VALUES,
        "datatype": st.sampled_from(["FP64", "BYTES", "BOOL", "INT8"]) | SCALARS,
        "data": st.lists(SCALARS, max_size=8) | VALUES,
    },
)
ONE = st.fixed_dictionaries({"instances": st.lists(VALUES, max_size=5) | VALUES}) | VALUES
TWO = st.fixed_dictionaries({"inputs": st.lists(TENSORS, max_size=4) | VALUES}, optional={"id": SCALARS}) | VALUES
INPUTS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True).map(tuple)


def nested(depth: int) -> Any:
    value: Any = 1.0
    for _ in range(depth):
        value = [value]
    return value


def tensor(**changes: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": [1.0]} | changes]}


@settings(max_examples=100)
@given(document=ONE, inputs=INPUTS)
def test_v1_is_rows_or_a_sentence(document: Any, inputs: tuple[str, ...]) -> None:
    _decoded(decode_v1, document, inputs)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.none()
TABLES = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(NUMBERS | VALUES, min_size=width, max_size=width), min_size=1, max_size=4)
)
SPACES = st.sampled_from(["", " ", "\n\t"])


@settings(max_examples=200)
@given(rows=TABLES, before=st.sampled_from(["", '"instances": [[1]],']), space=SPACES)
@example(rows=[[[[1.0]]]], before="", space="")
@example(rows=[["3", ":"], ["}", "]"]], before="", space=" ")
def test_rows_are_logged_as_they_were_sent_or_written_anew(rows: list[Any], before: str, space: str) -> None:
    width = len(rows[0])
    body = f'{space}{{{before}"instances"{space}:{space}{json.dumps(rows)}{space}}}{space}'.encode()
    try:
        given = orjson.loads(body)["instances"]
    except orjson.JSONDecodeError:
        return
    text = as_sent(body, RowLists([str(at) for at in range(width)], given))
    assert text is None or orjson.loads(orjson.dumps(text)) == given
    if not before and all(cell is None or isinstance(cell, int | float) for row in given for cell in row):
        assert text is not None


@settings(max_examples=100)
@given(document=TWO, inputs=INPUTS)
def test_v2_is_rows_or_a_sentence(document: Any, inputs: tuple[str, ...]) -> None:
    _decoded(decode_v2, document, inputs)


def _decoded(decode: Callable[[Any, Any], Rows], document: Any, inputs: tuple[str, ...]) -> None:
    try:
        rows = decode(document, inputs)
    except BadRequestError:
        return
    assert rows.count > 0
    assert {len(cells) for cells in rows.columns.values()} == {rows.count}
    assert encode_v1(rows)["instances"]
    assert encode_v2(rows, {})["inputs"]


MEMBERS = st.sampled_from(["predict", "probabilities", "logits", "features", "y"])


def shaped(name: str, shape: list[int], *, fold: bool) -> dict[str, Any]:
    """Return an output that is right, its data nested or not."""
    data: Any = list(range(math.prod(shape)))
    return {"name": name, "shape": shape, "datatype": "FP64", "data": [data] if fold and data else data}


@st.composite
def answers(draw: st.DrawFn) -> tuple[dict[str, Any], list[bool]]:
    """Draw an answer that is right but for some member, and which rows it answers."""
    kept = draw(st.lists(st.booleans(), min_size=1, max_size=4).filter(any))
    counts = st.just(sum(kept)) | st.just(sum(kept)) | st.integers(0, 3)
    widths = st.lists(st.integers(0, 2), max_size=2)
    if draw(st.booleans()):
        numbers = st.integers(0, 3).flatmap(lambda width: st.lists(NUMBERS, min_size=width, max_size=width))
        cells = counts.flatmap(lambda count: st.lists(numbers | VALUES, min_size=count, max_size=count))
        matrices = {"probabilities": cells | VALUES, "features": cells}
        return draw(st.fixed_dictionaries({"predictions": cells}, optional=matrices)), kept
    shapes = st.builds(lambda count, rest: [count, *rest], counts, widths)
    right = st.builds(shaped, MEMBERS, shapes, fold=st.booleans())
    wrong = st.builds(lambda one, changes: one | changes, right, TENSORS) | VALUES
    outputs = draw(st.lists(right, min_size=1, max_size=3))
    return {"outputs": outputs + draw(st.just([]) | st.lists(wrong, max_size=1))}, kept


@settings(max_examples=300)
@given(given=answers())
@example(given=({"outputs": [shaped("y", [1, 2], fold=False)]}, [False, True]))
@example(given=({"predictions": [[1]], "probabilities": []}, [True, False]))
@example(given=({"outputs": [shaped("y", [2, 0], fold=False) | {"shape": [2, 10**18, 0]}]}, [True] * 2))
def test_answers_of_strangers_are_read_or_refused(given: tuple[dict[str, Any], list[bool]]) -> None:
    protocol, kept = "v1" if "predictions" in given[0] else "v2", given[1]
    try:
        read = Answer.read(orjson.loads(json.dumps(given[0])), protocol, sum(kept))
    except (BadAnswerError, orjson.JSONDecodeError):
        return
    spread = read.spread(kept)
    refused = spread.without(~np.array(kept, dtype=bool))
    for answer in (spread, refused, *(refused.translated(to, "m") for to in ("v1", "v2"))):
        assert len(answer.predictions) == len(kept)
        assert all(one is None or kept[at] for at, one in enumerate(map(without_nulls, answer.predictions)))
        for name in ("probabilities", "logits", "features"):
            matrix = answer.matrix(name)
            assert matrix is None or len(matrix) == len(kept)
        assert orjson.loads(orjson.dumps(answer.document))


def without_nulls(cell: Any) -> Any:
    """Return none for a list of nothing but nulls, as a refused row of several values has."""
    return None if isinstance(cell, list) and all(without_nulls(part) is None for part in cell) else cell


@pytest.fixture(scope="module")
def answer() -> Iterator[Callable[[str, bytes], int]]:
    """Ask a transformer that refuses, logs and speaks v2 to a predictor that answers each row."""
    loop = asyncio.new_event_loop()

    async def predict(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"inputs": [{"name": "a", "datatype": "FP64"}]})
        document = await request.json()
        if request.path == "/v1/predictions":
            return web.json_response({"accepted": len(document)})
        rows = document["inputs"][0]["shape"][0]
        return web.json_response({"outputs": [{"name": "predict", "shape": [rows], "data": [1.0] * rows}]})

    async def start() -> tuple[TestServer, Transformer]:
        app = web.Application(client_max_size=2**25)
        app.router.add_route("*", "/{path:.*}", predict)
        server = TestServer(app)
        await server.start_server()
        privacy = Privacy(ChangedColumns(hash=["a"], round={"b": 1}), b"0123456789abcdef")
        url = f"http://{server.host}:{server.port}"
        identity = Identity("air", "flights", "1", "arm")
        options = Options(identity, url.removeprefix("http://"), "flights", "v2", collector_url=url, privacy=privacy)
        transformer = Transformer(options)
        await transformer.start()
        return server, transformer

    server, transformer = loop.run_until_complete(start())

    async def ask(path: str, body: bytes) -> int:
        response = await transformer.answer(Request("POST", path, {}, body))
        if response.afterwards is not None:
            response.afterwards()
        return response.status

    yield lambda path, body: loop.run_until_complete(ask(path, body))
    loop.run_until_complete(transformer.stop())
    loop.run_until_complete(server.close())
    loop.close()


V1, V2 = "/v1/models/flights:predict", "/v2/models/flights/infer"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from([V1, V2]), document=ONE | TWO)
def test_the_server_never_fails(answer: Callable[[str, bytes], int], path: str, document: Any) -> None:
    assert answer(path, json.dumps(document).encode()) in {200, 400}


@settings(max_examples=50)
@given(path=st.sampled_from([V1, V2]), body=st.binary(max_size=40))
def test_bytes_that_are_no_json_are_refused(answer: Callable[[str, bytes], int], path: str, body: bytes) -> None:
    assert answer(path, body) == 400


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (V1, {"instances": [{"a": nested(200)}]}),
        (V1, {"instances": [{"a": nested(300)}]}),
        (V1, {"instances": [{"a": nested(900)}]}),
        (V2, tensor(shape=[1] * 5000)),
        (V2, tensor(shape=[True])),
        (V2, tensor(shape=[10**18, 10**18])),
        (V1, {"instances": [{f"c{row}": 1} for row in range(9_999)]}),
    ],
    ids=["deep", "deeper", "deepest", "dimensions", "a true size", "a huge shape", "a column per row"],
)
def test_what_was_found(answer: Callable[[str, bytes], int], path: str, document: Any) -> None:
    """Recursion without end in shapes and values; 9,999 rows that each name another column, a hundred million cells."""
    body = json.dumps(document).encode() if path == V1 else orjson.dumps(document)
    assert answer(path, body) in {200, 400}
