"""Predictor, transformer and collector as real processes over HTTP: answers, flags, refusals, log, failures."""

import functools
import http.client
import http.server
import json
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.lightgbm
import mlflow.sklearn
import mlflow.xgboost
import numpy as np
import pytest
from lightgbm import LGBMClassifier
from mlflow.models import infer_signature
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from leeboard.contract import serving as contract
from leeboard.contract.jobs import LiveArm, LogTables
from leeboard_workers.data.predictionlog import LogRows, read_predictions
from leeboard_workers.data.windows import Window
from leeboard_workers.ood.store import DOCUMENT
from tests.support.dataplane import COLUMNS, MODEL, NAMESPACE, Artifacts, Plane, Served, until, weather

V1 = f"/v1/models/{MODEL}:predict"
V2 = f"/v2/models/{MODEL}/infer"
STRANGE = {"temperature": 5000.0, "distance": 700.0, "carrier": "UA"}


@dataclass(frozen=True)
class World:
    plane: Plane
    predictor: Served
    collector: Served
    root: Path
    flag: Served
    reject: Served
    artifacts: Artifacts

    def log(self, arm: str) -> LogRows:
        state = contract.TableState.model_validate(self.collector.get(f"/v1/tables/{NAMESPACE}/{MODEL}").json())
        tables = LogTables(predictions=state.predictions, labels=state.labels)
        live = LiveArm(arm=arm, version="3", from_time="2020-01-01T00:00:00Z")
        return read_predictions(tables, [live], [Window()])


