"""What wire tests share."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from leeboard.control.client import Client
from leeboard.sandbox.controlplane import ControlPlane
from leeboard.sandbox.processes import Supervisor
from leeboard.sandbox.prometheus import start_prometheus
from leeboard.telemetry import Telemetry
from tests.support.bench import USER, Bench
from tests.support.door import Door
from tests.support.operatorprocess import OperatorProcess
from tests.support.playedcluster import played_cluster
from tests.support.scene import ANSWER, Scene, Traffic, flowing
from tests.support.web import Web, web


@pytest.fixture
async def bench(control_plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig(USER, ["system:masters"])))
    async with control_plane.client() as person:
        yield Bench(control_plane, namespace, person)


@pytest.fixture
async def client(bench: Bench) -> AsyncIterator[Client]:  # noqa: ARG001 (it sets KUBECONFIG)
    client = await Client.connect(Telemetry())
    yield client
    await client.close()


@pytest.fixture
def arms() -> Iterator[Web]:
    """Answer for every arm: the operator reaches them through an HTTP proxy."""
    with web() as told:
        told.body = json.dumps(ANSWER).encode()
        yield told


@pytest.fixture
def counters() -> Iterator[Web]:
    with web() as told:
        told.kind = "text/plain; version=0.0.4"
        told.body = b""
        yield told


@pytest.fixture
def collector() -> Iterator[Web]:
    """Tell where the log lies."""
    with web() as told:
        told.body = json.dumps(
            {"predictions": "/log/p", "labels": "/log/l", "predictionRows": 1000, "labelRows": 0}
        ).encode()
        yield told


@pytest.fixture
async def prometheus(tmp_path: Path, counters: Web) -> AsyncIterator[Door]:
    targets = tmp_path / "targets"
    targets.mkdir()
    (targets / "arms.json").write_text(json.dumps([{"targets": [counters.url.removeprefix("http://")]}]))
    async with Supervisor(tmp_path) as processes:
        door = Door(await start_prometheus(processes, tmp_path / "prometheus", targets, interval="500ms"))
        await door.open()
        yield door
        await door.close()


@pytest.fixture
async def mlflow(mlflow_server: str) -> AsyncIterator[Door]:
    door = Door(mlflow_server)
    await door.open()
    yield door
    await door.close()


@pytest.fixture
async def operator(
    bench: Bench, arms: Web, collector: Web, mlflow: Door, prometheus: Door, *, tmp_path: Path
) -> AsyncIterator[OperatorProcess]:
    variables = {
        "LEEBOARD_TRACKING_URI": mlflow.url,
        "LEEBOARD_PROMETHEUS_URL": prometheus.url,
        "LEEBOARD_COLLECTOR_URL": collector.url,
        "NO_PROXY": "127.0.0.1",
        "LEEBOARD_REGISTRY_POLL_SECONDS": "1",
        "LEEBOARD_SERVICE_TIMEOUT_SECONDS": "5",
        "HTTP_PROXY": arms.url,
    }
    process = OperatorProcess(bench, tmp_path / "operator.log", ("ModelDeployment",), variables)
    yield process
    await process.kill()


@pytest.fixture
async def scene(
    bench: Bench, counters: Web, operator: OperatorProcess, mlflow: Door, prometheus: Door
) -> AsyncIterator[Scene]:
    client = MlflowClient(mlflow.target)
    model = f"flights-{bench.namespace}"
    client.create_registered_model(model)
    async with played_cluster(bench) as cluster, flowing(Traffic(counters, bench.namespace), cluster) as traffic:
        yield Scene(bench, cluster, traffic, operator, mlflow, prometheus, client, model)
