"""Commands as a person would type them, against the control plane, in a namespace that holds one model's loop."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from leeboard.crdgen.kinds import KINDS
from leeboard.sandbox.controlplane import ControlPlane
from tests.support.loops import DEPLOYMENT_STATUS, MONITOR_STATUS, POLICY_STATUS
from tests.support.manifests import DRIFT_MONITOR, MODEL_DEPLOYMENT, RETRAIN_POLICY

BIN = Path(sys.executable).parent
OBJECTS = {
    "ModelDeployment": (MODEL_DEPLOYMENT, DEPLOYMENT_STATUS),
    "DriftMonitor": (DRIFT_MONITOR, MONITOR_STATUS),
    "RetrainPolicy": (RETRAIN_POLICY, POLICY_STATUS),
}
PLURALS = {kind.kind: kind.plural for kind in KINDS}


@dataclass
class Shell:
    """Runs commands as a person would, in one namespace."""

    plane: ControlPlane
    api: httpx.AsyncClient
    namespace: str
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.plane.kubeconfig()), "COLUMNS": "120", **self.settings}

    async def start(self, program: Path | str, *arguments: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            program, *arguments, stdout=pipe, stderr=pipe, env=self.environment()
        )

    async def says(self, *arguments: str, program: Path | str = BIN / "leeboard", status: int = 0) -> str:
        process = await self.start(program, *arguments, "-n", self.namespace)
        output, errors = await process.communicate()
        assert process.returncode == status, errors.decode()
        return (output if status == 0 else errors).decode()

    def path(self, kind: str, name: str = "flights") -> str:
        return f"/apis/leeboard.dev/v1alpha1/namespaces/{self.namespace}/{PLURALS[kind]}/{name}"

    async def read(self, kind: str) -> dict[str, Any]:
        return (await self.api.get(self.path(kind))).raise_for_status().json()

    async def make(self, kind: str) -> None:
        spec, _ = OBJECTS[kind]
        body = {"apiVersion": "leeboard.dev/v1alpha1", "kind": kind, "metadata": {"name": "flights"}, "spec": spec}
        (await self.api.post(self.path(kind, ""), json=body)).raise_for_status()

    async def report(self, kind: str, status: dict[str, Any]) -> None:
        """Write a status, as the operator does."""
        body = {**await self.read(kind), "status": status}
        (await self.api.put(f"{self.path(kind)}/status", json=body)).raise_for_status()


@pytest.fixture
async def shell(control_plane: ControlPlane, namespace: str) -> AsyncIterator[Shell]:
    async with control_plane.client() as api:
        shell = Shell(control_plane, api, namespace)
        for kind, (_, status) in OBJECTS.items():
            await shell.make(kind)
            await shell.report(kind, status)
        yield shell
