"""CloudEvents as KServe's logger sends them become rows, whatever the order and the packing in which they come."""

import base64
import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from leeboard_workers.serving.asgi import Request, Response
from leeboard_workers.serving.collector import bodies, pairing
from leeboard_workers.serving.collector.application import Collector
from leeboard_workers.serving.collector.events import ANSWER, BATCH, REQUEST, STRUCTURED
from leeboard_workers.serving.collector.options import Options

PATH = "/v1/events/air/flights"
V1 = ({"instances": [{"x": 1.0}, {"x": 2.5}]}, {"predictions": [0, 1]})
V2 = (
    {"inputs": [{"name": "x", "shape": [2], "datatype": "FP64", "data": [1.0, 2.5]}]},
    {
        "outputs": [
            {"name": "predict", "shape": [2], "datatype": "INT64", "data": [0, 1]},
            {"name": "probabilities", "shape": [2, 2], "datatype": "FP64", "data": [0.9, 0.1, 0.2, 0.8]},
            {"name": "ood_score", "shape": [2], "datatype": "FP64", "data": [0.5, 7.0]},
            {"name": "out_of_distribution", "shape": [2], "datatype": "BOOL", "data": [False, True]},
        ]
    },
)


def attributes(kind: str, event_id: str, **more: str) -> dict[str, str]:
    """Return the attributes that KServe's agent sets."""
    moment = "2026-02-14T09:30:00.123456789Z" if kind == REQUEST else "2026-02-14T09:30:00.623456789Z"
    return {
        "specversion": "1.0",
        "type": kind,
        "id": event_id,
        "source": "http://localhost:9081/",
        "time": moment,
        "inferenceservicename": "flights-v3-abc",
        "namespace": "air",
        "component": "predictor",
        "endpoint": "",
    } | more


def binary(kind: str, event_id: str, payload: Any, **more: str) -> Request:
    headers = {f"ce-{name}".encode(): value.encode() for name, value in attributes(kind, event_id, **more).items()}
    return Request("POST", PATH, headers | {b"content-type": b"application/json"}, json.dumps(payload).encode())


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    def collector() -> Collector:
        return Collector(Options(root=str(tmp_path / "root"), journal=tmp_path / "journal", flush_seconds=3600))

    return collector


async def send(collector: Collector, *requests: Request) -> None:
    for request in requests:
        answer = await collector.answer(request)
        assert answer.status == 200, answer.body
        await collector._flush()  # each in a segment of its own


def rows(folder: Path, name: str = "flights") -> list[dict[str, Any]]:
    uri = str(folder / "root/air" / name / "predictions")
    if not DeltaTable.is_deltatable(uri):
        return []
    return DeltaTable(uri).to_pyarrow_table().sort_by([("request_id", "ascending"), ("row", "ascending")]).to_pylist()


@pytest.mark.parametrize("first", [0, 1], ids=["request first", "answer first"])
@pytest.mark.parametrize(("request_body", "answer_body"), [V1, V2], ids=["v1", "v2"])
async def test_a_request_and_its_answer_become_rows(
    opened: Any, tmp_path: Path, request_body: Any, answer_body: Any, first: int
) -> None:
    collector = opened()
    await collector.start()
    named = {
        "metadata": json.dumps({"X-Request-Id": ["r-1"]}),
        "annotations": json.dumps({"leeboard.dev/version": "3"}),
        "endpoint": "stable",
    }
    halves = [binary(REQUEST, "e1", request_body, **named), binary(ANSWER, "e1", answer_body, **named)]
    await send(collector, halves[first], halves[1 - first])
    await collector.stop()
    found = rows(tmp_path)
    assert [(row["request_id"], row["row"], row["arm"], row["version"]) for row in found] == [
        ("r-1", 0, "stable", "3"),
        ("r-1", 1, "stable", "3"),
    ]
    assert [(row["x_x"], row["prediction"]) for row in found] == [(1.0, 0.0), (2.5, 1.0)]
    assert found[0]["latency_ms"] == pytest.approx(500.0, abs=0.01)
    if answer_body is V2[1]:
        assert [(row["ood_score"], row["ood"], row["probabilities"]) for row in found] == [
            (0.5, False, [0.9, 0.1]),
            (7.0, True, [0.2, 0.8]),
        ]
    assert list((tmp_path / "journal").glob("*.journal")) == []


