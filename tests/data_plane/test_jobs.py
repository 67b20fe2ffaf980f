"""The workers on a real MLflow server and a real local Ray: what they leave, and what happens when one dies."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deltalake import DeltaTable

from leeboard.api.checks import (
    Check,
    Columns,
)
from leeboard.api.performance import Performance, PerformanceMetric
from leeboard.api.shared import DatasetRef
from leeboard.api.training import Trainer
from leeboard.contract import tags
from leeboard.contract.jobs import (
    DriftReport,
    JobOutcome,
    JobRequest,
    LogTables,
)
from leeboard_workers.drift import weighing
from leeboard_workers.jobs import frame, handlers, main
from leeboard_workers.jobs.tracking import claim, runs_of
from tests.support import rivers
from tests.support.riverjobs import CHECKS, River, answer, make_stale, statuses, until, worker

pytestmark = pytest.mark.usefixtures("local_ray")

LEARNED: dict[str, Any] = {
    "columns": {"univariateTest": {"learned": {"sigma": 3}}},
    "distance": {"univariateDistance": {"learned": {"quantile": 0.9}}},
    "joint": {
        "multivariateTest": {"energyDistance": {"permutations": 19}, "alpha": 0.1, "learned": {"sigma": 2}},
    },
    "answers": {"prediction": {"learned": {"sigma": 3}}},
    "unsaid": {"univariateDistance": {}},
}

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
    monkeypatch.setattr(weighing, "BLOCK_VALUES", 1_000)
    monkeypatch.setattr(frame, "SHARED_VALUES", 0)
    shared = answer(river.drift(owner="another"))
    assert alone.columns == shared.columns
    assert alone.checks == shared.checks


def test_a_reference_is_prepared_once(river: River):
    request = river.drift()
    first, second = answer(request), answer(river.drift(owner="another"))
    experiment = river.client.get_experiment_by_name(request.experiment).experiment_id
    kept = river.client.search_runs([experiment], f"tags.`{tags.REFERENCE}` != ''")
    artifacts = [[item.path for item in river.client.list_artifacts(run.info.run_id)] for run in kept]
    assert sorted(artifacts) == [["importances.json"], ["reference"]]
    assert first.columns == second.columns


def test_thresholds_are_learned_once_from_the_reference(river: River):
    asked = tuple(Check.model_validate({"name": name, **members}) for name, members in LEARNED.items())
    wanted = {"checks": asked, "window_start_time": "2026-01-07T00:00:00Z"}
    request = river.drift(**wanted)
    first, second = answer(request), answer(river.drift(owner="another", **wanted))
    told = {check.name: check.learned for check in first.checks}
    assert {name: (how.rule, how.windows) for name, how in told.items()} == {
        "columns": ("mean + 3 sd", 10),
        "distance": ("quantile 0.9", 10),
        "joint": ("mean + 2 sd", 10),
        "answers": ("mean + 3 sd", 10),
        "unsaid": ("mean + 3 sd", 10),
    }, "ten days of the reference, held against a day"
    assert {check.name for check in first.checks if check.drifted} >= {"columns", "distance"}
    assert first.checks == second.checks
    experiment = river.client.get_experiment_by_name(request.experiment).experiment_id
    kept = river.client.search_runs([experiment], f"tags.`{tags.REFERENCE}` LIKE '%-thresholds-%'")
    assert len(kept) == 1


INSIDE = {
    "energyDistance": {"permutations": 99, "reduce": {"modelFeatures": {}}},
    "alpha": 0.05,
    "learned": {"sigma": 2},
}


@pytest.mark.parametrize(
    ("kind", "words"), [("network", "the threshold is mean + 2 sd of 10 windows"), ("logistic", "has no hidden layer")]
)
def test_a_joint_test_looks_inside_a_model_that_has_an_inside(make_river: Callable[..., River], kind: str, words: str):
    check = Check.model_validate({"name": "inside", "multivariateTest": INSIDE})
    wanted = {"checks": (check,), "window_start_time": "2026-01-07T00:00:00Z", "columns": Columns()}
    (inside,) = answer(make_river(kind=kind).drift(**wanted)).checks
    assert words in inside.message
    assert (inside.statistic is not None) is (kind == "network")


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


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    return process.stderr.readline()
