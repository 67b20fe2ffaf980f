"""The collector as a real process: what it acknowledges is in the tables, once, whatever happens in between."""

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from deltalake import DeltaTable

from leeboard.contract.jobs import LiveArm, LogTables
from leeboard.contract.serving import LabelBatch, PredictionBatch, TableState
from leeboard_workers.data.predictionlog import count_labels, read_labelled
from leeboard_workers.data.windows import Window
from leeboard_workers.serving.collector.options import ENV_TOKENS_FILE
from tests.support.dataplane import MODEL, NAMESPACE, Plane, Served, until


def batch(request_id: str, rows: int = 1, **changes: Any) -> dict[str, Any]:
    given = {
        "namespace": NAMESPACE,
        "model_deployment": MODEL,
        "version": "1",
        "arm": "arm",
        "request_id": request_id,
        "time": 1_772_000_000.0,
        "features": {"a": [float(row) for row in range(rows)]},
        "predictions": [1] * rows,
    }
    return PredictionBatch.model_validate(given | changes).document()


def labels(*labels: dict[str, Any]) -> dict[str, Any]:
    given = {"namespace": NAMESPACE, "model_deployment": MODEL, "labels": labels}
    return LabelBatch.model_validate(given).document()


def state(collector: Served) -> TableState:
    return TableState.model_validate(collector.get(f"/v1/tables/{NAMESPACE}/{MODEL}").json())


def stored(uri: str) -> int:
    return DeltaTable(uri).to_pyarrow_table().num_rows if DeltaTable.is_deltatable(uri) else 0


@pytest.fixture(scope="module")
def collector(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return plane.collector(tmp_path_factory.mktemp("log"))


def test_a_model_nobody_asked_about_has_an_empty_log(collector: Served) -> None:
    found = TableState.model_validate(collector.get("/v1/tables/ml/unknown").json())
    assert (found.prediction_rows, found.label_rows, found.newest_prediction_time) == (0, 0, None)
    assert found.predictions.endswith("/ml/unknown/predictions")


def test_counts_are_those_that_were_acknowledged_at_once(collector: Served) -> None:
    before = state(collector)
    assert collector.post("/v1/predictions", [batch("c1", 3), batch("c2", 2)]).status_code == 200
    given = labels({"request_id": "c1", "label": True}, {"request_id": "c2", "row": 1, "label": 2})
    assert collector.post("/v1/labels", given).status_code == 200
    after = state(collector)
    assert after.prediction_rows - before.prediction_rows == 5
    assert after.label_rows - before.label_rows == 2
    assert after.newest_prediction_time == 1_772_000_000.0
    until(lambda: stored(after.predictions) == after.prediction_rows, "the rows to be in the table")
    until(lambda: stored(after.labels) == after.label_rows, "the labels to be in the table")
    assert state(collector).prediction_rows == after.prediction_rows
    table = DeltaTable(after.labels).to_pyarrow_table().to_pylist()
    assert {row["label"] for row in table} == {1.0, 2.0}
    assert collector.metric("leeboard_labels_total", model_namespace=NAMESPACE) >= 2


def test_labels_may_come_before_their_row_and_more_than_once(plane: Plane, tmp_path: Path) -> None:
    collector = plane.collector(tmp_path)
    early = [{"request_id": "early", "row": 1, "label": 0}, {"request_id": "early", "row": 1, "label": 1}]
    for number, label in enumerate(early, 1):
        assert collector.post("/v1/labels", labels(label)).status_code == 200
        until(lambda number=number: stored(state(collector).labels) == number, "the label to be in its table")
    assert collector.post("/v1/predictions", [batch("early", 2)]).status_code == 200
    for _ in range(2):  # a label that is sent again changes nothing
        assert collector.post("/v1/labels", labels({"request_id": "early", "label": 5})).status_code == 200
    found = state(collector)
    log = LogTables(predictions=found.predictions, labels=found.labels)
    arms = [LiveArm(arm="arm", version="1", from_time="2020-01-01T00:00:00Z")]
    until(lambda: stored(found.predictions) == 2 and count_labels(log) == 2, "rows and labels to be in the tables")
    rows = read_labelled(log, arms, [Window.between(None, None)], max_rows=1_000)
    assert [(row["row"], row["label"]) for row in rows.table.to_pylist()] == [(0, 5.0), (1, 1.0)], "the newest counts"
    assert rows.unlabelled_rows == 0


def test_one_bad_batch_among_good_ones_is_refused_alone(collector: Served) -> None:
    bad = batch("b2") | {"requestId": ""}
    answer = collector.post("/v1/predictions", [batch("b1"), bad])
    assert answer.status_code == 200
    assert (answer.json()["accepted"], answer.json()["refused"]) == (1, 1)
    assert "requestId" in answer.json()["errors"][0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"namespace": "../../etc"}, "no name of a Kubernetes object"),
        ({"time": 1e300}, "time must be seconds since 1970"),
        ({"features": {"a": [1.0, 2.0]}}, "features.a holds 2 values for 1 rows"),
        ({"predictions": []}, "1 to 10000 rows"),
        ({"requestId": "x" * 129}, "requestId"),
    ],
)
def test_bad_batches_are_one_sentence(collector: Served, change: dict[str, Any], sentence: str) -> None:
    answer = collector.post("/v1/predictions", batch("bad") | change)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


