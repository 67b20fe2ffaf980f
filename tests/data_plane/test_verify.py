"""The job verify against real arms and a real MLflow: what is right offline and wrong when deployed is stopped."""

from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient

from leeboard.contract import serving as contract
from leeboard.contract.examinations import ArmAddress, VerifyReport, VerifyRequest
from leeboard.contract.jobs import JobOutcome
from leeboard_workers.jobs import frame, handlers, verify
from leeboard_workers.rollout.asking import ArmAwayError
from tests.support.dataplane import COLUMNS, MODEL, NAMESPACE, Artifacts, Plane, Served, train, weather

REGISTERED = "weather-to-verify"
PACK_ROWS = 400

FAULTS = {
    "swapped columns": lambda rows: rows.rename(columns={"temperature": "distance", "distance": "temperature"}),
    "other units": lambda rows: rows.assign(temperature=(rows["temperature"] - 32) / 1.8),
}
"""What the rows were like on which the deployed model was built; those that clients send are like `weather`."""


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "rows.parquet"
    pyarrow.parquet.write_table(pa.Table.from_pandas(weather(PACK_ROWS, seed=7), preserve_index=False), path)
    return path


@pytest.fixture(scope="module")
def server(mlflow_server: str, weather_artifacts: Artifacts) -> str:
    """Register versions 1 and 2: both are fine offline."""
    mlflow.set_tracking_uri(mlflow_server)
    mlflow.set_experiment("training for verification")
    rows = weather_artifacts.frame[list(COLUMNS)]
    for _ in range(2):
        with mlflow.start_run():
            mlflow.sklearn.log_model(
                weather_artifacts.model,
                name="model",
                signature=infer_signature(rows, weather_artifacts.model.predict(rows)),
                registered_model_name=REGISTERED,
                serialization_format="cloudpickle",
            )
    return mlflow_server


@pytest.fixture(scope="module")
def stable(plane: Plane, weather_artifacts: Artifacts) -> Served:
    return plane.transformer(plane.predictor(weather_artifacts.model_dir).url, arm="good")


def request_for(server: str, pack: Path, candidate: Served, stable: Served | None, **changes: Any) -> VerifyRequest:
    given = {
        "namespace": NAMESPACE,
        "owner": MODEL,
        "owner_uid": "u",
        "model_deployment": MODEL,
        "model_name": REGISTERED,
        "tracking_uri": server,
        "rollout_start_time": "2026-01-05T12:00:00Z",
        "rollout_attempt": 1,
        "candidate": ArmAddress(arm="candidate", version="2", address=candidate.url),
        "stable": ArmAddress(arm="stable", version="1", address=stable.url) if stable else None,
        "protocol": "v2",
        "dataset": {"uri": str(pack), "labelColumn": "late"},
        "metrics": [{"name": "accuracy", "min": 0.6, "maxDropFromStable": 0.02}, {"name": "roc_auc", "min": 0.6}],
        "max_rows": 5000,
    }
    return VerifyRequest.model_validate(given | changes)


def work(request: VerifyRequest) -> VerifyReport:
    report = frame.work(request, verify.handle, permanent=handlers.PERMANENT)
    assert isinstance(report, VerifyReport)
    return report


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_an_arm_that_does_what_its_version_promises_passes(
    server: str, pack: Path, stable: Served, protocol: str
) -> None:
    before = stable.metric(contract.METRIC_REQUESTS)
    request = request_for(server, pack, stable, stable, protocol=protocol)
    report = work(request)

    assert (report.passed, report.rows, report.compared_rows) == (True, PACK_ROWS, PACK_ROWS), report.message
    assert report.different_rows == 0
    assert {metric.name: metric.candidate for metric in report.metrics} == {
        metric.name: metric.stable for metric in report.metrics
    }
    assert stable.metric(contract.METRIC_REQUESTS) == before, "the test pack was counted as traffic"
    run = MlflowClient(server).search_runs(
        [MlflowClient(server).get_experiment_by_name(request.experiment).experiment_id],
        f"tags.`leeboard.request` = '{request.request_hash}'",
    )[0]
    names = {entry.path for entry in MlflowClient(server).list_artifacts(run.info.run_id)}
    assert {"report.html", "report.json"} <= names
    assert run.data.metrics["accuracy"] == pytest.approx(report.metrics[0].candidate)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_version_that_is_right_offline_and_wrong_when_deployed_is_stopped(
    server: str, pack: Path, plane: Plane, stable: Served, tmp_path: Path, *, fault: str
) -> None:
    rows: pd.DataFrame = FAULTS[fault](weather(4000))
    model = train(rows)
    signature = infer_signature(rows[list(COLUMNS)], model.predict(rows[list(COLUMNS)]))
    mlflow.sklearn.save_model(model, tmp_path / "model", signature=signature, serialization_format="cloudpickle")
    offline = float((model.predict(rows[list(COLUMNS)]) == rows["late"]).mean())
    predictor = plane.predictor(tmp_path / "model")
    deployed = plane.transformer(predictor.url, arm="wrong")
    report = work(request_for(server, pack, deployed, stable, rollout_start_time=fault))
    for served in (deployed, predictor):
        served.terminate()

    assert offline > 0.75
    assert report.outcome is JobOutcome.MEASURED
    assert not report.passed
    assert "version 2 failed on 400 rows of the test pack: accuracy is 0." in report.message
    assert "the stable version's" in report.message
    assert report.different_rows > 0
    assert len(report.examples) <= 20


def test_a_test_pack_without_labels_or_columns_says_so(server: str, pack: Path, stable: Served, tmp_path: Path) -> None:
    request = request_for(server, pack, stable, None, dataset={"uri": str(pack), "labelColumn": "arrived"})
    assert "has no label column 'arrived'; it has temperature" in work(request).message
    narrow = tmp_path / "narrow.parquet"
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(pack).drop_columns(["carrier"]), narrow)
    report = work(request_for(server, pack, stable, None, dataset={"uri": str(narrow), "labelColumn": "late"}))

    assert (report.outcome, report.permanent) == (JobOutcome.ERROR, True)
    assert report.message.endswith("narrow.parquet lacks the columns carrier of version 2")


def test_an_arm_that_refuses_the_rows_fails_and_one_that_is_away_is_tried_again(
    server: str, pack: Path, stable: Served, tmp_path: Path
) -> None:
    text = tmp_path / "text.parquet"
    rows = weather(60, seed=7).assign(temperature="warm")
    pyarrow.parquet.write_table(pa.Table.from_pandas(rows, preserve_index=False), text)
    report = work(request_for(server, pack, stable, None, dataset={"uri": str(text), "labelColumn": "late"}))
    assert (report.passed, report.failed_rows) == (False, 60)
    assert "version 2 failed on 60 rows of the test pack: it answers 400" in report.message
    assert "the column 'temperature' wants a number" in report.message

    request = request_for(server, pack, stable, None, rollout_start_time="away")
    nowhere = request.candidate.model_copy(update={"address": "http://127.0.0.1:9"})
    with pytest.raises(ArmAwayError, match=r"version 2: the arm at http://127\.0\.0\.1:9 does not answer"):
        work(request.model_copy(update={"candidate": nowhere}))
