"""DriftMonitor: the real operator process, API server and MLflow; KubeRay, workers and the model played by the test."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from leeboard.contract.jobs import CheckReport, DriftReport, DriftRequest, JobOutcome
from leeboard.contract.serving import TableState
from leeboard.sandbox.processes import free_port
from tests.support.bench import Bench, now, path
from tests.support.door import Door
from tests.support.operatorprocess import OperatorProcess, end_job, jobs, leave_report, request_of
from tests.support.playedmodel import ZERO, arm_of
from tests.support.web import Web, web

API = "leeboard.dev/v1alpha1"
MODELS = "modeldeployments"
NAME = "watch"


@pytest.fixture
def collector() -> Iterator[Web]:
    state = TableState(predictions="/log/predictions", labels="/log/labels", prediction_rows=9, label_rows=9)
    with web() as told:
        told.body = state.canonical()
        yield told


@pytest.fixture
async def operator(
    bench: Bench, collector: Web, mlflow_server: str, tmp_path: Path
) -> AsyncIterator[Callable[..., OperatorProcess]]:
    made: list[OperatorProcess] = []

    def make(tracking_uri: str = mlflow_server) -> OperatorProcess:
        variables = {"LEEBOARD_TRACKING_URI": tracking_uri, "LEEBOARD_COLLECTOR_URL": collector.url}
        made.append(OperatorProcess(bench, tmp_path / "operator.log", ("DriftMonitor",), variables))
        return made[-1]

    yield make
    for process in made:
        await process.kill()


async def serve(bench: Bench, version: str) -> None:
    """Let a version serve."""
    arm = arm_of(version)
    if (await bench.read("flights", MODELS)).get("kind") != "ModelDeployment":
        metadata = {"name": "flights", "namespace": bench.namespace}
        spec = {"model": {"name": "flights"}}
        await bench.create({"apiVersion": API, "kind": "ModelDeployment", "metadata": metadata, "spec": spec}, MODELS)
    status = {
        "stable": {"version": version, "arm": arm, "sinceTime": ZERO},
        "traffic": [{"version": version, "arm": arm, "percent": 100, "routedSinceTime": ZERO}],
    }
    await bench.patch(f"{path(bench.namespace, MODELS)}/flights/status", {"status": status})


async def watch(bench: Bench, every: str = "10s", **more: Any) -> None:
    spec = {
        **more,
        "modelDeploymentRef": {"name": "flights"},
        "schedule": {"every": every},
        "window": {"duration": "6h", "lag": "1s"},
        "alerting": {"raiseAfter": {"breaches": 1, "of": 1}, "clearAfter": 1},
    }
    metadata = {"name": NAME, "namespace": bench.namespace}
    await bench.create({"apiVersion": API, "kind": "DriftMonitor", "metadata": metadata, "spec": spec})


def report(request: DriftRequest, *, drifted: bool) -> DriftReport:
    check = CheckReport(
        name="columns",
        kind="univariateTest",
        statistic=0.6,
        threshold=0.3,
        drifted=drifted,
        worst_columns=("dep_delay",),
    )
    return DriftReport(
        request_hash=request.request_hash,
        outcome=JobOutcome.MEASURED,
        drifted=drifted,
        rows=1000,
        version=request.version,
        checks=(check,),
    )


async def status(bench: Bench) -> dict[str, Any]:
    return dict((await bench.read(NAME)).get("status") or {})


async def condition(bench: Bench, kind: str) -> tuple[str, str, str]:
    found = {entry["type"]: entry for entry in (await status(bench)).get("conditions", [])}
    entry = found.get(kind, {"status": "", "reason": "", "message": ""})
    return entry["status"], entry["reason"], entry["message"]


async def unfinished_job(bench: Bench) -> str:
    """Wait for a RayJob that has no status yet, and return its name."""

    async def there() -> bool:
        return any("status" not in raw for raw in (await jobs(bench)).values())

    await bench.until(there, "a RayJob", within=40)
    return next(name for name, raw in (await jobs(bench)).items() if "status" not in raw)


async def score(bench: Bench, tracking_uri: str, *, drifted: bool) -> str:
    """Do the worker's and KubeRay's part for the next window, and return the window's end."""
    name = await unfinished_job(bench)
    request = await request_of(bench, name)
    assert isinstance(request, DriftRequest)
    leave_report(tracking_uri, request, report(request, drifted=drifted))
    await end_job(bench, name)

    async def read() -> bool:
        last = (await status(bench)).get("lastRun") or {}
        return bool(last.get("windowEndTime") == request.window_end_time)

    await bench.until(read, "the outcome in status")
    return request.window_end_time


async def test_drift_is_raised_told_and_superseded_by_a_promotion(
    bench: Bench, operator: Callable[..., OperatorProcess], mlflow_server: str
) -> None:
    await serve(bench, "1")
    await watch(bench)
    async with operator():
        await score(bench, mlflow_server, drifted=True)
        assert (await condition(bench, "DriftDetected"))[0] == "True"
        assert "dep_delay" in (await condition(bench, "DriftDetected"))[2]
        run = (await status(bench))["lastRun"]
        assert run["reportUri"].endswith("/report.html")
        assert run["modelVersion"] == "1"
        events = await bench.person.get(path(bench.namespace, "events", "events.k8s.io/v1"))
        assert [event["reason"] for event in events.json()["items"]] == ["DriftDetected"]
        [made] = [raw for raw in (await jobs(bench)).values() if "status" in raw]
        assert made["metadata"]["labels"]["leeboard.dev/driftmonitor"] == NAME
        assert made["metadata"]["ownerReferences"][0]["kind"] == "DriftMonitor"
        await serve(bench, "2")

        async def closed() -> bool:
            return "episode" not in await status(bench)

        await bench.until(closed, "the episode to be superseded")


