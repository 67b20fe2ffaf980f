# ruff: noqa: ARG002 -- what is played need not look at every argument of the Protocol
"""A world that a test plays: objects in memory, neighbours that answer what the test says, and passes that may crash.

It implements the Protocols of `control/world.py`; the passes follow `control/passes.py` step by step, so that a test
can cut one off after any step.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import yaml

from leeboard.api.errors import TransientError
from leeboard.contract.documents import short_hash
from leeboard.contract.jobs import JobReport, JobRequest
from leeboard.contract.kinds import REQUEST_BY_KIND
from leeboard.contract.registry import RegisteredModel, ReportedRun
from leeboard.contract.serving import TableState
from leeboard.control.children import ANNOTATION_REQUEST
from leeboard.control.clock import iso
from leeboard.control.steps import Create, Delete, EmitEvent, KeepRuns, Outcomes, Plan, StepFailure, WriteRegistry
from leeboard.control.world import World
from leeboard.settings import Settings

NAMESPACE = "default"
START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class CrashError(Exception):
    """The operator died here."""


@dataclass
class PlayedWorld:
    """Everything that stands, and what the neighbours would answer."""

    time: datetime = START
    settings: Settings = field(default_factory=lambda: Settings(collector_url="http://collector"))
    pods: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By label selector."""
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    reports: dict[str, ReportedRun] = field(default_factory=dict)
    tables: TableState | None = None
    models: dict[str, RegisteredModel] = field(default_factory=dict)
    ledger: list[Any] = field(default_factory=list)
    examples: list[Any] = field(default_factory=list)
    """Input examples of every version."""
    away: set[str] = field(default_factory=set)
    refused: Callable[[Any], str | None] = lambda _: None
    """Says why a step fails, or None."""
    hidden: set[str] = field(default_factory=set)
    """RayJobs that exist, while the store has not heard of them yet, or no more: they lost their labels."""
    requests: dict[str, str] = field(default_factory=dict)
    """Request hash of every RayJob ever made, by name."""
    made: list[JobRequest] = field(default_factory=list)
    """Requests of every RayJob ever made, in order."""
    events: list[EmitEvent] = field(default_factory=list)
    registry_writes: list[Any] = field(default_factory=list)
    kept_runs: list[KeepRuns] = field(default_factory=list)
    status_writes: int = 0
    asked: list[str] = field(default_factory=list)

    # what a test does

    def pass_time(self, **length: float) -> None:
        self.time += timedelta(**length)

    def put(self, kind: str, name: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
        meta = {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{kind}-{name}",
            "generation": 1,
            "creationTimestamp": iso(self.time),
        } | more.pop("metadata", {})
        self.objects[kind, name] = {"metadata": meta, "spec": spec, **more}
        return self.objects[kind, name]

    def status(self, kind: str, name: str) -> dict[str, Any]:
        return self.objects[kind, name].get("status", {})

    def condition(self, kind: str, name: str, condition: str) -> dict[str, Any] | None:
        found = self.status(kind, name).get("conditions", [])
        return next((c for c in found if c["type"] == condition), None)

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        return {name: raw for (kind, name), raw in self.objects.items() if kind == "RayJob"}

    def hold_up(self, name: str, why: str) -> None:
        """Let no node take the pods of a RayJob's cluster."""
        self.objects["RayJob", name]["status"] = {"jobDeploymentStatus": "Initializing", "rayClusterName": "rc"}
        unplaced = {"type": "PodScheduled", "status": "False", "message": why}
        pod = {"metadata": {"name": "head"}, "status": {"phase": "Pending", "conditions": [unplaced]}}
        self.pods["ray.io/cluster=rc"] = [pod]

    def end_job(self, name: str, deployment: str = "Complete", job: str = "SUCCEEDED", reason: str = "") -> None:
        self.objects["RayJob", name]["status"] = {
            "jobDeploymentStatus": deployment,
            "jobStatus": job,
            "reason": reason,
            "message": "it broke" if reason else "",
        }

    def request_of(self, name: str) -> JobRequest:
        return read_request(self.objects["RayJob", name])

    def answer(self, request: JobRequest, report: JobReport) -> None:
        run = f"run-{request.request_hash[:8]}"
        self.reports[request.request_hash] = ReportedRun(run, report, f"mlflow-artifacts:/1/{run}/report.html")

    # the Protocols

    @property
    def world(self) -> World:
        client = SimpleNamespace(get=self._read, pods=self._pods)
        played = {"store": self, "registry": self, "collector": self, "clock": self, "settings": self.settings}
        played["client"] = client
        return World(**{part.name: played.get(part.name, SimpleNamespace()) for part in fields(World)})

    def now(self) -> datetime:
        return self.time

    async def _pods(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        return self.pods.get(selector, [])

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        return self.objects.get((kind, name)) if name not in self.hidden else None

    async def _read(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Answer as the API server, which also knows what the store does not see."""
        return self.objects.get((kind, name))

    def owned(self, owner_uid: str, kind: str) -> list[dict[str, Any]]:
        return [
            raw
            for raw in self.list(kind)
            if any(ref["uid"] == owner_uid for ref in raw["metadata"].get("ownerReferences", []))
        ]

    def referring(self, kind: str, namespace: str, model_deployment: str) -> list[dict[str, Any]]:
        return [raw for raw in self.list(kind) if raw["spec"]["modelDeploymentRef"]["name"] == model_deployment]

    def list(self, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        return [raw for (of, name), raw in sorted(self.objects.items()) if of == kind and name not in self.hidden]

    def serves(self, kind: str) -> bool:
        return True

    async def table_state(self, namespace: str, model_deployment: str) -> TableState | None:
        self._ask("collector")
        return self.tables

    async def report(self, experiment: str, request_hash: str, kind: str) -> ReportedRun | None:
        self._ask("mlflow")
        return self.reports.get(request_hash)

    async def model(self, name: str) -> RegisteredModel | None:
        self._ask("mlflow")
        return self.models.get(name)

    async def refresh(self, name: str) -> RegisteredModel | None:
        return await self.model(name)

    async def input_example(self, name: str, version: str) -> list[Any]:
        self._ask("mlflow")
        return list(self.examples)

    async def fired(self, experiment: str, policy: str) -> list[Any]:
        self._ask("mlflow")
        return list(self.ledger)

    def _ask(self, neighbour: str) -> None:
        self.asked.append(neighbour)
        if neighbour in self.away:
            raise TransientError(f"{neighbour} does not answer")

    # a pass

    async def one_pass(self, loop: Any, name: str, crash_after: int | None = None) -> Plan:
        """Run one pass; die after so many writes, if asked."""
        writes = _Countdown(crash_after)
        raw = self.objects[loop.kind, name]
        seen = await loop.observe(loop.parse(deepcopy(raw)), self.world)
        plan: Plan = loop.decide(seen)
        if plan.intent is not None:
            self._write_status(loop, raw, plan.intent)
            writes.tick()
        outcomes = self._apply(plan, writes)
        self._write_status(loop, raw, loop.status_of(seen, plan, outcomes))
        return plan

    async def settle(self, loop: Any, name: str, limit: int = 30) -> Plan:
        """Run passes until one has no steps and changes nothing."""
        for _ in range(limit):
            before = self.status_writes
            plan = await self.one_pass(loop, name)
            if not plan.steps and self.status_writes == before:
                return plan
        raise AssertionError(f"{name} does not settle: {self.status(loop.kind, name)}")

    def _write_status(self, loop: Any, raw: dict[str, Any], status: dict[str, Any]) -> None:
        loop.parse({**raw, "status": status})
        if raw.get("status", {}) != status:
            raw["status"] = deepcopy(status)
            self.status_writes += 1

    def _apply(self, plan: Plan, writes: _Countdown) -> Outcomes:
        failures: list[Any] = []
        for step in plan.steps:
            why = self.refused(step)
            if why is not None and isinstance(step, WriteRegistry):
                failures.extend(step.writes)
                continue
            if why is not None:
                return Outcomes(failure=StepFailure(step, why, transient=True))
            self._do(step)
            writes.tick()
        return Outcomes(registry_failures=tuple(failures), registry_message="mlflow is away" if failures else "")

    def _do(self, step: Any) -> None:
        if isinstance(step, Create):
            self._create(step.manifest)
        elif isinstance(step, Delete):
            found = self.objects.get((step.kind, step.name))
            if found is not None and found["metadata"]["uid"] == step.uid:
                del self.objects[step.kind, step.name]
        elif isinstance(step, EmitEvent):
            if step not in self.events:  # equal ones are written once
                self.events.append(step)
        elif isinstance(step, KeepRuns):
            self.kept_runs.append(step)
        else:
            assert isinstance(step, WriteRegistry)
            for write in step.writes:
                self.registry_writes.append(write)
                before = self.models.get(step.model, RegisteredModel(step.model))
                aliases = {**before.aliases, str(write.set_alias): write.version}
                self.models[step.model] = replace(before, aliases=aliases)

    def _create(self, manifest: dict[str, Any]) -> None:
        name = manifest["metadata"]["name"]
        request = manifest["metadata"]["annotations"][ANNOTATION_REQUEST]
        assert len(name) <= 47
        assert read_request(manifest).request_hash == request
        assert self.requests.setdefault(name, request) == request, "one name for two requests"
        if ("RayJob", name) not in self.objects:
            made = deepcopy(manifest)
            made["metadata"] |= {
                "uid": short_hash(name, iso(self.time), len(self.requests)),
                "creationTimestamp": iso(self.time),
            }
            self.objects["RayJob", name] = made
            self.made.append(read_request(manifest))


class _Countdown:
    def __init__(self, left: int | None) -> None:
        self.left = left

    def tick(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise CrashError


def read_request(manifest: dict[str, Any]) -> JobRequest:
    """Read the request out of a RayJob."""
    kind = manifest["spec"]["entrypoint"].split()[-1]
    return REQUEST_BY_KIND[kind].decode(
        yaml.safe_load(manifest["spec"]["runtimeEnvYAML"])["env_vars"]["LEEBOARD_REQUEST"]
    )