async def test_events_may_be_structured_in_batches_and_packed(opened: Any, tmp_path: Path) -> None:
    collector = opened()
    await collector.start()
    structured = attributes(REQUEST, "e1") | {"data": V1[0]}
    packed = attributes(ANSWER, "e1") | {
        "data_base64": base64.b64encode(gzip.compress(json.dumps(V1[1]).encode())).decode()
    }
    zipped = {b"content-encoding": b"gzip"}
    await send(
        collector,
        Request(
            "POST",
            PATH,
            zipped | {b"content-type": STRUCTURED.encode()},
            gzip.compress(json.dumps(structured).encode()),
        ),
        Request("POST", "/v1/events", {b"content-type": BATCH.encode()}, json.dumps([packed, structured]).encode()),
        Request("POST", PATH, {b"content-type": STRUCTURED.encode()}, json.dumps(packed).encode()),
    )
    await collector.stop()
    assert [(row["request_id"], row["arm"], row["version"]) for row in rows(tmp_path)] == [
        ("e1", "flights-v3-abc", "unknown")
    ] * 2
    assert len(rows(tmp_path, "flights-v3-abc")) == 2, "without a path the service names the log"


async def test_a_half_survives_a_crash_until_the_other_comes(opened: Any, tmp_path: Path) -> None:
    first = opened()
    await first.start()
    await send(first, binary(REQUEST, "e1", V1[0]), binary(REQUEST, "e2", V1[0]), binary(ANSWER, "e2", V1[1]))
    assert len(rows(tmp_path)) == 2
    again = opened()  # the first one is gone without a word
    await again.start()
    await send(again, binary(ANSWER, "e1", V1[1]))
    await again.stop()
    assert [row["request_id"] for row in rows(tmp_path)] == ["e1", "e1", "e2", "e2"]
    assert list((tmp_path / "journal").glob("*.journal")) == []


async def test_a_pair_is_not_lost_when_the_tables_cannot_be_written(opened: Any, tmp_path: Path) -> None:
    collector = opened()
    await collector.start()
    await send(collector, binary(REQUEST, "e1", V1[0]))
    (tmp_path / "root/air").mkdir(parents=True)
    (tmp_path / "root/air/flights").write_text("a file where the tables' folder would be")
    await collector.answer(binary(ANSWER, "e1", V1[1]))
    with pytest.raises(Exception, match=r".+"):
        await collector._flush()
    (tmp_path / "root/air/flights").unlink()
    await collector.stop()
    assert len(rows(tmp_path)) == 2


