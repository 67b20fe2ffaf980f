"""Whatever is sent, the collector answers with a sentence, never with a 500, and holds no more than it may."""

import asyncio
import gzip
import json
import logging
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leeboard_workers.serving.asgi import Request
from leeboard_workers.serving.collector import carrying, openapi
from leeboard_workers.serving.collector.application import Collector
from leeboard_workers.serving.collector.events import ANSWER, BATCH, REQUEST, STRUCTURED
from leeboard_workers.serving.collector.labels import ARROW_FILE, ARROW_STREAM, CSV
from leeboard_workers.serving.collector.options import Options

QUICK = settings(max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])

PATHS = ["/v1/predictions", "/v1/labels", "/v1/events", "/v1/labels/air/flights", "/v1/events/air/flights"]
BATCH_DOCUMENT: dict[str, Any] = {
    "namespace": "air",
    "modelDeployment": "flights",
    "version": "1",
    "arm": "arm",
    "requestId": "r",
    "time": 1.7e9,
    "features": {"x": [1.0]},
    "predictions": [0],
}
LABEL = {"requestId": "r", "row": 0, "label": 1, "reward": 0.5, "time": 1.7e9}
EVENT = {
    "type": REQUEST,
    "id": "e",
    "time": "2026-02-14T09:30:00Z",
    "namespace": "air",
    "inferenceservicename": "flights",
    "data": {"instances": [[1.0]]},
}
ANSWER_EVENT = EVENT | {"type": ANSWER, "data": {"outputs": [{"name": "y", "shape": [1], "data": [1]}]}}

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


class Running:
    """A collector with a loop of its own."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        options = Options(root=str(folder / "root"), journal=folder / "journal", flush_seconds=3600)
        self.collector = Collector(options)
        self.do(self.collector.start())

    def do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def post(self, path: str, body: bytes, **headers: str) -> int:
        """Send a body, and return the status of an answer that is as the document says."""
        sent = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        answer = self.do(self.collector.answer(Request("POST", path, sent, body)))
        told = json.loads(answer.body)
        assert answer.status < HTTPStatus.INTERNAL_SERVER_ERROR, told
        if answer.status != HTTPStatus.OK:
            assert told["error"]
            assert len(told["error"]) < 1500
        return int(answer.status)

    def close(self) -> None:
        self.do(self.collector.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run one collector for all; afterwards everything that it took becomes rows."""
    folder = tmp_path_factory.mktemp("fuzz")
    collector = Running(folder)
    complaints: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = complaints.append  # type: ignore[method-assign]
    logging.getLogger(carrying.__name__).addHandler(handler)
    yield collector
    collector.close()
    logging.getLogger(carrying.__name__).removeHandler(handler)
    assert [record for record in complaints if record.exc_info] == [], "what is acknowledged can become rows"
    assert collector.collector._waiting == {}


def changed(document: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Put some value into one member, or leave it out."""
    members = st.sampled_from(sorted(document))
    replaced = st.builds(lambda member, value: document | {member: value}, members, values)
    return replaced | st.builds(lambda member: {k: v for k, v in document.items() if k != member}, members)


@QUICK
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=200), packed=st.booleans())
def test_any_bytes(running: Running, path: str, body: bytes, packed: bool) -> None:  # noqa: FBT001 (a case)
    for kind in ("", CSV, ARROW_STREAM, ARROW_FILE, STRUCTURED, BATCH):
        headers = {"content_encoding": "gzip"} if packed else {}
        running.post(path, gzip.compress(body) if packed else body, content_type=kind, **headers)


@QUICK
@given(path=st.sampled_from(PATHS), document=values)
def test_any_json(running: Running, path: str, document: Any) -> None:
    body = json.dumps(document).encode("utf-8", "surrogatepass")
    for kind in ("", STRUCTURED, BATCH):
        running.post(path, body, content_type=kind)


@QUICK
@given(document=changed(BATCH_DOCUMENT | {"probabilities": [[1.0]], "oodScores": [1.0], "ood": [True]}))
def test_batches_that_are_nearly_right(running: Running, document: dict[str, Any]) -> None:
    running.post("/v1/predictions", json.dumps(document).encode())


@QUICK
@given(cells=st.lists(values, min_size=1, max_size=3), name=st.text(max_size=300))
def test_batches_of_any_cells(running: Running, cells: list[Any], name: str) -> None:
    document = BATCH_DOCUMENT | {"features": {name: cells, "X": cells}, "predictions": cells, "integerFeatures": [name]}
    running.post("/v1/predictions", json.dumps(document).encode())


@QUICK
@given(label=changed(LABEL))
def test_labels_that_are_nearly_right(running: Running, label: dict[str, Any]) -> None:
    running.post("/v1/labels/air/flights", json.dumps([label]).encode())


@QUICK
@given(event=changed(EVENT) | changed(ANSWER_EVENT), data=values)
def test_events_that_are_nearly_right(running: Running, event: dict[str, Any], data: Any) -> None:
    for document in (event, event | {"data": data}):
        running.post("/v1/events", json.dumps(document).encode(), content_type=STRUCTURED)


@QUICK
@given(lines=st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=5), max_size=4))
def test_any_csv(running: Running, lines: list[list[str]]) -> None:
    text = "request_id,row,label,reward,time\n" + "\n".join(",".join(cells) for cells in lines)
    running.post("/v1/labels/air/flights", text.encode("utf-8", "replace"), content_type=CSV)


def test_deep_and_wide_json_is_bounded(running: Running) -> None:
    deep = b"[" * 100_000
    assert running.post("/v1/predictions", deep) == HTTPStatus.BAD_REQUEST
    nested: Any = 1
    for _ in range(200):
        nested = [nested]
    wide = BATCH_DOCUMENT | {"features": {"deep": [[nested] + [0] * 200_000]}}
    assert running.post("/v1/predictions", orjson.dumps(wide)) == HTTPStatus.OK
    many = BATCH_DOCUMENT | {"features": {f"x{number}": [0] for number in range(5000)}}
    assert running.post("/v1/predictions", orjson.dumps(many)) == HTTPStatus.BAD_REQUEST
    rows = BATCH_DOCUMENT | {"predictions": [0] * 20_000, "features": {}}
    assert running.post("/v1/predictions", orjson.dumps(rows)) == HTTPStatus.BAD_REQUEST


def test_what_is_asked_about_is_not_remembered_for_ever(running: Running) -> None:
    for number in range(600):
        path = f"/v1/tables/air/asked-{number}"
        assert running.do(running.collector.answer(Request("GET", path, {}, b""))).status == HTTPStatus.OK
    assert len(running.collector._tables._tables) <= 256


def test_the_document_names_every_path() -> None:
    paths = openapi.document()["paths"]
    named = {path.format(namespace="air", modelDeployment="flights") for path in paths}
    assert {*PATHS, "/v1/tables/air/flights", "/healthz", "/metrics"} == named
