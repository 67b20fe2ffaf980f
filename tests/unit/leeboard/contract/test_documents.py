"""The bytes of the contract: golden files hold them, since other versions of the other parts read them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from leeboard.api.checks import Check, Columns, UnivariateTest
from leeboard.api.outofdistribution import Detector, DetectorInput, Mahalanobis
from leeboard.api.retrainpolicy import FiredTrigger
from leeboard.api.shared import DatasetRef, NoParameters
from leeboard.api.training import BuiltinTrainer, Evaluation, Gate, Trainer
from leeboard.contract import serving
from leeboard.contract.documents import MAX_DOCUMENT_BYTES, Document
from leeboard.contract.jobs import (
    CheckReport,
    ColumnComparison,
    ColumnReport,
    DriftReport,
    DriftRequest,
    FitDetectorReport,
    FitDetectorRequest,
    GateReport,
    GateVerdict,
    JobOutcome,
    JobRequest,
    LiveArm,
    LogTables,
    RetrainReport,
    RetrainRequest,
)

GOLDEN = Path(__file__).parents[3] / "golden" / "contract"
WHO = {
    "namespace": "team",
    "owner": "flights",
    "owner_uid": "1b3ede01",
    "model_deployment": "flights",
    "model_name": "flights",
    "tracking_uri": "http://mlflow:5000",
}
LOG = LogTables(predictions="s3://log/team/flights/predictions", labels="s3://log/team/flights/labels")
ARMS = (LiveArm(arm="flights-v3-0a1b2c", version="3", from_time="2026-01-01T00:00:00Z"),)

DOCUMENTS: dict[str, Document] = {
    "fit-detector-request": FitDetectorRequest(
        **WHO,
        version="3",
        detector=Detector(mahalanobis=Mahalanobis()),
        input=DetectorInput.INSTANCES,
        acceptance=0.95,
        reference=DatasetRef(uri="s3://data/january.parquet", label_column="late"),
    ),
    "drift-request": DriftRequest(
        **WHO,
        version="3",
        window_start_time="2026-01-01T00:00:00Z",
        window_end_time="2026-01-01T06:00:00Z",
        log=LOG,
        arms=ARMS,
        columns=Columns(),
        checks=(Check(name="columns", univariate_test=UnivariateTest(min_effect=0.05)),),
        min_rows=500,
        max_rows=1_000_000,
        acceptance=0.95,
    ),
    "retrain-request": RetrainRequest(
        **WHO,
        policy_run_id="a1b2c3",
        triggers=(FiredTrigger(name="drift", id="episode-1", count=1, message="drift lasts"),),
        champion_version="3",
        data_from_time="2026-01-01T00:00:00Z",
        data_to_time="2026-01-15T00:00:00Z",
        log=LOG,
        arms=ARMS,
        trainer=Trainer(builtin=BuiltinTrainer(refit=NoParameters())),
        evaluation=Evaluation(gates=[Gate(name="better", metric="accuracy", min_gain_over_champion=0.0)]),
    ),
    "fit-detector-report": FitDetectorReport(
        request_hash="00ff",
        outcome=JobOutcome.MEASURED,
        detector_uri="mlflow-artifacts:/1/run/artifacts/detector",
        threshold=12.5,
        reference_rows=800,
        calibration_rows=200,
    ),
    "drift-report": DriftReport(
        request_hash="00ff",
        outcome=JobOutcome.MEASURED,
        drifted=True,
        rows=1000,
        reference_rows=26346,
        version="3",
        window_start_time="2026-01-01T00:00:00Z",
        window_end_time="2026-01-01T06:00:00Z",
        checks=(
            CheckReport(
                name="columns",
                kind="univariateTest",
                statistic=0.5,
                threshold=0.3,
                drifted=True,
                worst_columns=("temperature",),
                message="half of the columns drifted",
            ),
        ),
        columns=(
            ColumnReport(
                name="temperature",
                type="numeric",
                weight=1.0,
                reference_missing=0.0,
                window_missing=0.01,
                test=ColumnComparison(
                    method="KolmogorovSmirnov", statistic=0.4, p_value=1e-9, effect=0.4, drifted=True
                ),
            ),
        ),
    ),
    "retrain-report": RetrainReport(
        request_hash="00ff",
        outcome=JobOutcome.MEASURED,
        passed=True,
        version="4",
        train_rows=8000,
        holdout_rows=2000,
        metrics={"roc_auc": 0.75},
        champion_metrics={"roc_auc": 0.65},
        gates=(
            GateReport(
                name="better", metric="roc_auc", verdict=GateVerdict.PASSED, challenger=0.75, champion=0.65, bound=0.65
            ),
        ),
        data_versions={"predictions": 12, "labels": 7},
        high_water_mark=10_000,
    ),
    "prediction-batch": serving.PredictionBatch(
        namespace="team",
        model_deployment="flights",
        version="3",
        arm="flights-v3-0a1b2c",
        request_id="r-1",
        time=1_767_225_600.0,
        features={"distance": [1400.0, None], "carrier": ["UA", "AA"]},
        predictions=[0, None],
        probabilities=[[0.8, 0.2], [0.5, 0.5]],
        ood_scores=[1.5, 99.0],
        ood=[False, True],
        latency_ms=3.5,
    ),
    "label-batch": serving.LabelBatch(
        namespace="team", model_deployment="flights", labels=[serving.Label(request_id="r-1", row=0, label=1)]
    ),
    "table-state": serving.TableState(
        predictions="s3://log/p", labels="s3://log/l", prediction_rows=2, label_rows=1, newest_prediction_time=1.0
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_written_as_its_golden_file_says(name: str):
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    assert json.loads(DOCUMENTS[name].canonical()) == golden


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_golden_file_is_read_and_written_again_without_loss(name: str):
    text = (GOLDEN / f"{name}.json").read_text()
    assert type(DOCUMENTS[name]).model_validate_json(text) == DOCUMENTS[name]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_field_of_a_later_version_is_ignored(name: str):
    later = json.loads((GOLDEN / f"{name}.json").read_text()) | {"inventedLater": {"x": 1}}
    assert type(DOCUMENTS[name]).model_validate(later) == DOCUMENTS[name]


def test_the_attempt_is_not_part_of_a_requests_identity():
    request = DOCUMENTS["drift-request"]
    assert isinstance(request, JobRequest)
    again = request.model_copy(update={"attempt": 3})
    assert again.request_hash == request.request_hash


def test_another_window_is_another_request():
    request = DOCUMENTS["drift-request"]
    assert isinstance(request, DriftRequest)
    assert request.model_copy(update={"window_end_time": "2026-01-01T07:00:00Z"}).request_hash != request.request_hash


def test_equal_requests_of_different_kinds_have_different_identities():
    hashes = {document.request_hash for document in DOCUMENTS.values() if isinstance(document, JobRequest)}
    assert len(hashes) == 3


@given(st.text(max_size=200))
def test_an_encoded_request_holds_nothing_that_a_shell_reads(name: str):
    request = DOCUMENTS["fit-detector-request"].model_copy(update={"model_name": name})
    text = request.encode()
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")
    assert FitDetectorRequest.decode(text) == request


def test_a_request_that_is_too_large_is_refused():
    noise = "".join(chr(0x4E00 + (i * 7919) % 20_000) for i in range(100_000))
    request = DOCUMENTS["fit-detector-request"].model_copy(update={"model_name": noise})
    with pytest.raises(ValueError, match=str(MAX_DOCUMENT_BYTES)):
        request.encode()


def test_a_bomb_is_not_inflated():
    huge = DOCUMENTS["fit-detector-request"].model_copy(update={"model_name": "a" * 10_000_000})
    with pytest.raises(ValueError, match="larger"):
        FitDetectorRequest.decode(huge.encode())


def test_a_request_without_its_fields_is_refused():
    with pytest.raises(ValidationError, match="namespace"):
        DriftRequest.model_validate({"kind": "drift"})
