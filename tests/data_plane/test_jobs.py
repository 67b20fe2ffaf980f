"""The workers on a real MLflow server and a real local Ray: what they leave, and what happens when one dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy as np
import pytest
from deltalake import DeltaTable
from mlflow.tracking import MlflowClient

from leeboard.api.checks import (
    Check,
    Columns,
    ColumnWeighting,
    OutOfDistributionIncrease,
    Prediction,
    UnivariateDistance,
    UnivariateTest,
)
from leeboard.api.multivariate import MaximumMeanDiscrepancy, MultivariateTest
from leeboard.api.performance import Performance, PerformanceMetric
from leeboard.api.retrainpolicy import FiredTrigger, Replay
from leeboard.api.shared import DatasetFormat, DatasetRef, NoParameters
from leeboard.api.training import Backtest, BuiltinTrainer, Evaluation, Gate, Holdout, Trainer, WarmStart
from leeboard.contract import tags
from leeboard.contract.jobs import (
    REQUEST_VARIABLE,
    DriftReport,
    DriftRequest,
    GateVerdict,
    JobOutcome,
    JobReport,
    JobRequest,
    LogTables,
    RetrainReport,
    RetrainRequest,
)
from leeboard.contract.kinds import REPORT_BY_KIND
from leeboard_workers.data.datasets import read_dataset
from leeboard_workers.drift import comparison
from leeboard_workers.jobs import frame, handlers, main
from leeboard_workers.jobs.tracking import claim, runs_of
from tests.support import rivers

pytestmark = pytest.mark.usefixtures("local_ray")

REFIT = Trainer(builtin=BuiltinTrainer(refit=NoParameters()))
PARTIAL_FIT = Trainer(builtin=BuiltinTrainer(partial_fit=NoParameters()), warm_start=WarmStart.CHAMPION)
BETTER = Gate(name="better", metric="roc_auc", min_gain_over_champion=0.0)
CHECKS = (
    Check(name="columns", univariate_test=UnivariateTest()),
    Check(name="distance", univariate_distance=UnivariateDistance()),
    Check(name="joint", multivariate_test=MultivariateTest(maximum_mean_discrepancy=MaximumMeanDiscrepancy())),
    Check(name="answers", prediction=Prediction()),
    Check(name="strangers", out_of_distribution_rate=OutOfDistributionIncrease()),
)


@dataclass(frozen=True)
class River:
    """A registered model with a log in which its world moved."""

    server: str
    client: MlflowClient
    model: str
    version: str
    log: LogTables

    @property
    def common(self) -> dict[str, Any]:
        return {
            "namespace": "ns",
            "owner": self.model,
            "owner_uid": "uid",
            "model_deployment": self.model,
            "model_name": self.model,
            "tracking_uri": self.server,
        }

    def drift(self, **changes: Any) -> DriftRequest:
        fields = {
            "version": self.version,
            "window_start_time": "2026-01-02T00:00:00Z",
            "window_end_time": "2026-01-08T00:00:00Z",
            "log": self.log,
            "arms": (rivers.live(self.version),),
            "columns": Columns(weighting=ColumnWeighting.IMPORTANCE),
            "checks": CHECKS,
            "min_rows": 100,
            "max_rows": 100_000,
            "acceptance": 0.95,
        }
        return DriftRequest(**self.common | fields | changes)

    def retrain(self, **changes: Any) -> RetrainRequest:
        fields = {
            "policy_run_id": "run1",
            "triggers": (FiredTrigger(name="drift", id="episode-1", count=1, message="rain drifted"),),
            "champion_version": self.version,
            "data_from_time": "2026-01-01T00:00:00Z",
            "data_to_time": "2026-01-11T00:00:00Z",
            "log": self.log,
            "arms": (rivers.live(self.version),),
            "trainer": REFIT,
            "evaluation": Evaluation(gates=[BETTER]),
        }
        return RetrainRequest(**self.common | fields | changes)

    def versions(self) -> list[Any]:
        return list(self.client.search_model_versions(f"name = '{self.model}'"))

    def report(self, request: JobRequest, folder: Path) -> JobReport:
        (run,) = [run for run in runs_of(self.client, request) if run.info.status == "FINISHED"]
        path = self.client.download_artifacts(run.info.run_id, "report.json", str(folder))
        return REPORT_BY_KIND[request.kind].model_validate_json(Path(path).read_bytes())


@pytest.fixture
def make_river(mlflow_server: str, tmp_path: Path) -> Callable[..., River]:
    def make(*, kind: str = "logistic", shift: float = 0.4, cutoff: Any = rivers.START) -> River:
        model = f"river-{tmp_path.name}"
        past = rivers.world(3_000, start=rivers.START - timedelta(days=10))
        version = rivers.register(mlflow_server, model, past, tmp_path, kind=kind, cutoff=cutoff)
        log = rivers.write_log(tmp_path, rivers.world(3_000, shift=shift, seed=1), version=version)
        return River(mlflow_server, rivers.client(mlflow_server), model, version, log)

    return make


@pytest.fixture
def river(make_river: Callable[..., River]) -> River:
    return make_river()


def answer(request: JobRequest) -> Any:
    return frame.work(request, handlers.handler_of(request), permanent=handlers.PERMANENT)


def worker(request: JobRequest, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", *(command or ("leeboard_workers.jobs.main", request.kind))],
        env=os.environ | {REQUEST_VARIABLE: request.encode(), "RAY_ADDRESS": ""},
        text=True,
        stderr=subprocess.PIPE,
    )


def make_stale(river: River, request: JobRequest) -> None:
    for run in runs_of(river.client, request):
        river.client.set_tag(run.info.run_id, tags.HEARTBEAT, "1.0")


def statuses(river: River, request: JobRequest) -> list[str]:
    return sorted(run.info.status for run in runs_of(river.client, request))


# -- drift --


def test_a_moved_world_is_found_and_reported(river: River, tmp_path: Path):
    request = river.drift()
    process = worker(request)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    report = river.report(request, tmp_path)
    assert isinstance(report, DriftReport)
    assert report.outcome is JobOutcome.MEASURED
    assert report.drifted
    drifted = {check.name: check.drifted for check in report.checks}
    assert drifted == {"columns": True, "distance": True, "joint": True, "answers": True, "strangers": False}
    assert {column.name for column in report.columns} == set(rivers.FEATURES)
    assert {column.name: column.weight for column in report.columns}["rain"] > 0.4
    (run,) = runs_of(river.client, request)
    assert run.data.tags[tags.VERDICT] == "Drifted"
    assert run.data.tags[tags.OUTCOME] == "Measured"
    assert run.data.metrics["effect/level"] > 0.2
    assert run.data.metrics["check/joint"] > 0.05
    artifacts = {item.path for item in river.client.list_artifacts(run.info.run_id)}
    assert artifacts == {"report.json", "report.html", "bins.json"}


def test_a_request_is_answered_once(river: River):
    request = river.drift()
    assert answer(request) is not None
    assert answer(request) is None
    assert answer(request.model_copy(update={"attempt": 3})) is None
    assert statuses(river, request) == ["FINISHED"]


def test_a_quiet_world_stays_quiet(make_river: Callable[..., River]):
    report = answer(make_river(shift=0.0).drift())
    assert not report.drifted, report.message


def test_too_few_rows_are_never_drift(river: River):
    report = answer(river.drift(min_rows=50_000))
    assert (report.outcome, report.drifted) == (JobOutcome.INSUFFICIENT, False)


def test_an_empty_log_is_insufficient(river: River, tmp_path: Path):
    nowhere = LogTables(predictions=str(tmp_path / "none"), labels=str(tmp_path / "nothing"))
    assert answer(river.drift(log=nowhere)).outcome is JobOutcome.INSUFFICIENT


def test_the_numbers_do_not_depend_on_ray(river: River, monkeypatch: pytest.MonkeyPatch):
    alone = answer(river.drift())
    monkeypatch.setattr(comparison, "BLOCK_VALUES", 1_000)
    shared = answer(river.drift(owner="another"))
    assert alone.columns == shared.columns
    assert alone.checks == shared.checks


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"columns": Columns(include=["humidity"])}, "humidity"),
        ({"columns": Columns(weights={"humidity": 1.0})}, "humidity"),
        ({"reference": DatasetRef(uri="/no/such/table.parquet")}, "/no/such/table.parquet"),
        ({"version": "99"}, "no version 99"),
    ],
)
def test_what_cannot_be_answered_says_why(river: River, changes: dict[str, Any], words: str):
    report = answer(river.drift(**changes))
    assert (report.outcome, report.permanent) == (JobOutcome.ERROR, True)
    assert words in report.message
    assert "\n" not in report.message


def test_a_version_without_lineage_says_what_to_do(river: River):
    river.client.delete_model_version_tag(river.model, river.version, tags.TRAINING_DATA)
    report = answer(river.drift())
    assert report.permanent
    assert tags.TRAINING_DATA in report.message


# -- labels that come late --

QUALITY = Check(
    name="quality",
    performance=Performance(
        metrics=[PerformanceMetric(name="accuracy", max_drop=0.05), PerformanceMetric(name="log_loss", max_drop=0.2)],
        label_delay="1d",
        min_coverage=0.6,
    ),
)


def late(river: River, folder: Path, *, wrong: float = 0.0, labelled: float = 1.0) -> LogTables:
    """Return a log whose answers are wrong so often, and whose labels have come for so many rows."""
    frame = rivers.world(3_000, seed=3)
    nth = np.arange(len(frame)) / len(frame)
    draw = np.random.default_rng(0).permutation(nth)
    answers = np.where(draw < wrong, 1 - frame["flood"], frame["flood"])
    log = rivers.write_log(folder / "late", frame, version=river.version, answers=answers)
    if labelled < 1:
        DeltaTable(log.labels).delete(f"row >= {round(10 * labelled)}")
    return log


def test_answers_are_judged_when_their_labels_have_come(river: River, tmp_path: Path):
    report = answer(river.drift(log=late(river, tmp_path, wrong=0.4), checks=(QUALITY,)))
    [check] = report.checks
    assert report.drifted
    assert report.message.startswith("The window drifted: quality found it")
    assert (check.performance.window_start_time, check.performance.window_end_time) == (
        "2026-01-01T00:00:00Z",
        "2026-01-07T00:00:00Z",
    )
    accuracy, log_loss = check.performance.metrics
    assert accuracy.low < 0.6 < accuracy.high
    assert accuracy.reference > 0.75
    assert "Leeboard's predictor" in log_loss.message, "no probabilities were logged"
    assert report.rows == check.performance.rows == 1800
    calm = answer(river.drift(log=late(river, tmp_path / "calm", wrong=0.1), checks=(QUALITY,)))
    assert not calm.drifted
    assert calm.outcome is JobOutcome.MEASURED


def test_labels_that_are_still_missing_are_asked_for(river: River, tmp_path: Path):
    request = river.drift(log=late(river, tmp_path, wrong=0.4, labelled=0.3), checks=(*CHECKS, QUALITY))
    report = answer(request)
    quality = report.checks[-1]
    assert (quality.statistic, quality.labels_wanted) == (None, 540)
    assert (quality.performance.labelled, quality.performance.rows) == (540, 1800)
    assert report.checks[0].statistic is not None, "the other checks do not wait"
    alone = answer(request.model_copy(update={"checks": (QUALITY,), "labels_pass": 1}))
    assert alone.outcome is JobOutcome.INSUFFICIENT
    assert "540 of 1800 rows have a label (30%)" in alone.message


def test_a_reference_without_labels_says_what_to_do(river: River, tmp_path: Path):
    reference = DatasetRef(uri=str(tmp_path / f"{river.model}-training.parquet"), label_column="flod")
    request = river.drift(log=late(river, tmp_path), checks=(QUALITY,), reference=reference)
    assert "has no column flod: set labelColumn" in answer(request).message


# -- retraining --


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


# -- workers that die --


def test_a_worker_killed_in_training_is_taken_over(river: River, tmp_path: Path):
    began = tmp_path / "began"
    endless = Trainer(entrypoint="tests.support.trainers:endless", parameters={"began": str(began)})
    request = river.retrain(trainer=endless)
    process = worker(request)
    until(began.exists, "training to begin")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert statuses(river, request) == ["RUNNING"]
    make_stale(river, request)
    assert claim(river.client, request) is not None
    assert statuses(river, request) == ["KILLED", "RUNNING"]


@pytest.mark.parametrize(
    ("moment", "left"),
    [
        ("before-storing", 1),
        ("before-registering", 1),
        ("while-registering", 2),
        ("after-registering", 2),
        ("before-finishing", 2),
    ],
)
def test_a_worker_killed_at_registering_registers_once_in_all(river: River, moment: str, left: int):
    request = river.retrain()
    process = worker(request, "tests.support.dyingworker", moment)
    process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL
    assert len(river.versions()) == left
    make_stale(river, request)
    report = answer(request)
    assert (report.passed, report.version) == (True, "2")
    assert len(river.versions()) == 2
    assert statuses(river, request) == ["FINISHED", "KILLED"]


def test_a_worker_that_is_told_to_stop_fails_its_run_at_once(river: River, tmp_path: Path):
    began = tmp_path / "began"
    endless = Trainer(entrypoint="tests.support.trainers:endless", parameters={"began": str(began)})
    request = river.retrain(trainer=endless)
    process = worker(request)
    until(began.exists, "training to begin")
    process.terminate()
    process.communicate(timeout=120)
    assert process.returncode != 0
    assert statuses(river, request) == ["FAILED"]


def test_an_infrastructure_failure_leaves_its_reason_and_may_be_tried_again(river: River):
    request = river.drift()

    def unlucky(_: JobRequest, __: frame.Desk) -> Any:
        raise ConnectionError("the object store is away")

    with pytest.raises(ConnectionError):
        frame.work(request, unlucky, permanent=handlers.PERMANENT)
    (run,) = runs_of(river.client, request)
    assert run.info.status == "FAILED"
    assert run.data.tags[tags.REASON] == "ConnectionError: the object store is away"
    assert main.answer(request) == 0
    assert statuses(river, request) == ["FAILED", "FINISHED"]


def test_a_living_worker_is_waited_for(river: River):
    request = river.drift()
    first = claim(river.client, request)
    assert first is not None
    second = worker(request)
    with first:
        until(lambda: "waiting for it" in _line(second), "the second worker to wait")
        assert statuses(river, request) == ["RUNNING"]
        first.finish()
    assert second.wait(timeout=120) == 0
    assert statuses(river, request) == ["FINISHED"]


def test_a_worker_that_lost_its_run_leaves_nothing(river: River):
    request = river.drift()

    def robbed(request: JobRequest, desk: frame.Desk) -> Any:
        river.client.set_terminated(desk.run.run_id, "KILLED")
        return handlers.handler_of(request)(request, desk)

    assert frame.work(request, robbed, permanent=handlers.PERMANENT) is None
    assert statuses(river, request) == ["KILLED"]


def test_of_two_that_claim_at_once_the_smaller_goes_on(river: River):
    request = river.drift()
    first = claim(river.client, request)
    assert first is not None
    experiment = river.client.get_run(first.run_id).info.experiment_id
    rival = river.client.create_run(
        experiment, tags={tags.REQUEST: request.request_hash, tags.HEARTBEAT: f"{time.time()}"}
    )
    if rival.info.run_id < first.run_id:
        with pytest.raises(Exception, match="another worker goes before"):
            first.ensure_ours()
    else:
        first.ensure_ours()


def until(condition: Callable[[], bool], what: str, within: float = 200.0) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    pytest.fail(f"waited {within:g} s in vain for {what}")


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    return process.stderr.readline()
