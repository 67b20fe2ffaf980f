"""An operator in the test's process against a real API server, with a loop that the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from leeboard.api.driftmonitor import DriftMonitor
from leeboard.app import Operator
from leeboard.control.conditions import merge, true
from leeboard.control.reading import read
from leeboard.control.steps import Look, Outcomes, Plan, Step
from leeboard.control.world import World
from leeboard.sandbox.controlplane import ControlPlane
from leeboard.sandbox.processes import free_port, until
from leeboard.settings import Settings

USER = "leeboard-operator"


def now() -> str:
    """Tell the time as the API server's audit log does."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass
class PlayedLoop:
    """A loop over DriftMonitors that does what the test says, and counts its passes."""

    kind: str = "DriftMonitor"
    steps: Callable[[DriftMonitor, World], tuple[Step, ...]] = lambda _subject, _world: ()
    before_deciding: Callable[[DriftMonitor, World], Any] | None = None
    look: Look = field(default_factory=Look.never)
    message: str = "all is well"
    passes: list[str] = field(default_factory=list)
    outcomes: list[Outcomes] = field(default_factory=list)

    def parse(self, raw: dict[str, Any]) -> DriftMonitor:
        return read(DriftMonitor, raw)

    async def observe(self, subject: DriftMonitor, world: World) -> tuple[DriftMonitor, World]:
        if self.before_deciding is not None:
            await self.before_deciding(subject, world)
        return subject, world

    def decide(self, seen: tuple[DriftMonitor, World]) -> Plan:
        self.passes.append(seen[0].metadata.name)
        return Plan(status={}, steps=self.steps(*seen), look=self.look)

    def status_of(self, seen: tuple[DriftMonitor, World], _plan: Plan, outcomes: Outcomes) -> dict[str, Any]:
        self.outcomes.append(outcomes)
        subject, world = seen
        before = [condition.document() for condition in subject.status.conditions]
        finding = true("Ready", "Fine", self.message)
        generation = subject.metadata.generation
        conditions = merge(before, [finding], generation, world.clock.now())
        return {"observedGeneration": generation, "conditions": conditions, "quietRuns": 0, "history": []}


def monitor(namespace: str, name: str = "flights", every: str = "30m") -> dict[str, Any]:
    return {
        "apiVersion": "leeboard.dev/v1alpha1",
        "kind": "DriftMonitor",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "modelDeploymentRef": {"name": "flights"},
            "schedule": {"every": every},
            "window": {"duration": "6h"},
            "checks": [{"name": "columns", "univariateTest": {}}],
        },
    }


def path(namespace: str, plural: str = "driftmonitors", group: str = "leeboard.dev/v1alpha1") -> str:
    return f"/apis/{group}/namespaces/{namespace}/{plural}"


@dataclass
class Bench:
    """An API server, a namespace in it, and a person with kubectl."""

    plane: ControlPlane
    namespace: str
    person: httpx.AsyncClient

    def settings(self, **changes: Any) -> Settings:
        away = f"http://127.0.0.1:{free_port()}"
        return Settings(
            tracking_uri=away,
            prometheus_url=away,
            namespaces=(self.namespace,),
            metrics_port=free_port(),
            health_port=free_port(),
            **changes,
        )

    @asynccontextmanager
    async def operator(self, loop: PlayedLoop, **changes: Any) -> AsyncIterator[Operator]:
        operator = Operator(self.settings(**changes), [loop])
        task = asyncio.create_task(operator.run())
        try:
            yield operator
        finally:
            operator.stop()
            await task

    async def create(self, manifest: dict[str, Any], plural: str = "driftmonitors", group: str = "") -> dict[str, Any]:
        where = path(self.namespace, plural, group or manifest["apiVersion"])
        answer = await self.person.post(where, json=manifest)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def read(self, name: str = "flights", plural: str = "driftmonitors", group: str = "") -> dict[str, Any]:
        answer = await self.person.get(f"{path(self.namespace, plural, group or 'leeboard.dev/v1alpha1')}/{name}")
        return dict(answer.json())

    async def patch(self, where: str, patch: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        answer = await self.person.patch(where, json=patch, headers=headers)
        assert answer.is_success, answer.text

    async def until(self, holds: Callable[[], Any], what: str, within: float = 20.0) -> None:
        async def ready() -> bool:
            found = holds()
            return bool(await found if asyncio.iscoroutine(found) else found)

        await until(ready, what, within=within, every=0.05)

    def writes(self, after: str = "") -> list[dict[str, Any]]:
        """Return the operator's writes, or those that the API server received after `now()`.

        The API server writes the line of its audit log after the answer: an effect is seen before its line.
        """
        mine = [event for event in self.plane.writes(USER) if event["objectRef"].get("namespace") == self.namespace]
        return [event for event in mine if event["requestReceivedTimestamp"] > after]

    async def wrote_once(self, after: str) -> bool:
        """Say whether the operator has written once since then; waits for the line of the first write."""
        await self.until(lambda: self.writes(after), "the line of the operator's write in the audit log")
        return len(self.writes(after)) == 1