def test_columns_come_as_they_are_first_given(collector: Served) -> None:
    owner = {"namespace": "ml", "model_deployment": "growing"}
    collector.post("/v1/predictions", batch("g1", features={"a": [None], "B c": [1]}, **owner))
    collector.post(
        "/v1/predictions", batch("g2", features={"a": ["x"], "b c": [True], "image": [[[1, 2], [3, 4]]]}, **owner)
    )
    uri = collector.get("/v1/tables/ml/growing").json()["predictions"]
    until(lambda: stored(uri) == 2, "the rows to be in the table")
    rows = {row["request_id"]: row for row in DeltaTable(uri).to_pyarrow_table().to_pylist()}
    assert rows["g1"]["x_B%20c"] == 1.0
    assert rows["g1"]["x_a"] is None
    assert rows["g2"]["x_a"] == "x"
    assert rows["g2"]["x_image"] == [1.0, 2.0, 3.0, 4.0]
    assert rows["g2"]["x_%62%20c"] is True


def test_columns_that_cannot_be_united_open_another_epoch(collector: Served) -> None:
    owner = {"namespace": "ml", "model_deployment": "turning"}
    for name, cell in (("t1", 1.0), ("t2", "one"), ("t3", 2.0)):
        collector.post("/v1/predictions", batch(name, features={"a": [cell]}, **owner))
    uri = collector.get("/v1/tables/ml/turning").json()["predictions"]
    until(lambda: (stored(uri), stored(uri + "-2")) == (2, 1), "both epochs to be there")
    assert collector.get("/v1/tables/ml/turning").json()["predictionRows"] == 3


def test_writers_need_the_token_of_their_namespace(plane: Plane, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({NAMESPACE: "secret", "other": "theirs"}))
    guarded = plane.collector(tmp_path / "log", **{ENV_TOKENS_FILE: str(tokens)})
    for given, status in ((None, 401), ("theirs", 403), ("secret", 200)):
        headers = {"authorization": f"Bearer {given}"} if given else {}
        assert guarded.post("/v1/predictions", batch("a"), headers=headers).status_code == status
        assert (
            guarded.post("/v1/labels", labels({"request_id": "a", "label": 1}), headers=headers).status_code == status
        )


def test_nothing_acknowledged_is_lost_or_doubled_by_crashes(plane: Plane, tmp_path: Path) -> None:
    collector = plane.collector(tmp_path)
    port = int(collector.url.rpartition(":")[2])
    acknowledged: set[str] = set()
    sent = 0
    stop = threading.Event()

    def write(writer: int) -> None:
        nonlocal sent
        number = 0
        with httpx.Client(base_url=collector.url, trust_env=False, timeout=10) as client:
            while not stop.is_set():
                name = f"{writer}-{number}"
                number += 1
                sent += 1
                try:
                    if client.post("/v1/predictions", json=batch(name)).status_code == 200:
                        acknowledged.add(name)
                        client.post("/v1/labels", json=labels({"request_id": name, "label": 1}))
                except httpx.TransportError:
                    stop.wait(0.05)

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for writer in writers:
        writer.start()
    counts = []
    for _ in range(3):
        target = len(acknowledged) + 150
        until(lambda target=target: len(acknowledged) >= target, "writers to get on")
        counts.append(state(collector).label_rows)
        collector.kill()
        collector = plane.collector(tmp_path, port=port)
    stop.set()
    for writer in writers:
        writer.join()
    final = state(collector)
    until(lambda: stored(final.predictions) == final.prediction_rows, "all rows to be in the table")
    ids = DeltaTable(final.predictions).to_pyarrow_table()["request_id"].to_pylist()
    assert len(ids) == len(set(ids)), "a row is there twice"
    assert acknowledged <= set(ids), "an acknowledged row is lost"
    assert counts == sorted(counts)
    assert final.label_rows >= max(counts)


def test_counts_survive_a_restart(plane: Plane, tmp_path: Path) -> None:
    first = plane.collector(tmp_path)
    first.post("/v1/predictions", batch("r1", 4))
    first.post("/v1/labels", labels({"request_id": "r1", "label": "late"}))
    before = state(first)
    first.terminate()
    assert stored(before.predictions) == 4, "a stop leaves nothing in the journal"
    second = plane.collector(tmp_path)
    assert state(second) == before
    second.post("/v1/predictions", batch("r2"))
    until(lambda: stored(before.predictions) == 5, "what came after the restart to be in the table")
