"""The job fit-detector against a real MLflow: what it reports, what it stores, what it cannot do."""

import urllib.request
from datetime import date
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient

from leeboard.api.outofdistribution import Detector, DetectorInput
from leeboard.api.shared import DatasetRef
from leeboard.contract import tags
from leeboard.contract.jobs import FitDetectorReport, FitDetectorRequest, JobOutcome
from leeboard_workers.data.datasets import DatasetError
from leeboard_workers.jobs.cluster import Cluster
from leeboard_workers.jobs.fit_detector import ARTIFACT, TABLE, handle
from leeboard_workers.jobs.frame import Desk
from leeboard_workers.jobs.models import ModelError
from leeboard_workers.jobs.tracking import claim
from leeboard_workers.ood.store import ARRAYS, DOCUMENT, decode, load
from leeboard_workers.serving.detection import artifact_url
from tests.support.dataplane import COLUMNS, train, weather

MODEL = "weather-for-detectors"


@pytest.fixture(scope="module")
def registered(mlflow_server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Register one version with lineage, trained on a table of files; returns its number."""
    frame = weather(1500)
    path = tmp_path_factory.mktemp("training") / "rows.parquet"
    pyarrow.parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    mlflow.set_tracking_uri(mlflow_server)
    features = frame[list(COLUMNS)]
    mlflow.set_experiment("training of detectors")
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(
            train(frame, linear=True),
            name="model",
            signature=infer_signature(features, frame["late"]),
            registered_model_name=MODEL,
            serialization_format="cloudpickle",
        )
    version = str(logged.registered_model_version)
    reference = DatasetRef(uri=str(path), label_column="late")
    MlflowClient(mlflow_server).set_model_version_tag(
        MODEL, version, tags.TRAINING_DATA, reference.model_dump_json(by_alias=True, exclude_none=True)
    )
    return version


def request_for(server: str, version: str, **changes: Any) -> FitDetectorRequest:
    given = {
        "namespace": "ml",
        "owner": "weather",
        "owner_uid": "u",
        "model_deployment": "weather",
        "model_name": MODEL,
        "tracking_uri": server,
        "version": version,
        "detector": Detector.model_validate({"mahalanobis": {}}),
        "input": DetectorInput.INSTANCES,
        "acceptance": 0.95,
    }
    return FitDetectorRequest.model_validate(given | changes)


def work(request: FitDetectorRequest, folder: Path) -> tuple[FitDetectorReport, Any]:
    run = claim(MlflowClient(request.tracking_uri), request)
    assert run is not None
    report, artifacts = handle(request, Desk(folder, run, Cluster()))
    for path, local in artifacts.items():
        run.client.log_artifacts(run.run_id, str(local), path)
    run.finish()
    return report, artifacts


def test_a_detector_is_fitted_to_the_versions_own_training_data(
    mlflow_server: str, registered: str, tmp_path: Path
) -> None:
    report, artifacts = work(request_for(mlflow_server, registered), tmp_path)
    assert report.outcome is JobOutcome.MEASURED
    assert (report.reference_rows, report.calibration_rows) == (1500, 450)
    assert report.detector_uri is not None
    assert report.detector_uri.endswith(f"/artifacts/{ARTIFACT}")
    fetched = [_read(f"{report.detector_uri}/{name}", mlflow_server) for name in (DOCUMENT, ARRAYS)]
    detector = decode(*fetched)
    assert detector.calibration.threshold == report.threshold
    assert detector.encoder is not None
    assert detector.encoder.names == COLUMNS
    rows = weather(300, seed=9)[list(COLUMNS)].to_dict("list")
    assert detector.score_rows(rows).flags.mean() < 0.1
    assert (load(artifacts[ARTIFACT]).score_rows(rows).scores == detector.score_rows(rows).scores).all()


@pytest.mark.parametrize(
    ("detector", "what"), [({"energy": {}}, DetectorInput.LOGITS), ({"maxSoftmax": {}}, DetectorInput.PROBABILITIES)]
)
def test_a_detector_may_look_at_what_the_model_answers(
    mlflow_server: str, registered: str, tmp_path: Path, detector: dict[str, Any], what: DetectorInput
) -> None:
    changes = {"detector": Detector.model_validate(detector), "input": what}
    report, artifacts = work(request_for(mlflow_server, registered, **changes), tmp_path)
    assert report.outcome is JobOutcome.MEASURED
    assert load(artifacts[ARTIFACT]).input is what


def test_auto_chooses_and_leaves_its_comparison_in_the_run(mlflow_server: str, registered: str, tmp_path: Path) -> None:
    changes = {"detector": Detector.model_validate({"auto": {}}), "input": DetectorInput.LOGITS}
    report, artifacts = work(request_for(mlflow_server, registered, **changes), tmp_path)
    compared = {row.detector: row.auroc for row in report.expected if row.flagged is None}
    assert set(compared) == {"maxLogit", "energy", "maxSoftmax", "klMatching"}
    assert report.detector in compared
    assert compared[report.detector] >= max(compared.values()) - 0.005
    assert load(artifacts[ARTIFACT]).kind == report.detector
    client = MlflowClient(mlflow_server)
    run = client.search_runs([client.get_experiment_by_name("leeboard/ml/weather").experiment_id])[0]
    table = client.load_table(run.info.experiment_id, TABLE, [run.info.run_id])
    assert len(table) == len(report.expected)
    assert {"detector", "outliers", "auroc", "fprAt95Tpr"} <= set(table.columns)


def test_expected_detection_is_part_of_the_report(mlflow_server: str, registered: str, tmp_path: Path) -> None:
    report, artifacts = work(request_for(mlflow_server, registered, seed=3), tmp_path / "one")
    own = {row.outliers: row for row in report.expected}
    assert {"permuted", "range", "units", "tails", "all"} <= set(own)
    assert own["range"].flagged > 0.8
    assert "of synthetic outliers it flags: permuted" in report.message
    assert load(artifacts[ARTIFACT]).expected == report.expected


def test_the_recall_of_an_index_is_told(mlflow_server: str, registered: str, tmp_path: Path) -> None:
    path = tmp_path / "many.parquet"
    pyarrow.parquet.write_table(pa.Table.from_pandas(weather(8_000), preserve_index=False), path)
    changes = {"detector": Detector.model_validate({"knn": {}}), "reference": DatasetRef(uri=str(path))}
    report, artifacts = work(request_for(mlflow_server, registered, **changes), tmp_path / "work")
    recall = load(artifacts[ARTIFACT]).scorer.parameters()["lists"]["recall"]
    assert recall >= 0.99
    assert f"its index finds {recall:.1%} of the nearest reference rows" in report.message


class Named(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow has no types for it
    """Answers logits by name, as a graph of ONNX does."""

    def predict(self, context, model_input, params=None):  # noqa: ANN001 (MLflow takes hints for a schema)
        """Add up two columns."""
        del context, params
        total = model_input["temperature"].to_numpy() / 100.0 + model_input["distance"].to_numpy() / 1e4
        return {"logits": np.column_stack([-total, total])}


def test_a_model_without_an_estimator_may_answer_by_name(mlflow_server: str, registered: str, tmp_path: Path) -> None:
    frame = weather(400)[["temperature", "distance"]].astype(float)
    mlflow.set_tracking_uri(mlflow_server)
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=Named(),
            signature=infer_signature(frame),
            registered_model_name="answers-by-name",
            pip_requirements=[],
        )
    reference = MlflowClient(mlflow_server).get_model_version(MODEL, registered).tags[tags.TRAINING_DATA]
    changes = {
        "model_name": "answers-by-name",
        "reference": DatasetRef.model_validate_json(reference),
        "detector": Detector.model_validate({"energy": {}}),
        "input": DetectorInput.LOGITS,
    }
    report, artifacts = work(request_for(mlflow_server, str(logged.registered_model_version), **changes), tmp_path)
    assert report.outcome is JobOutcome.MEASURED
    assert load(artifacts[ARTIFACT]).kind == "energy"
    changes["input"], changes["detector"] = DetectorInput.FEATURES, Detector.model_validate({"knn": {}})
    with pytest.raises(ModelError, match="has no features"):
        work(request_for(mlflow_server, str(logged.registered_model_version), **changes), tmp_path)


def test_columns_that_the_detector_does_not_look_at_are_named(
    mlflow_server: str, registered: str, tmp_path: Path
) -> None:
    frame = weather(400)[list(COLUMNS)]
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.set_column(0, table.column_names[0], pa.array([date(2026, 1, 1)] * len(frame)))
    pyarrow.parquet.write_table(table, tmp_path / "dated.parquet")
    reference = DatasetRef(uri=str(tmp_path / "dated.parquet"))
    report, _ = work(request_for(mlflow_server, registered, reference=reference), tmp_path / "work")
    assert f"it does not look at '{table.column_names[0]}': neither numbers, text" in report.message


def test_what_the_model_does_not_answer_is_told(mlflow_server: str, registered: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no features"):
        work(request_for(mlflow_server, registered, input=DetectorInput.FEATURES), tmp_path)


def test_a_reference_without_the_models_columns_is_told(mlflow_server: str, registered: str, tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pyarrow.parquet.write_table(pa.table({"temperature": [1.0] * 100}), path)
    with pytest.raises(DatasetError, match="lacks the model's columns distance, carrier"):
        work(request_for(mlflow_server, registered, reference=DatasetRef(uri=str(path))), tmp_path)


def test_too_few_rows_are_insufficient_and_say_how_many_it_takes(
    mlflow_server: str, registered: str, tmp_path: Path
) -> None:
    report, artifacts = work(request_for(mlflow_server, registered, max_rows=50), tmp_path)
    assert report.outcome is JobOutcome.INSUFFICIENT
    assert "at least 19 calibration rows, there are 15" in report.message
    assert artifacts == {}


def _read(uri: str, server: str) -> bytes:
    with urllib.request.urlopen(artifact_url(uri, server), timeout=10) as answer:  # noqa: S310 (loopback)
        return bytes(answer.read())