async def test_a_half_that_stays_alone_is_given_up_and_counted(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = opened()
    await collector.start()
    await send(collector, binary(REQUEST, "e1", V1[0]))
    assert len(list((tmp_path / "journal").glob("*.journal"))) == 1
    monkeypatch.setattr(pairing, "PATIENCE_SECONDS", -1.0)
    await collector._flush()
    assert list((tmp_path / "journal").glob("*.journal")) == []
    assert b"leeboard_collector_unpaired_events_total 1.0" in (await metrics(collector)).body
    await collector.stop()


async def test_more_halves_than_memory_is_meant_for_give_way(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "MAX_WAITING", 2)
    collector = opened()
    await collector.start()
    await send(collector, *(binary(REQUEST, f"e{number}", V1[0]) for number in range(5)))
    assert b"leeboard_collector_unpaired_events_total 3.0" in (await metrics(collector)).body
    assert len(collector._carried) == 2
    await collector.stop()


async def test_halves_of_many_bytes_give_way_too(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "MAX_WAITING_BYTES", 25_000)
    collector = opened()
    await collector.start()
    wide = {"instances": [[1.0] * 2_500]}  # of ten thousand bytes
    await send(collector, *(binary(REQUEST, f"e{number}", wide) for number in range(5)))
    assert b"leeboard_collector_unpaired_events_total 3.0" in (await metrics(collector)).body
    await send(collector, binary(ANSWER, "e4", {"predictions": [0]}), binary(REQUEST, "e5", wide))
    assert b"leeboard_collector_unpaired_events_total 3.0" in (await metrics(collector)).body
    await collector.stop()


@pytest.mark.parametrize(
    "text", ['{"X-Request-Id": ["\\ud800"]}', '{"leeboard.dev/version": "\\ud800"}', "[" * 100_000]
)
async def test_attributes_that_nobody_can_read_are_left_out(opened: Any, tmp_path: Path, text: str) -> None:
    collector = opened()
    await collector.start()
    beside = {"metadata": text, "annotations": text}
    for kind, payload in ((REQUEST, V1[0]), (ANSWER, V1[1])):
        event = attributes(kind, "e1", **beside) | {"data": payload}
        body = json.dumps(event).encode()
        sent = Request("POST", PATH, {b"content-type": STRUCTURED.encode()}, body)
        assert (await collector.answer(sent)).status == 200
    await collector.stop()
    assert [(row["request_id"], row["version"]) for row in rows(tmp_path)] == [("e1", "unknown")] * 2


async def test_events_of_one_body_share_the_bound_of_what_they_unpack_to(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 2**20)
    packed = gzip.compress(b'{"instances":[[0' + b" " * 400_000 + b"]]}")
    event = attributes(REQUEST, "e") | {"data_base64": base64.b64encode(packed).decode()}
    collector = opened()
    await collector.start()
    for count, status in ((2, 200), (3, 413)):
        body = json.dumps([event | {"id": str(at)} for at in range(count)]).encode()
        answer = await collector.answer(Request("POST", PATH, {b"content-type": BATCH.encode()}, body))
        assert answer.status == status
    await collector.stop()


async def metrics(collector: Collector) -> Response:
    return await collector.answer(Request("GET", "/metrics", {}, b""))


@pytest.mark.parametrize(
    ("change", "payload", "status", "sentence"),
    [
        ({"type": "org.example.other"}, V1[0], 400, "the type 'org.example.other' is not taken"),
        ({"id": ""}, V1[0], 400, "no id"),
        ({"id": "i" * 1000}, V1[0], 400, "the event's id is longer than 253"),
        ({"component": "c" * 1000}, V1[0], 400, "component is longer than 253"),
        ({"inferenceservicename": "s" * 1000}, V1[0], 400, "inferenceservicename is longer than 253"),
        ({"time": "yesterday"}, V1[0], 400, "time must be RFC 3339"),
        ({"metadata": json.dumps({"x-request-id": ["x" * 200]})}, V1[0], 400, "request id is longer than 128"),
        ({}, {"instances": [{"n" * 1000: 1}]}, 400, "is longer than 256 characters"),
        ({}, {"instances": [{f"c{at}": 1 for at in range(4097)}]}, 400, "at most 4096 features"),
        ({}, {"instances": []}, 422, "the request cannot be read"),
        ({}, {"inputs": [{"name": "x", "shape": [2], "datatype": "FP64", "data": [1]}]}, 422, "its shape"),
        ({"type": ANSWER}, {"predictions": 5}, 422, "the answer cannot be read"),
        ({"type": ANSWER}, {"outputs": [{"name": "y"}]}, 422, "the answer cannot be read"),
        ({"type": ANSWER}, {"predictions": [0] * 10_001}, 422, "the answer cannot be read"),
        ({"type": ANSWER}, {"outputs": [{"name": "y", "shape": [3_000_000, 1], "data": [1]}]}, 422, "says otherwise"),
    ],
)
async def test_what_is_no_event_is_one_sentence(
    opened: Any, change: dict[str, str], payload: Any, status: int, sentence: str
) -> None:
    collector = opened()
    await collector.start()
    answer = await collector.answer(binary(REQUEST, "e1", payload, **change))
    assert answer.status == status
    assert sentence in json.loads(answer.body)["error"]
    await collector.stop()


async def test_a_bomb_is_not_unpacked(opened: Any) -> None:
    collector = opened()
    await collector.start()
    bomb = gzip.compress(bytes(200_000_000), 1)
    began = time.monotonic()
    answer = await collector.answer(Request("POST", PATH, {b"content-encoding": b"gzip"}, bomb))
    assert answer.status == 413
    assert time.monotonic() - began < 5
    await collector.stop()
