"""What wire tests share."""

from collections.abc import AsyncIterator

import pytest

from leeboard.control.client import Client
from leeboard.sandbox.controlplane import ControlPlane
from leeboard.telemetry import Telemetry
from tests.support.bench import USER, Bench


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
