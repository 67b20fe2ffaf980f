"""What a version says about where it comes from."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from leeboard.api.retrainpolicy import FiredTrigger
from leeboard.api.shared import DatasetRef, NoParameters
from leeboard.api.training import BuiltinTrainer, Evaluation, Gate, Trainer
from leeboard.contract import tags
from leeboard.contract.jobs import RetrainRequest
from leeboard_workers.retrain.lineage import lineage_tags, rfc3339

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def request_document() -> RetrainRequest:
    return RetrainRequest(
        namespace="ns",
        owner="policy",
        owner_uid="u",
        model_deployment="rivers",
        model_name="rivers",
        tracking_uri="http://mlflow",
        policy_run_id="run7",
        triggers=(FiredTrigger(name="drift", id="episode", count=1),),
        champion_version="3",
        trainer=Trainer(builtin=BuiltinTrainer(refit=NoParameters())),
        evaluation=Evaluation(gates=[Gate(name="g", metric="accuracy", min=0.5)]),
    )


def test_the_tags_tell_all(request_document: RetrainRequest):
    ref = DatasetRef(uri="mlflow-artifacts:/1/r/artifacts/rows.parquet", label_column="label")
    found = lineage_tags(request_document, training_data=ref, cutoff=NOON, data_versions={"t": 4})
    assert DatasetRef.model_validate_json(found[tags.TRAINING_DATA]) == ref
    assert found[tags.TRAINING_CUTOFF] == "2026-01-01T12:00:00Z"
    assert found[tags.PARENT_VERSION] == "3"
    assert found[tags.POLICY] == "ns/policy"
    assert found[tags.POLICY_RUN] == "run7"
    assert found[tags.REQUEST] == request_document.request_hash
    assert json.loads(found[tags.DATA_VERSIONS]) == {"t": 4}
    assert found[tags.CODE].startswith("refit leeboard==")


def test_the_cutoff_is_never_before_a_row():
    assert rfc3339(NOON) == "2026-01-01T12:00:00Z"
    assert rfc3339(NOON + timedelta(microseconds=1)) == "2026-01-01T12:00:01Z"
