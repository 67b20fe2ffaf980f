"""The cluster that kubectl would talk to, and the loops of the models in it."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry

from leeboard.api import driftmonitor, modeldeployment, retrainpolicy
from leeboard.api.base import DNS_LABEL_PATTERN
from leeboard.api.driftmonitor import DriftMonitor
from leeboard.api.modeldeployment import ModelDeployment
from leeboard.api.retrainpolicy import RetrainPolicy
from leeboard.cli.errors import CommandError
from leeboard.cli.terminal import printable
from leeboard.control.client import Client
from leeboard.control.reading import read
from leeboard.control.refusals import ConflictError, RefusedError
from leeboard.telemetry import Telemetry

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Loop:
    """A model, what watches it, and what retrains it."""

    deployment: ModelDeployment
    monitors: tuple[DriftMonitor, ...] = ()
    policies: tuple[RetrainPolicy, ...] = ()

    @property
    def namespace(self) -> str:
        """Namespace of all of them."""
        return self.deployment.metadata.namespace

    @property
    def name(self) -> str:
        """Name of the ModelDeployment."""
        return self.deployment.metadata.name

    def document(self) -> Manifest:
        """Return everything as JSON."""
        return {
            "modelDeployment": self.deployment.document(),
            "driftMonitors": [monitor.document() for monitor in self.monitors],
            "retrainPolicies": [policy.document() for policy in self.policies],
        }


@asynccontextmanager
async def connected() -> AsyncIterator[Client]:
    """Connect to the cluster for the length of a command.

    Raises:
        CommandError: there is no kubeconfig, or the API server refused something.
        TransientError: the API server does not answer.
    """
    try:
        client = await Client.connect(Telemetry(CollectorRegistry()))
        try:
            yield client
        finally:
            await client.close()
    except (RefusedError, ConflictError) as error:
        raise CommandError(str(error)) from None


def namespace_or_default(namespace: str | None) -> str:
    """Return the namespace that was given, else the kubeconfig's, else `default`.

    Raises:
        CommandError: no namespace can have that name.
    """
    if namespace:
        if not re.fullmatch(DNS_LABEL_PATTERN, namespace):
            raise CommandError(f"{namespace!r} is no name of a namespace")
        return namespace
    for path in os.environ.get("KUBECONFIG", str(Path.home() / ".kube" / "config")).split(os.pathsep):
        if path and Path(path).is_file():
            document = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
            current = document.get("current-context")
            contexts = {entry["name"]: entry.get("context") or {} for entry in document.get("contexts") or ()}
            if current in contexts:
                return str(contexts[current].get("namespace") or "default")
    return "default"


async def loops(client: Client, namespace: str | None) -> list[Loop]:
    """Read all loops of a namespace, or of all namespaces.

    Raises:
        SpecError: an object was written under another version of Leeboard.
        TransientError: the API server does not answer.
    """
    deployments = [read(ModelDeployment, raw) for raw in await _list(client, modeldeployment.KIND, namespace)]
    monitors = [read(DriftMonitor, raw) for raw in await _list(client, driftmonitor.KIND, namespace)]
    policies = [read(RetrainPolicy, raw) for raw in await _list(client, retrainpolicy.KIND, namespace)]
    found = [
        Loop(
            deployment,
            tuple(monitor for monitor in monitors if _belongs(monitor, deployment)),
            tuple(policy for policy in policies if _belongs(policy, deployment)),
        )
        for deployment in deployments
    ]
    return sorted(found, key=lambda loop: (loop.namespace, loop.name))


async def loop_of(client: Client, namespace: str, name: str) -> Loop:
    """Read one loop.

    Raises:
        CommandError: there is no such ModelDeployment.
        SpecError: an object was written under another version of Leeboard.
        TransientError: the API server does not answer.
    """
    for loop in await loops(client, namespace):
        if loop.name == name:
            return loop
    raise CommandError(
        f"there is no ModelDeployment {name} in the namespace {namespace}: `leeboard status -A` shows them all"
    )


async def _list(client: Client, kind: str, namespace: str | None) -> list[Manifest]:
    listing = await client.list(kind, namespace)
    if listing is None:
        raise CommandError(
            f"this cluster does not know {kind}: install Leeboard, or `leeboard crds | kubectl apply -f -`"
        )
    return [printable(raw) for raw in listing.objects]


def _belongs(watcher: DriftMonitor | RetrainPolicy, deployment: ModelDeployment) -> bool:
    return (
        watcher.metadata.namespace == deployment.metadata.namespace
        and watcher.spec.model_deployment_ref.name == deployment.metadata.name
    )