async def test_an_operator_that_is_killed_again_and_again_scores_each_window_once(
    bench: Bench, operator: Callable[..., OperatorProcess], mlflow_server: str
) -> None:
    await serve(bench, "1")
    await watch(bench)
    process = operator()
    await process.start()
    ends = []
    for drifted in (False, True):
        name = await unfinished_job(bench)
        await process.kill()
        request = await request_of(bench, name)
        assert isinstance(request, DriftRequest)
        leave_report(mlflow_server, request, report(request, drifted=drifted))
        await process.start()
        await end_job(bench, name)

        async def read(end: str = request.window_end_time) -> bool:
            return any(run["windowEndTime"] == end for run in (await status(bench)).get("history", []))

        await bench.until(read, "the outcome in status")
        ends.append(request.window_end_time)
    await process.stop()
    windows = [(await request_of(bench, name)) for name in await jobs(bench)]
    told = [request.window_end_time for request in windows if isinstance(request, DriftRequest)]
    assert len(set(told)) == len(told)
    assert set(ends) <= set(told)
    assert [run["verdict"] for run in (await status(bench))["history"]][-2:] == ["Drifted", "Stable"]


async def test_says_what_is_missing_heals_and_then_writes_nothing(
    bench: Bench, operator: Callable[..., OperatorProcess]
) -> None:
    await watch(bench, every="1h")
    async with operator():

        async def waits() -> bool:
            return (await condition(bench, "Ready"))[1] == "ModelDeploymentMissing"

        await bench.until(waits, "the condition")
        await serve(bench, "1")

        async def scheduled() -> bool:
            return (await condition(bench, "Ready"))[:2] == ("True", "Scheduled")

        await bench.until(scheduled, "the monitor to be ready")
        before = now()
        for token in ("a", "b", "c"):  # passes that have nothing to do
            await bench.patch(f"{path(bench.namespace)}/{NAME}", {"metadata": {"labels": {"touched": token}}})
        await bench.patch(f"{path(bench.namespace)}/{NAME}", {"spec": {"job": {"retries": 1}}})

        async def observed() -> bool:
            return bool((await status(bench))["observedGeneration"] == 2)

        await bench.until(observed, "the new generation to be observed")
        assert await bench.wrote_once(before)


async def test_without_mlflow_it_says_so_and_goes_on_when_it_is_back(
    bench: Bench, operator: Callable[..., OperatorProcess], mlflow_server: str
) -> None:
    await serve(bench, "1")
    await watch(bench)
    async with operator(tracking_uri=f"http://127.0.0.1:{free_port()}"):

        async def told() -> bool:
            return (await condition(bench, "Ready"))[:2] == ("False", "RegistryUnavailable")

        await bench.until(told, "the condition", within=60)
        assert "MLflow" in (await condition(bench, "Ready"))[2]
        assert await jobs(bench) == {}
    async with operator():
        await score(bench, mlflow_server, drifted=False)
        assert (await condition(bench, "Ready"))[0] == "True"


async def test_without_the_collector_it_says_so_ends_what_runs_and_goes_on_when_it_is_back(
    bench: Bench, operator: Callable[..., OperatorProcess], mlflow_server: str, collector: Web
) -> None:
    door = Door(collector.url)
    await door.open()
    await door.close()  # its port is known, and nobody listens
    await serve(bench, "1")
    await watch(bench)
    process = operator()
    process.variables["LEEBOARD_COLLECTOR_URL"] = door.url

    async def told() -> bool:
        return (await condition(bench, "Ready"))[:2] == ("False", "CollectorUnavailable")

    async with process:
        await bench.until(told, "the condition", within=60)
        assert door.url in (await condition(bench, "Ready"))[2]
        assert await jobs(bench) == {}
        await door.open()
        await unfinished_job(bench)
        await door.close()
        await score(bench, mlflow_server, drifted=False)  # a job that runs needs no collector
        await bench.until(told, "the condition of the next window", within=60)
        await door.open()
        await score(bench, mlflow_server, drifted=False)
        assert (await condition(bench, "Ready"))[0] == "True"
        await door.close()


async def test_a_column_of_any_name_is_data_of_the_job_and_nothing_else(
    bench: Bench, operator: Callable[..., OperatorProcess]
) -> None:
    hostile = ["$(reboot)", "`reboot`; reboot #", 'a"} or vector(reboot) #', "../../reboot", "${reboot}\n- reboot"]
    await serve(bench, "1")
    await watch(bench, columns={"exclude": hostile})
    async with operator():
        name = await unfinished_job(bench)
        request = await request_of(bench, name)

    assert isinstance(request, DriftRequest)
    assert list(request.columns.exclude) == hostile
    job = (await jobs(bench))[name]
    assert job["spec"]["entrypoint"] == "leeboard-worker drift"
    assert "reboot" not in json.dumps(job), "neither in a label, nor in a pod; the request is encoded"
