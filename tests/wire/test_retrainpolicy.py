"""RetrainPolicy: the real operator process, API server and MLflow; KubeRay, workers and rollouts played by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from leeboard.contract.jobs import GateReport, GateVerdict, JobOutcome, RetrainReport, RetrainRequest
from leeboard.contract.serving import TableState
from tests.support.bench import Bench, now, path
from tests.support.door import Door
from tests.support.operatorprocess import OperatorProcess, end_job, jobs, leave_report, request_of
from tests.support.playedmodel import ZERO, arm_of
from tests.support.web import Web, web

API = "leeboard.dev/v1alpha1"
MODELS, MONITORS, POLICIES = "modeldeployments", "driftmonitors", "retrainpolicies"
NAME = "keep"


@pytest.fixture
def collector() -> Iterator[Web]:
    state = TableState(predictions="/log/predictions", labels="/log/labels", prediction_rows=9, label_rows=9)
    with web() as told:
        told.body = state.canonical()
        yield told


@pytest.fixture
def model(mlflow_server: str, namespace: str) -> str:
    """A registered model with a champion and a second version."""
    client = MlflowClient(mlflow_server)
    name = f"flights-{namespace}"
    client.create_registered_model(name)
    for _ in range(2):
        run = client.create_run("0")
        client.create_model_version(name, f"{run.info.artifact_uri}/model", run_id=run.info.run_id)
    client.set_registered_model_alias(name, "champion", "1")
    return name


@pytest.fixture
async def operator(bench: Bench, collector: Web, mlflow_server: str, tmp_path: Path) -> AsyncIterator[OperatorProcess]:
    variables = {"LEEBOARD_TRACKING_URI": mlflow_server, "LEEBOARD_COLLECTOR_URL": collector.url}
    process = OperatorProcess(bench, tmp_path / "operator.log", ("RetrainPolicy",), variables)
    yield process
    await process.kill()


async def make(bench: Bench, kind: str, plural: str, name: str, spec: dict[str, Any]) -> None:
    metadata = {"name": name, "namespace": bench.namespace}
    await bench.create({"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}, plural)


async def tell(bench: Bench, plural: str, name: str, status: dict[str, Any]) -> None:
    await bench.patch(f"{path(bench.namespace, plural)}/{name}/status", {"status": status})


async def loop(bench: Bench, model: str) -> None:
    """Make the three objects, with version 1 serving."""
    await make(bench, "ModelDeployment", MODELS, "flights", {"model": {"name": model}})
    reference = {"modelDeploymentRef": {"name": "flights"}}
    await make(
        bench,
        "DriftMonitor",
        MONITORS,
        "watch",
        {**reference, "schedule": {"every": "1h"}, "window": {"duration": "6h"}},
    )
    trigger = {"name": "drift", "drift": {"driftMonitorRef": {"name": "watch"}}}
    spec = {
        **reference,
        "level": {"continual": {"triggers": [trigger], "minInterval": "1h"}},
        "data": {"window": {"duration": "14d"}},
        "trainer": {"builtin": {"refit": {}}},
        "evaluation": {"gates": [{"name": "better", "metric": "roc_auc", "minGainOverChampion": 0}]},
    }
    await make(bench, "RetrainPolicy", POLICIES, NAME, spec)
    await tell(bench, MODELS, "flights", serving("1"))


def serving(version: str) -> dict[str, Any]:
    arm = arm_of(version)
    return {
        "stable": {"version": version, "arm": arm, "sinceTime": ZERO},
        "traffic": [{"version": version, "arm": arm, "percent": 100, "routedSinceTime": ZERO}],
    }


async def drift(bench: Bench) -> None:
    episode = {"id": "e1", "startedTime": ZERO, "checks": ["columns"], "modelVersion": "1"}
    await tell(bench, MONITORS, "watch", {"episode": episode})


async def ask(bench: Bench, token: str) -> None:
    annotations = {"annotations": {"leeboard.dev/retrain": token}}
    await bench.patch(f"{path(bench.namespace, POLICIES)}/{NAME}", {"metadata": annotations})


async def status(bench: Bench) -> dict[str, Any]:
    return dict((await bench.read(NAME, POLICIES)).get("status") or {})


async def reason(bench: Bench) -> str:
    found = {entry["type"]: entry["reason"] for entry in (await status(bench)).get("conditions", [])}
    return str(found.get("Ready", ""))


async def job(bench: Bench) -> tuple[str, RetrainRequest]:
    """Wait for a RayJob that has no status yet."""

    async def there() -> bool:
        return any("status" not in raw for raw in (await jobs(bench)).values())

    await bench.until(there, "a RayJob")
    [name] = [name for name, raw in (await jobs(bench)).items() if "status" not in raw]
    request = await request_of(bench, name)
    assert isinstance(request, RetrainRequest)
    return name, request


def passed(request: RetrainRequest) -> RetrainReport:
    return RetrainReport(
        request_hash=request.request_hash,
        outcome=JobOutcome.MEASURED,
        passed=True,
        version="2",
        metrics={"roc_auc": 0.74},
        champion_metrics={"roc_auc": 0.71},
        high_water_mark=9,
    )


async def outcome(bench: Bench) -> str:
    async def ended() -> bool:
        now = await status(bench)
        return "lastRun" in now and "activeRun" not in now

    await bench.until(ended, "the outcome")
    return str((await status(bench))["lastRun"]["outcome"])


async def test_drift_retrains_and_the_rollout_closes_the_run(
    bench: Bench, operator: OperatorProcess, model: str, mlflow_server: str
) -> None:
    await loop(bench, model)
    async with operator:
        await bench.until(lambda: _is(bench, "Watching"), "the policy to watch")
        await drift(bench)
        name, request = await job(bench)
        assert request.champion_version == "1"
        assert [trigger.id for trigger in request.triggers] == ["drift/watch/e1"]
        await bench.until(lambda: _is(bench, "Training"), "the condition")
        leave_report(mlflow_server, request, passed(request))
        await end_job(bench, name)

        async def told() -> bool:
            return bool((await status(bench))["activeRun"]["challengerSet"])

        await bench.until(told, "the alias to be set")
        assert await reason(bench) == "RollingOut"
        aliases = MlflowClient(mlflow_server).get_registered_model(model).aliases
        assert {alias: str(version) for alias, version in aliases.items()} == {"champion": "1", "challenger": "2"}
        ended = {
            "version": "2",
            "outcome": "Promoted",
            "reason": "Baked",
            "message": "it held",
            "finishedTime": "2026-01-05T13:00:00Z",
        }
        await tell(bench, MODELS, "flights", {**serving("2"), "lastRollout": ended})
        assert await outcome(bench) == "Promoted"
        await bench.until(lambda: _is(bench, "Watching"), "the policy to rest")
        assert len(await jobs(bench)) == 1


async def test_an_operator_that_is_killed_at_every_turn_starts_nothing_twice(
    bench: Bench, operator: OperatorProcess, model: str, mlflow_server: str
) -> None:
    await loop(bench, model)
    await drift(bench)
    await operator.start()
    name, request = await job(bench)
    await operator.kill()
    leave_report(mlflow_server, request, passed(request))
    await end_job(bench, name)
    await operator.start()
    await bench.until(lambda: _is(bench, "RollingOut"), "the rollout to be waited for")
    await operator.kill()
    ended = {
        "version": "2",
        "outcome": "RolledBack",
        "reason": "ErrorRate",
        "message": "too many errors",
        "finishedTime": "2026-01-05T13:00:00Z",
        "rejected": True,
    }
    await tell(bench, MODELS, "flights", {**serving("1"), "lastRollout": ended})
    await operator.start()
    assert await outcome(bench) == "RolledBack"
    await bench.until(lambda: _is(bench, "MinInterval"), "the interval to be waited for")
    assert list(await jobs(bench)) == [name]
    assert [(fired["id"], fired["count"]) for fired in (await status(bench))["consumed"]] == [("drift/watch/e1", 1)]
    assert (await status(bench))["consecutiveRejections"] == 1


async def test_a_person_asks_and_is_told_why_the_challenger_was_refused(
    bench: Bench, operator: OperatorProcess, model: str, mlflow_server: str
) -> None:
    await loop(bench, model)
    async with operator:
        await ask(bench, "please-1")
        name, request = await job(bench)
        gate = GateReport(name="better", metric="roc_auc", verdict=GateVerdict.FAILED, message="0.70 is not above 0.71")
        report = RetrainReport(request_hash=request.request_hash, outcome=JobOutcome.MEASURED, gates=(gate,))
        leave_report(mlflow_server, request, report)
        await end_job(bench, name)
        assert await outcome(bench) == "GateFailed"
        assert "0.70 is not above 0.71" in (await status(bench))["lastRun"]["message"]
        aliases = MlflowClient(mlflow_server).get_registered_model(model).aliases
        assert set(aliases) == {"champion"}
        before = now()
        await bench.patch(f"{path(bench.namespace, POLICIES)}/{NAME}", {"spec": {"job": {"retries": 1}}})

        async def observed() -> bool:
            return bool((await status(bench))["observedGeneration"] == 2)

        await bench.until(observed, "the new generation to be observed")
        assert await bench.wrote_once(before)
        assert len(await jobs(bench)) == 1


async def test_two_operators_at_once_start_one_run_and_end_it_once(
    bench: Bench, operator: OperatorProcess, model: str, mlflow_server: str, tmp_path: Path
) -> None:
    await loop(bench, model)
    second = OperatorProcess(bench, tmp_path / "second.log", operator.kinds, operator.variables)
    async with operator, second:
        await bench.until(lambda: _is(bench, "Watching"), "the policy to watch", within=90)
        await drift(bench)
        name, request = await job(bench)
        report = RetrainReport(request_hash=request.request_hash, outcome=JobOutcome.INSUFFICIENT, message="12 rows")
        leave_report(mlflow_server, request, report)
        await end_job(bench, name)
        assert await outcome(bench) == "Inconclusive"
        await bench.until(lambda: _is(bench, "MinInterval"), "the interval to be waited for")
    assert list(await jobs(bench)) == [name]
    now = await status(bench)
    assert len(now["history"]) == 1
    assert [(fired["id"], fired["count"]) for fired in now["consumed"]] == [("drift/watch/e1", 1)]


async def test_after_a_loss_of_its_status_a_token_is_not_taken_up_twice(
    bench: Bench, operator: OperatorProcess, model: str, mlflow_server: str
) -> None:
    await loop(bench, model)
    async with operator:
        await ask(bench, "please-1")
        name, request = await job(bench)
        report = RetrainReport(request_hash=request.request_hash, outcome=JobOutcome.INSUFFICIENT, message="12 rows")
        leave_report(mlflow_server, request, report)
        await end_job(bench, name)
        assert await outcome(bench) == "Inconclusive"
    raw = await bench.read(NAME, POLICIES)
    where = f"{path(bench.namespace, POLICIES)}/{NAME}/status"
    del raw["status"]
    assert (await bench.person.put(where, json=raw)).is_success
    async with operator:
        await bench.until(lambda: _is(bench, "Watching"), "the policy to watch")
    assert list(await jobs(bench)) == [name]


async def test_without_the_collector_a_run_waits_for_its_data_and_what_trains_goes_on(
    bench: Bench, operator: OperatorProcess, model: str, mlflow_server: str, collector: Web
) -> None:
    door = Door(collector.url)
    await door.open()
    await door.close()  # its port is known, and nobody listens
    operator.variables["LEEBOARD_COLLECTOR_URL"] = door.url
    await loop(bench, model)
    await ask(bench, "please-1")
    async with operator:
        await bench.until(lambda: _is(bench, "CollectorUnavailable"), "the policy to wait")
        [ready] = [entry for entry in (await status(bench))["conditions"] if entry["type"] == "Ready"]
        assert "the run waits for its data" in ready["message"]
        assert door.url in ready["message"]
        assert await jobs(bench) == {}
        await door.open()
        name, request = await job(bench)
        await bench.until(lambda: _is(bench, "Training"), "the job to be seen")
        await door.close()
        leave_report(mlflow_server, request, passed(request))
        await end_job(bench, name)
        await bench.until(lambda: _is(bench, "RollingOut"), "the version to come to its rollout")
    assert list(await jobs(bench)) == [name]


async def _is(bench: Bench, wanted: str) -> bool:
    return await reason(bench) == wanted
