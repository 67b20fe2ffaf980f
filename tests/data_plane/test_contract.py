"""The transformer beside KServe's own, before the same predictor: what it answers is what the SDK answers, and more."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from leeboard.contract import serving as contract
from leeboard.sandbox.processes import free_port
from tests.support.dataplane import Plane, Served
from tests.support.servingpeers import COLUMNS, MODEL

ROW = [float(number) for number in range(64)]
V1 = f"/v1/models/{MODEL}:predict"


@dataclass(frozen=True)
class Pair:
    theirs: Served
    ours: Served
    predictor: Served


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    plane = Plane(tmp_path_factory.mktemp("contract"))
    try:
        predictor = _peer(plane, "predictor")
        theirs = _peer(plane, "passthrough", predictor.url.removeprefix("http://"))
        yield Pair(theirs, _transformer(plane, predictor), predictor)
    finally:
        plane.stop()


def _peer(plane: Plane, *arguments: str) -> Served:
    port = free_port()
    kind, *before = arguments
    return plane.start("tests.support.servingpeers", [kind, str(port), *before], f"/v1/models/{MODEL}", port)


def _transformer(plane: Plane, predictor: Served, **more: str) -> Served:
    names = {contract.ENV_MODEL_DEPLOYMENT: MODEL, contract.ENV_PROTOCOL: "v1"}
    return plane.transformer(predictor.url, **(names | more))


def both(pair: Pair, method: str, path: str, **more: Any) -> tuple[httpx.Response, httpx.Response]:
    ours, theirs = (
        httpx.request(method, served.url + path, timeout=30, trust_env=False, **more)
        for served in (pair.ours, pair.theirs)
    )
    return ours, theirs


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/v1/models", f"/v1/models/{MODEL}"),
        *("/v2/health/live", "/v2/health/ready", "/v2/models", f"/v2/models/{MODEL}/ready"),
    ],
)
def test_health_is_told_in_the_same_words(pair: Pair, path: str) -> None:
    ours, theirs = both(pair, "GET", path)
    assert (ours.status_code, ours.json()) == (theirs.status_code, theirs.json())


@pytest.mark.parametrize("path", ["/v2", f"/v2/models/{MODEL}"])
def test_metadata_has_the_same_members(pair: Pair, path: str) -> None:
    ours, theirs = both(pair, "GET", path)
    assert ours.status_code == theirs.status_code == 200
    assert ours.json().keys() >= {key for key, value in theirs.json().items() if value is not None}


@pytest.mark.parametrize(
    ("method", "rest", "status"), [("GET", "", 200), ("GET", "/ready", 200), ("POST", "/infer", 400)]
)
def test_a_version_is_asked_by_its_name(pair: Pair, method: str, rest: str, status: int) -> None:
    more = {"json": {"inputs": []}} if method == "POST" else {}
    ours, theirs = both(pair, method, f"/v2/models/{MODEL}/versions/3{rest}", **more)
    assert (ours.status_code, theirs.status_code) == (status, 501), "the SDK knows the path, and answers no version"
    other, _ = both(pair, method, f"/v2/models/{MODEL}/versions/2{rest}", **more)
    assert other.status_code == 404
    assert "its version 3" in other.json()["error"]


def test_metadata_names_the_predictors_inputs_and_outputs(pair: Pair) -> None:
    metadata = pair.ours.get(f"/v2/models/{MODEL}").json()
    assert [tensor["name"] for tensor in metadata["inputs"]] == COLUMNS
    assert [tensor["name"] for tensor in metadata["outputs"]] == ["predict"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/nothing", "/v2/nothing", "/v1/models/other", "/v2/models/other/ready")),
        *(("POST", path) for path in ("/v2", "/v1/models", "/v1/models/other:predict", "/v2/models/other/infer")),
        *(("GET", path) for path in (V1, f"/v2/models/{MODEL}/infer")),
    ],
)
def test_what_there_is_not_is_refused_with_the_same_status(pair: Pair, method: str, path: str) -> None:
    more = {"json": {"instances": [ROW], "inputs": []}} if method == "POST" else {}
    ours, theirs = both(pair, method, path, **more)
    assert ours.status_code == theirs.status_code
    assert ours.json()["error"]


def test_an_answer_is_the_same(pair: Pair) -> None:
    ours, theirs = both(pair, "POST", V1, json={"instances": [ROW, ROW[::-1]]})
    assert (ours.status_code, ours.json()) == (theirs.status_code, theirs.json())
    assert ours.headers["content-type"] == theirs.headers["content-type"]


@pytest.mark.parametrize("body", [b"{", b"", b'{"instances": 1}'])
def test_a_body_that_is_no_request_is_refused_with_400(pair: Pair, body: bytes) -> None:
    ours, theirs = both(pair, "POST", V1, content=body, headers={"content-type": "application/json"})
    assert (ours.status_code, theirs.status_code) == (400, 400)
    assert ours.json()["error"]
    assert theirs.json()["error"]


async def test_no_request_is_lost_when_the_transformer_is_told_to_stop(pair: Pair, tmp_path: Path) -> None:
    plane = Plane(tmp_path)
    try:
        leaving = await asyncio.to_thread(_transformer, plane, pair.predictor)
        halfway = asyncio.Event()
        clients = [asyncio.create_task(_ask_until_sent_away(leaving.url, halfway)) for _ in range(8)]
        await halfway.wait()
        leaving.process.send_signal(signal.SIGTERM)
        answered = await asyncio.gather(*clients)
        assert min(answered) > 0
        assert await asyncio.to_thread(leaving.process.wait, 10) in {0, -signal.SIGTERM}
    finally:
        await asyncio.to_thread(plane.stop)


async def _ask_until_sent_away(url: str, halfway: asyncio.Event) -> int:
    """Ask over one kept connection until an answer asks to let it go; an unanswered request raises."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"instances": [ROW]}).encode()
    answered = 0
    while True:
        writer.write(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (V1.encode(), len(body)) + body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
        assert head.startswith(b"http/1.1 200"), head
        answered += 1
        if answered == 20:
            halfway.set()
        if b"connection: close" in head:
            with contextlib.suppress(ConnectionError):
                writer.close()
                await writer.wait_closed()
            return answered