@pytest.fixture(scope="module")
def artifact_server(weather_artifacts: Artifacts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the detector's folder as MLflow's server serves artifacts."""
    folder = tmp_path_factory.mktemp("served")
    place = folder / "api/2.0/mlflow-artifacts/artifacts/1/run/artifacts"
    place.mkdir(parents=True)
    (place / "detector").symlink_to(weather_artifacts.detector_dir)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def world(
    plane: Plane, weather_artifacts: Artifacts, artifact_server: str, tmp_path_factory: pytest.TempPathFactory
) -> World:
    root = tmp_path_factory.mktemp("log")
    predictor = plane.predictor(weather_artifacts.model_dir)
    collector = plane.collector(root)
    scoring = {
        contract.ENV_DETECTOR_URI: "mlflow-artifacts:/1/run/artifacts/detector",
        contract.ENV_TRACKING_URI: artifact_server,
        contract.ENV_COLLECTOR_URL: collector.url,
    }
    flag, reject = (
        plane.transformer(predictor.url, arm=arm, **scoring, **{contract.ENV_ON_DETECTION: what})
        for arm, what in (("flag-arm", "Flag"), ("reject-arm", "Reject"))
    )
    return World(plane, predictor, collector, root, flag, reject, weather_artifacts)


def instances(rows: int, seed: int = 1) -> list[dict[str, Any]]:
    return weather(rows, seed)[list(COLUMNS)].to_dict("records")


def tensors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "shape": [len(rows)],
            "datatype": "BYTES" if name == "carrier" else "FP64",
            "data": [row[name] for row in rows],
        }
        for name in COLUMNS
    ]


def outputs(document: dict[str, Any]) -> dict[str, Any]:
    return {tensor["name"]: tensor for tensor in document["outputs"]}


def test_predictor_answers_both_protocols_alike(world: World) -> None:
    rows = instances(5)
    one = world.predictor.post(V1, {"instances": rows}).json()
    two = outputs(world.predictor.post(V2, {"inputs": tensors(rows)}).json())
    assert one["predictions"] == two["predict"]["data"]
    assert [cell for row in one["probabilities"] for cell in row] == two["probabilities"]["data"]
    assert two["probabilities"]["shape"] == [5, 2]
    assert two["probabilities"]["parameters"]["classes"] == "[0, 1]"
    expected = world.artifacts.model.predict_proba(weather(5, 1)[list(COLUMNS)])
    np.testing.assert_allclose(one["probabilities"], expected)


def test_predictor_takes_lists_in_the_order_of_the_signature(world: World) -> None:
    rows = instances(3)
    lists = [[row[name] for name in COLUMNS] for row in rows]
    answers = [world.predictor.post(V1, {"instances": given}).json() for given in (rows, lists)]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"carrier": 7}, "the column 'carrier' wants text, row 1 holds 7"),
        ({"temperature": "warm"}, "the column 'temperature' wants a number, row 1 holds 'warm'"),
        ({"carrier": None}, "the column 'carrier' wants text, row 1 holds nothing"),
    ],
)
def test_predictor_names_the_field_that_is_wrong(world: World, change: dict[str, Any], sentence: str) -> None:
    rows = instances(2)
    rows[1] |= change
    for through in (world.predictor, world.flag):
        answer = through.post(V1, {"instances": rows})
        assert (answer.status_code, answer.json()["error"]) == (400, sentence)


def test_a_category_that_the_model_never_saw_is_named_with_its_row(world: World) -> None:
    rows = instances(3)
    assert world.predictor.post(V1, {"instances": rows}).status_code == 200
    rows[1]["carrier"] = "ZZ"
    sentence = "the model cannot read row 1: the column 'carrier' holds 'ZZ' (Found unknown categories ['ZZ']"
    for through in (world.predictor, world.flag):
        for answer in (through.post(V1, {"instances": rows}), through.post(V2, {"inputs": tensors(rows)})):
            assert answer.status_code == 400
            assert answer.json()["error"].startswith(sentence)


def test_the_metadata_tell_which_outputs_the_model_has(world: World, tmp_path: Path) -> None:
    rows = weather(200)[list(COLUMNS[:2])]
    network = make_pipeline(StandardScaler(), MLPClassifier((6, 4), max_iter=20, random_state=0))
    network.fit(rows, np.where(weather(200)["late"], "late", "early"))
    signature = infer_signature(rows, network.predict(rows))
    mlflow.sklearn.save_model(network, tmp_path / "network", signature=signature, serialization_format="cloudpickle")
    predictor = world.plane.predictor(tmp_path / "network")
    told = {tensor["name"]: tensor for tensor in predictor.get(f"/v2/models/{MODEL}").json()["outputs"]}
    assert {name: tensor["shape"] for name, tensor in told.items()} == {
        "predict": [-1],
        "probabilities": [-1, 2],
        "logits": [-1, 2],
        "features": [-1, 4],
    }
    sent = [tensor for tensor in tensors(instances(3)) if tensor["name"] != "carrier"]
    answered = outputs(predictor.post(V2, {"inputs": sent}).json())
    assert {name: (tensor["datatype"], tensor["shape"]) for name, tensor in answered.items()} == {
        name: (tensor["datatype"], [3, *tensor["shape"][1:]]) for name, tensor in told.items()
    }
    before = outputs(world.predictor.get(f"/v2/models/{MODEL}").json())
    assert set(before) == {"predict", "probabilities", "logits"}
    assert outputs(world.flag.get(f"/v2/models/{MODEL}").json()) == before


@pytest.mark.parametrize(
    ("flavour", "trees", "margin"),
    [
        (mlflow.xgboost, XGBClassifier(n_estimators=5), "output_margin"),
        (mlflow.lightgbm, LGBMClassifier(n_estimators=5, verbose=-1), "raw_score"),
    ],
    ids=["xgboost", "lightgbm"],
)
def test_boosted_trees_answer_their_margins(
    plane: Plane, tmp_path: Path, flavour: Any, trees: Any, margin: str
) -> None:
    rows = weather(200)[list(COLUMNS[:2])]
    trees.fit(rows, weather(200)["late"])
    signature = infer_signature(rows, trees.predict(rows))
    flavour.save_model(trees, tmp_path / "trees", signature=signature, pip_requirements=[])
    predictor = plane.predictor(tmp_path / "trees")
    told = outputs(predictor.get(f"/v2/models/{MODEL}").json())
    assert {name: tensor["shape"] for name, tensor in told.items()} == {
        "predict": [-1],
        "probabilities": [-1, 2],
        "logits": [-1, 2],
    }
    answered = predictor.post(V1, {"instances": rows.head(5).to_numpy().tolist()}).json()
    logits = np.asarray(answered["logits"])
    np.testing.assert_allclose(logits[:, 1] * 2.0, trees.predict(rows.head(5), **{margin: True}), rtol=1e-5)
    np.testing.assert_allclose(logits.sum(axis=1), 0.0, atol=1e-9)


def test_predictor_names_the_column_that_is_missing(world: World) -> None:
    rows = [{name: row[name] for name in ("temperature", "carrier")} for row in instances(2)]
    answer = world.flag.post(V1, {"instances": rows})
    assert (answer.status_code, answer.json()["error"]) == (400, "the column 'distance' is missing")


def test_a_missing_number_is_answered_and_flagged(world: World) -> None:
    row = instances(1)[0] | {"temperature": None}
    answer = world.flag.post(V1, {"instances": [row]}).json()
    assert answer["predictions"][0] in {0, 1}
    assert answer["outOfDistribution"][0]["flagged"]
    assert answer["outOfDistribution"][0]["features"][0] == "temperature"


def test_v1_through_a_v2_predictor_answers_what_the_predictor_answers(world: World) -> None:
    rows = instances(20)
    direct = world.predictor.post(V1, {"instances": rows}).json()
    through = world.flag.post(V1, {"instances": rows}).json()
    assert through["predictions"] == direct["predictions"]
    assert through["probabilities"] == direct["probabilities"]
    flagged = [row["flagged"] for row in through["outOfDistribution"]]
    assert len(flagged) == 20
    assert sum(flagged) <= 5


def test_v1_speaks_to_a_v1_predictor(world: World) -> None:
    plain = world.plane.transformer(world.predictor.url, arm="v1-arm", **{contract.ENV_PROTOCOL: "v1"})
    rows = instances(4)
    assert plain.post(V1, {"instances": rows}).json() == world.predictor.post(V1, {"instances": rows}).json()
    translated = outputs(plain.post(V2, {"inputs": tensors(rows)}).json())
    direct = outputs(world.predictor.post(V2, {"inputs": tensors(rows)}).json())
    for name in ("predict", "probabilities"):
        assert translated[name]["data"] == direct[name]["data"]
        assert translated[name]["shape"] == direct[name]["shape"]


def test_v2_adds_tensors_for_flags_scores_and_p_values(world: World) -> None:
    answer = world.flag.post(V2, {"id": "my-id", "inputs": tensors([*instances(2), STRANGE])})
    found = outputs(answer.json())
    assert found[contract.V2_FLAG_TENSOR]["data"][2] is True
    assert found[contract.V2_FLAG_TENSOR]["datatype"] == "BOOL"
    assert len(found[contract.V2_SCORE_TENSOR]["data"]) == 3
    assert 0 < found[contract.V2_P_VALUE_TENSOR]["data"][2] < 0.01
    assert answer.headers[contract.HEADER_REQUEST_ID] == "my-id"
    assert answer.headers[contract.HEADER_VERSION] == "3"
    assert answer.json()["model_name"] == MODEL


def test_request_ids_are_kept_or_minted(world: World) -> None:
    given = world.flag.post(V1, {"instances": instances(1)}, headers={contract.HEADER_REQUEST_ID: "abc"})
    assert given.headers[contract.HEADER_REQUEST_ID] == "abc"
    minted = {world.flag.post(V1, {"instances": instances(1)}).headers[contract.HEADER_REQUEST_ID] for _ in range(2)}
    assert len(minted) == 2


def test_reject_answers_null_for_the_stranger_and_the_rest_as_ever(world: World) -> None:
    rows = [instances(40)[at] for at in _ordinary(world, 2)]
    mixed = [rows[0], STRANGE, rows[1]]
    answer = world.reject.post(V1, {"instances": mixed})
    direct = world.predictor.post(V1, {"instances": rows}).json()
    assert answer.status_code == 200
    assert answer.json()["predictions"] == [direct["predictions"][0], None, direct["predictions"][1]]
    assert [row["flagged"] for row in answer.json()["outOfDistribution"]] == [False, True, False]
    two = outputs(world.reject.post(V2, {"inputs": tensors(mixed)}).json())
    assert two["predict"]["data"][1] is None
    assert two["predict"]["shape"] == [3]
    assert two["probabilities"]["data"][2:4] == [None, None]
    assert two["probabilities"]["data"][4:] == direct["probabilities"][1]


@pytest.mark.parametrize("path", [V1, V2])
def test_reject_refuses_a_request_of_strangers_with_422(world: World, path: str) -> None:
    body = {"instances": [STRANGE]} if path == V1 else {"inputs": tensors([STRANGE])}
    answer = world.reject.post(path, body)
    assert answer.status_code == contract.STATUS_ALL_REFUSED
    assert "does not belong" in answer.json()["error"]
    assert "temperature" in answer.json()["error"]
    if path == V1:
        assert answer.json()["predictions"] == [None]
    else:
        assert outputs(answer.json())["predict"]["data"] == [None]


def test_reject_refuses_rows_that_the_model_could_not_even_read(world: World) -> None:
    answer = world.reject.post(V1, {"instances": [{"temperature": 50.0, "carrier": "UA"}]})
    assert answer.status_code == contract.STATUS_ALL_REFUSED
    assert "distance" in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "the body is no JSON"),
        (b"{}", '"instances"'),
        (b'{"instances": []}', "at least one row"),
        (b'{"instances": [{"a": 1}, 2]}', r"instances[1] must be an object"),
        (b'{"instances": [[1, 2]]}', r"instances[0] must hold 3 values: temperature, distance, carrier"),
        (b'{"instances": [' + b"1," * 10_000 + b"1]}", "1 to 10000 rows"),
    ],
)
def test_bad_requests_are_one_sentence(world: World, body: bytes, sentence: str) -> None:
    before = world.flag.metric(contract.METRIC_REQUESTS, code="400")
    answer = world.flag.post(V1, content=body)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
    assert world.flag.metric(contract.METRIC_REQUESTS, code="400") == before + 1


def test_a_body_that_is_too_large_is_refused(world: World) -> None:
    answer = world.flag.post(V1, content=b" " * (33 * 1024 * 1024))
    assert answer.status_code == 413
    assert "32 MiB" in answer.json()["error"]


def test_the_predictor_bounds_what_it_holds(world: World) -> None:
    connection = http.client.HTTPConnection(world.predictor.url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", V1)
    connection.putheader("content-length", str(65 * 1024 * 1024))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.load(answer) == {"error": "the body is larger than 64 MiB: send fewer rows at once"}
    connection.close()


def test_an_unknown_model_is_not_found(world: World) -> None:
    answer = world.flag.post("/v2/models/other/infer", {})
    assert answer.status_code == 404
    assert MODEL in answer.json()["error"]


def test_metadata_and_health_are_told(world: World) -> None:
    metadata = world.flag.get(f"/v2/models/{MODEL}").json()
    assert [tensor["name"] for tensor in metadata["inputs"]] == list(COLUMNS)
    for path in ("/", "/v2", "/v2/health/live", "/v2/health/ready", f"/v1/models/{MODEL}", f"/v2/models/{MODEL}/ready"):
        assert world.flag.get(path).status_code == 200


def test_every_series_is_there_before_the_first_request(world: World) -> None:
    fresh = world.plane.transformer(world.predictor.url, arm="fresh-arm")
    page = fresh.get("/metrics").text
    for code in (200, 400, 422, 500, 503, 504):
        labels = f'arm="fresh-arm",code="{code}",model_namespace="{NAMESPACE}",modeldeployment="{MODEL}",version="3"'
        assert f"{contract.METRIC_REQUESTS}{{{labels}}} 0.0" in page
    for name in (contract.METRIC_ROWS, contract.METRIC_OOD_ROWS, contract.METRIC_SCORING_FAILURES):
        assert fresh.metric(name) == 0.0


def test_the_share_of_rows_that_may_be_flagged_is_told_once_there_is_a_detector(world: World) -> None:
    assert world.flag.metric(contract.METRIC_OOD_EXPECTED, version="3") == pytest.approx(0.05)
    fresh = world.plane.transformer(world.predictor.url, arm="no-detector")
    assert contract.METRIC_OOD_EXPECTED + "{" not in fresh.get("/metrics").text


def test_metrics_count_rows_flags_and_codes(world: World) -> None:
    names = (contract.METRIC_ROWS, contract.METRIC_SCORED_ROWS, contract.METRIC_OOD_ROWS)
    before = [world.reject.metric(name) for name in names]
    refused = world.reject.metric(contract.METRIC_REQUESTS, code="422")
    world.reject.post(V1, {"instances": [STRANGE, STRANGE]})
    assert [world.reject.metric(name) - was for name, was in zip(names, before, strict=True)] == [2, 2, 2]
    assert world.reject.metric(contract.METRIC_REQUESTS, code="422") == refused + 1


def test_rows_of_the_log_are_the_answers(world: World) -> None:
    rows = [*instances(3), STRANGE]
    answer = world.reject.post(V2, {"inputs": tensors(rows)}, headers={contract.HEADER_REQUEST_ID: "logged"})
    found = outputs(answer.json())

    def logged() -> list[dict[str, Any]]:
        table = world.log("reject-arm").table
        return [row for row in table.to_pylist() if row["request_id"] == "logged"]

    stored = until(logged, "the rows to be in the table")
    assert [row["row"] for row in stored] == [0, 1, 2, 3]
    assert [row["prediction"] for row in stored] == found["predict"]["data"]
    assert [row["ood"] for row in stored] == found[contract.V2_FLAG_TENSOR]["data"]
    assert [row["ood_score"] for row in stored] == found[contract.V2_SCORE_TENSOR]["data"]
    assert [row["x_temperature"] for row in stored] == [row["temperature"] for row in rows]
    assert [row["x_carrier"] for row in stored] == [row["carrier"] for row in rows]
    assert stored[3]["probabilities"] is None
    assert stored[0]["probabilities"] == found["probabilities"]["data"][:2]
    assert {row["version"] for row in stored} == {"3"}


@pytest.mark.parametrize("purpose", contract.UNCOUNTED_PURPOSES)
def test_probes_are_answered_but_neither_logged_nor_counted(world: World, purpose: str) -> None:
    before = world.flag.metric(contract.METRIC_REQUESTS), world.flag.metric(contract.METRIC_OOD_ROWS)
    headers = {contract.HEADER_PURPOSE: purpose, contract.HEADER_REQUEST_ID: f"probe-{purpose}"}
    assert world.flag.post(V1, {"instances": [STRANGE]}, headers=headers).status_code == 200
    assert (world.flag.metric(contract.METRIC_REQUESTS), world.flag.metric(contract.METRIC_OOD_ROWS)) == before
    marker = {contract.HEADER_REQUEST_ID: f"after-{purpose}"}
    world.flag.post(V1, {"instances": instances(1)}, headers=marker)

    def ids() -> set[str]:
        found = set(world.log("flag-arm").table["request_id"].to_pylist())
        return found if f"after-{purpose}" in found else set()

    assert f"probe-{purpose}" not in until(ids, "the later request to be in the table")


def test_a_predictor_that_is_away_is_one_sentence(world: World) -> None:
    lonely = world.plane.transformer("127.0.0.1:9", ready="/v2/health/live", arm="lonely-arm")
    answer = lonely.post(V1, {"instances": instances(1)})
    assert answer.status_code == 503
    assert "predictor cannot be reached" in answer.json()["error"]
    assert lonely.get("/v2/health/ready").status_code == 503
    assert lonely.metric(contract.METRIC_REQUESTS, code="503") == 1


def test_a_missing_detector_leaves_answers_unscored_and_counted(world: World, tmp_path: Path) -> None:
    environment = {contract.ENV_DETECTOR_URI: str(tmp_path / "nowhere"), contract.ENV_ON_DETECTION: "Reject"}
    blind = world.plane.transformer(world.predictor.url, ready="/v2/health/live", arm="blind-arm", **environment)
    assert blind.get("/v2/health/ready").json() == {"error": "the detector is not there yet"}
    answer = blind.post(V1, {"instances": [STRANGE, STRANGE]})
    assert answer.status_code == 200
    assert None not in answer.json()["predictions"]
    assert contract.V1_OUT_OF_DISTRIBUTION not in answer.json()
    assert blind.metric(contract.METRIC_SCORING_FAILURES) == 2


def test_a_detector_is_taken_up_when_it_comes_and_anew_when_asked(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "detector"
    served = world.plane.transformer(
        world.predictor.url, ready="/v2/health/live", arm="late-arm", **{contract.ENV_DETECTOR_URI: str(folder)}
    )

    def judged() -> list[dict[str, Any]]:
        answer = served.post(V1, {"instances": instances(1)})
        assert answer.status_code == 200
        return answer.json().get(contract.V1_OUT_OF_DISTRIBUTION, [])

    assert judged() == []
    shutil.copytree(world.artifacts.detector_dir, folder)
    assert [row["flagged"] for row in until(judged, "the detector to be taken up")] == [False]
    document = json.loads((folder / DOCUMENT).read_text())
    (folder / DOCUMENT).write_text(json.dumps(document | {"threshold": -1.0}))  # now every row is a stranger
    assert [row["flagged"] for row in judged()] == [False]
    served.process.send_signal(signal.SIGHUP)
    until(lambda: [row["flagged"] for row in judged()] == [True], "the other detector")
    (folder / DOCUMENT).write_text("no detector")
    served.process.send_signal(signal.SIGHUP)
    until(lambda: "cannot be fetched" in served.log.read_text().rpartition("is there")[2], "the refusal")
    assert [row["flagged"] for row in judged()] == [True], "the one that is there goes on"


def test_a_collector_that_is_away_holds_nothing_up_and_gets_the_rows_later(world: World, tmp_path: Path) -> None:
    collector = world.plane.collector(tmp_path)
    patient = world.plane.transformer(
        world.predictor.url, arm="patient-arm", **{contract.ENV_COLLECTOR_URL: collector.url}
    )
    collector.kill()
    began = time.monotonic()
    for _ in range(5):
        assert patient.post(V1, {"instances": instances(2)}).status_code == 200
    assert time.monotonic() - began < 5.0
    again = world.plane.collector(tmp_path, port=int(collector.url.rpartition(":")[2]))
    until(lambda: _rows(again) == 10, "the rows to arrive")
    assert patient.metric(contract.METRIC_LOG_DROPPED) == 0


def test_what_waits_for_the_log_is_sent_before_the_end(world: World, tmp_path: Path) -> None:
    collector = world.plane.collector(tmp_path)
    leaving = world.plane.transformer(
        world.predictor.url, arm="leaving-arm", **{contract.ENV_COLLECTOR_URL: collector.url}
    )
    leaving.post(V1, {"instances": instances(7)})
    leaving.terminate()
    assert _rows(collector) == 7


def _rows(collector: Served) -> int:
    return int(collector.get(f"/v1/tables/{NAMESPACE}/{MODEL}").json()["predictionRows"])


def _ordinary(world: World, count: int) -> list[int]:
    judged = world.flag.post(V1, {"instances": instances(40)}).json()["outOfDistribution"]
    return [at for at, row in enumerate(judged) if not row["flagged"]][:count]
