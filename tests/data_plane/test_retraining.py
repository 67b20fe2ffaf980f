"""Retraining by the worker on a real MLflow server and a real local Ray."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pytest

from leeboard.api.retrainpolicy import Replay
from leeboard.api.shared import DatasetFormat, DatasetRef
from leeboard.api.training import Backtest, Evaluation, Gate, Holdout, Trainer
from leeboard.contract import tags
from leeboard.contract.jobs import (
    GateVerdict,
    JobOutcome,
    RetrainReport,
)
from leeboard_workers.data.datasets import read_dataset
from leeboard_workers.jobs.tracking import runs_of
from tests.support import rivers
from tests.support.riverjobs import BETTER, CHECKS, PARTIAL_FIT, River, answer

pytestmark = pytest.mark.usefixtures("local_ray")


def test_a_better_challenger_is_registered_with_its_lineage(river: River, tmp_path: Path):
    request = river.retrain(evaluation=Evaluation(backtest=Backtest(folds=3, horizon="1d"), gates=[BETTER]))
    report = answer(request)
    assert isinstance(report, RetrainReport)
    assert report.passed, report.message
    assert report.metrics["roc_auc"] > report.champion_metrics["roc_auc"]
    assert (report.train_rows, report.holdout_rows) == (2_400, 600)
    assert len(report.backtest) == 3
    assert report.high_water_mark == 3_000
    assert set(report.data_versions) == {river.log.predictions, river.log.labels}

    version = river.client.get_model_version(river.model, report.version)
    assert version.tags[tags.REQUEST] == request.request_hash
    assert version.tags[tags.POLICY_RUN] == "run1"
    assert version.tags[tags.PARENT_VERSION] == river.version
    assert version.tags[tags.TRAINING_CUTOFF] == "2026-01-09T00:00:00Z"
    rows = read_dataset(DatasetRef.model_validate_json(version.tags[tags.TRAINING_DATA]))
    assert rows.num_rows == 2_400
    assert set(rows.column_names) == {*rivers.FEATURES, "label", "time"}
    assert version.aliases == []

    mlflow.set_tracking_uri(river.server)
    model = mlflow.sklearn.load_model(f"models:/{river.model}/{report.version}")
    assert set(model.predict(rivers.world(50)[rivers.FEATURES])) <= {0, 1}
    (run,) = runs_of(river.client, request)
    assert '"episode-1"' in run.data.tags[tags.TRIGGERS]
    assert {"report.json", "report.html", "training-data"} <= {
        item.path for item in river.client.list_artifacts(run.info.run_id)
    }
    assert river.report(request, tmp_path) == report


def test_the_challenger_s_own_data_serve_the_next_drift_run(river: River):
    report = answer(river.retrain())
    moved = answer(river.drift(version=report.version, checks=CHECKS[:2]))
    assert (moved.outcome, moved.drifted) == (JobOutcome.MEASURED, False)


def test_a_worse_challenger_is_not_registered(river: River):
    gate = Gate(name="much", metric="roc_auc", min_gain_over_champion=0.4)
    report = answer(river.retrain(evaluation=Evaluation(gates=[BETTER, gate])))
    assert [one.verdict for one in report.gates] == [GateVerdict.PASSED, GateVerdict.FAILED]
    assert (report.passed, report.version) == (False, None)
    assert "much" in report.message
    assert len(river.versions()) == 1


def test_a_holdout_that_the_champion_has_seen_proves_nothing(make_river: Callable[..., River]):
    river = make_river(cutoff=rivers.START + timedelta(days=9, hours=12))
    report = answer(river.retrain(evaluation=Evaluation(gates=[BETTER], holdout=Holdout(min_rows=200))))
    assert report.holdout_rows == 150
    assert report.gates[0].verdict is GateVerdict.INCONCLUSIVE
    assert "may have been seen by the champion" in report.message


def test_a_champion_that_tells_no_cutoff_may_have_seen_all_that_was_there(make_river: Callable[..., River]):
    report = answer(make_river(cutoff=None).retrain())
    assert report.gates[0].verdict is GateVerdict.INCONCLUSIVE


def test_a_model_goes_on_learning_from_new_rows_only(make_river: Callable[..., River]):
    river = make_river(kind="sgd", cutoff=rivers.START + timedelta(days=5))
    report = answer(river.retrain(trainer=PARTIAL_FIT))
    assert report.train_rows == 900
    assert report.passed, report.message


def test_late_labels_and_replayed_rows_are_learnt_with_what_is_new(make_river: Callable[..., River], tmp_path: Path):
    cutoff, late = rivers.START + timedelta(days=5), rivers.START + timedelta(days=11)
    river = make_river(kind="sgd", cutoff=cutoff)
    river.client.set_model_version_tag(river.model, river.version, tags.INGEST_MARK, "2026-01-11T00:00:00+00:00")
    world = rivers.world(3_000, shift=0.4, seed=1)
    comes = [late if at < rivers.START + timedelta(days=1) else at for at in world["at"]]
    log = rivers.write_log(tmp_path / "late", world, version=river.version, labels_come=comes)
    report = answer(river.retrain(log=log, trainer=PARTIAL_FIT, replay=Replay(fraction=0.25)))
    assert (report.new_rows, report.replayed_rows, report.train_rows) == (900 + 300, 400, 1_600)
    version = river.client.get_model_version(river.model, report.version)
    assert version.tags[tags.INGEST_MARK] == report.ingest_mark == "2026-01-12T00:00:00+00:00"
    fair = (report.champion_cutoff_time, report.training_cutoff_time, report.holdout_from_time)
    assert fair == ("2026-01-06T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-09T00:00:00Z")
    again = answer(river.retrain(log=log, trainer=PARTIAL_FIT, parent_version=report.version, owner="next"))
    assert again.new_rows == 0, "nothing is learnt twice"
    assert again.outcome is JobOutcome.INSUFFICIENT


def test_gates_look_at_slices_and_at_tables_of_their_own(river: River, tmp_path: Path):
    past = DatasetRef(uri=str(tmp_path / f"{river.model}-training.parquet"), label_column="flood")
    asked = [
        Gate(name="storms", metric="roc_auc", min_gain_over_champion=0.0, slice="rain > 12 and bridge != 'iron'"),
        Gate(name="floods", metric="accuracy", min=0.5, slice="rain > 1000"),
        Gate(name="forgetting", metric="roc_auc", max_drop_from_champion=0.001, dataset=past),
        Gate(
            name="forgetting-iron", metric="accuracy", max_drop_from_champion=1, dataset=past, slice="bridge == 'iron'"
        ),
    ]
    report = answer(river.retrain(evaluation=Evaluation(gates=asked)))
    storms, floods, forgetting, iron = report.gates
    assert storms.verdict is GateVerdict.PASSED
    assert 50 <= storms.rows < 300 < report.holdout_rows
    assert storms.champion != report.champion_metrics["roc_auc"]
    assert (floods.verdict, floods.rows) == (GateVerdict.INCONCLUSIVE, 0)
    assert "the slice rain > 1000 has 0 rows, and 50 are asked for" in floods.message
    assert (forgetting.verdict, forgetting.rows) == (GateVerdict.FAILED, 3_000), "it learnt another world"
    assert (iron.verdict, iron.champion > iron.challenger) == (GateVerdict.PASSED, True)
    assert (report.passed, report.version) == (False, None)


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({"slice": "depth < 3"}, "the gate part: the slice names the column 'depth'"),
        ({"slice": "bridge < 3"}, "the gate part: the slice compares the column 'bridge'"),
        ({"dataset": DatasetRef(uri="/no/such/table.parquet", label_column="flood")}, "/no/such/table.parquet"),
    ],
)
def test_a_gate_on_rows_that_are_not_there_names_them(river: River, gate: dict[str, Any], words: str):
    report = answer(river.retrain(evaluation=Evaluation(gates=[Gate(name="part", metric="f1", min=0, **gate)])))
    assert (report.outcome, report.permanent) == (JobOutcome.ERROR, True)
    assert words in report.message


def test_a_model_that_cannot_go_on_says_so(river: River):
    report = answer(river.retrain(trainer=PARTIAL_FIT))
    assert report.permanent
    assert "LogisticRegression cannot go on learning" in report.message


def test_a_trainer_of_the_user_s_runs_on_ray_and_logs(river: River):
    trainer = Trainer(entrypoint="tests.support.trainers:forest", parameters={"trees": "20"})
    request = river.retrain(trainer=trainer)
    report = answer(request)
    assert report.passed, report.message
    (run,) = runs_of(river.client, request)
    assert run.data.metrics["training/trees"] == 20
    assert run.data.metrics["trainer/depth"] > 2


def test_a_trainer_that_fails_is_reported_in_a_sentence(river: River):
    report = answer(river.retrain(trainer=Trainer(entrypoint="tests.support.trainers:broken")))
    assert report.permanent
    assert report.message == "the trainer tests.support.trainers:broken failed: KeyError: 'level'"


def test_a_first_model_has_nobody_to_beat(river: River):
    trainer = Trainer(entrypoint="tests.support.trainers:forest", parameters={"trees": "5"})
    report = answer(river.retrain(trainer=trainer, champion_version=None, model_name=f"{river.model}-first"))
    assert (report.passed, report.version) == (True, "1")


def test_a_dataset_serves_as_well_as_the_log(river: River, tmp_path: Path):
    frame_ = rivers.world(1_500, shift=0.4, seed=5)
    frame_.loc[:99, "flood"] = None
    frame_.to_parquet(tmp_path / "rows.parquet")
    dataset = DatasetRef(
        uri=str(tmp_path / "rows.parquet"),
        format=DatasetFormat.PARQUET,
        label_column="flood",
        timestamp_column="at",
    )
    report = answer(river.retrain(dataset=dataset, log=None, arms=()))
    assert report.passed, report.message
    assert (report.train_rows, report.holdout_rows) == (1_120, 280)
    missing = dataset.model_copy(update={"label_column": "drought"})
    assert "drought" in answer(river.retrain(dataset=missing, log=None, arms=())).message


def test_without_labels_there_is_nothing_to_learn(river: River, tmp_path: Path):
    unlabelled = river.log.model_copy(update={"labels": str(tmp_path / "no-labels")})
    assert answer(river.retrain(log=unlabelled)).outcome is JobOutcome.INSUFFICIENT


def test_equal_requests_give_equal_numbers(river: River):
    one, other = answer(river.retrain()), answer(river.retrain(owner="another"))
    assert one.metrics == other.metrics
