from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from leeboard.api.errors import NotYetError, SpecError, TransientError
from leeboard.api.shared import ObjectMeta
from leeboard.control import children
from leeboard.control.conditions import find, holds
from leeboard.control.passes import one_pass
from leeboard.control.ref import Ref
from leeboard.control.steps import Create, Finished, Look, Outcomes, Plan
from leeboard.control.world import World
from tests.support.memory import Memory

REF = Ref("DriftMonitor", "ml", "flights")
RAW = {
    "apiVersion": "leeboard.dev/v1alpha1",
    "kind": "DriftMonitor",
    "metadata": {"name": "flights", "namespace": "ml", "uid": "uid-1", "generation": 4},
    "spec": {"modelDeploymentRef": {"name": "flights"}},
    "status": {"quietRuns": 2, "conditions": []},
}


@dataclass
class Loop:
    """A loop that does what the test says."""

    plan: Plan = field(default_factory=lambda: Plan({"quietRuns": 3, "conditions": []}, look=Look(60)))
    error: Exception | None = None
    where: str = "observe"
    kind: str = "DriftMonitor"

    def _maybe_raise(self, where: str) -> None:
        if self.error is not None and self.where == where:
            raise self.error

    def parse(self, raw: dict[str, Any]) -> dict[str, Any]:
        self._maybe_raise("parse")
        return raw

    async def observe(self, subject: dict[str, Any], _world: World) -> dict[str, Any]:
        self._maybe_raise("observe")
        return subject

    def decide(self, _seen: dict[str, Any]) -> Plan:
        self._maybe_raise("decide")
        return self.plan

    def status_of(self, _seen: dict[str, Any], plan: Plan, outcomes: Outcomes) -> dict[str, Any]:
        failed = {"message": outcomes.failure.message} if outcomes.failure else {}
        return plan.status | failed


def there(raw: dict[str, Any] = RAW) -> Memory:
    memory = Memory()
    memory.client.put(raw)
    return memory


def status(memory: Memory) -> dict[str, Any]:
    return dict(memory.client.objects["DriftMonitor", "ml", "flights"]["status"])


async def test_writes_the_whole_status_and_looks_again_when_the_plan_says():
    memory = there()
    assert await one_pass(Loop(), REF, memory.world) == Finished(Look(60))
    assert status(memory) == {"quietRuns": 3, "conditions": []}


async def test_a_status_that_stands_is_not_written():
    memory = there()
    await one_pass(Loop(), REF, memory.world)
    memory.client.calls.clear()
    await one_pass(Loop(), REF, memory.world)
    assert memory.client.calls == []


async def test_an_object_that_is_gone_or_going_needs_no_pass():
    assert await one_pass(Loop(), REF, Memory().world) == Finished(Look.never())
    going = {**RAW, "metadata": {**RAW["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}  # type: ignore[dict-item]
    memory = there(going)
    assert await one_pass(Loop(), REF, memory.world) == Finished(Look.never())
    assert memory.client.calls == []


async def test_the_intent_is_written_before_the_effect():
    memory = there()
    owner = ObjectMeta(name="flights", namespace="ml", uid="uid-1")
    metadata = children.metadata("job", "DriftMonitor", owner, children.labels("flights"))
    job = {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": metadata, "spec": {}}
    plan = Plan({"done": True}, steps=(Create(job),), intent={"intends": "job"})
    await one_pass(Loop(plan), REF, memory.world)
    assert [call[0] for call in memory.client.calls] == ["status", "create", "status"]
    assert status(memory) == {"done": True}


async def test_a_crash_after_the_intent_leaves_it():
    memory = there()
    memory.client.refuse["create"] = RuntimeError("the machine is gone")
    job = {"kind": "RayJob", "metadata": {"name": "job", "namespace": "ml"}, "spec": {}}
    await one_pass(Loop(Plan({}, steps=(Create(job),), intent={"intends": "job"})), REF, memory.world)
    assert status(memory)["intends"] == "job"


@pytest.mark.parametrize("where", ["parse", "observe", "decide"])
async def test_an_impossible_wish_stalls_until_it_changes(where: str):
    memory = there()
    loop = Loop(error=SpecError("there is no such time zone", "UnknownTimeZone"), where=where)
    assert await one_pass(loop, REF, memory.world) == Finished(Look.never())
    conditions = status(memory)["conditions"]
    assert holds(conditions, "Stalled")
    ready = find(conditions, "Ready")
    assert ready is not None
    assert (ready["status"], ready["reason"], ready["observedGeneration"]) == ("False", "UnknownTimeZone", 4)
    assert status(memory)["quietRuns"] == 2


async def test_what_comes_first_is_waited_for():
    memory = there()
    loop = Loop(error=NotYetError("the arm is being deleted", "ArmTerminating", after=7))
    assert await one_pass(loop, REF, memory.world) == Finished(Look(7))
    assert holds(status(memory)["conditions"], "Reconciling")


async def test_a_neighbour_that_is_away_is_named_and_the_rest_of_the_status_stays():
    memory = there()
    loop = Loop(error=TransientError("MLflow at http://mlflow does not answer", "RegistryUnavailable"))
    assert await one_pass(loop, REF, memory.world) == Finished(Look.never(), failed=True)
    ready = find(status(memory)["conditions"], "Ready")
    assert ready is not None
    assert ready["reason"] == "RegistryUnavailable"
    assert ready["message"] == "MLflow at http://mlflow does not answer"
    assert status(memory)["quietRuns"] == 2
    memory.client.calls.clear()
    memory.clock.move(minutes=1)
    await one_pass(loop, REF, memory.world)
    assert memory.client.calls == []  # it says so once


async def test_it_heals_by_itself():
    memory = there()
    await one_pass(Loop(error=TransientError("MLflow is away")), REF, memory.world)
    await one_pass(Loop(), REF, memory.world)
    assert status(memory) == {"quietRuns": 3, "conditions": []}


async def test_a_mistake_of_our_own_is_traced_and_said(caplog: pytest.LogCaptureFixture):
    memory = there()
    finished = await one_pass(Loop(error=KeyError("windw"), where="decide"), REF, memory.world)
    assert finished == Finished(Look.never(), failed=True)
    ready = find(status(memory)["conditions"], "Ready")
    assert ready is not None
    assert ready["reason"] == "InternalError"
    assert "Traceback" in caplog.text


async def test_an_api_server_that_is_away_fails_the_pass():
    memory = there()
    memory.client.refuse["get"] = TransientError("the API server does not answer")
    assert (await one_pass(Loop(), REF, memory.world)).failed


async def test_a_conflict_ends_the_pass():
    memory = there()

    class Disturbed(Loop):
        async def observe(self, subject: dict[str, Any], _world: World) -> dict[str, Any]:
            memory.client.put(memory.client.objects["DriftMonitor", "ml", "flights"] | {"spec": {"new": True}})
            return subject

    assert await one_pass(Disturbed(), REF, memory.world) == Finished(Look.never(), failed=True)
    assert status(memory)["quietRuns"] == 2


async def test_a_failed_step_stands_in_status_and_the_pass_backs_off():
    memory = there()
    memory.client.refuse["create"] = TransientError("there is no room")
    job = {"kind": "RayJob", "metadata": {"name": "job", "namespace": "ml"}, "spec": {}}
    finished = await one_pass(Loop(Plan({}, steps=(Create(job),), look=Look(30))), REF, memory.world)
    assert finished == Finished(Look(30), failed=True)
    assert status(memory) == {"message": "there is no room"}


async def test_tells_prometheus_what_stands_and_forgets_what_is_gone():
    memory = there()
    ready = {"type": "Ready", "status": "True", "reason": "A", "message": ""}
    run = {
        "verdict": "Drifted",
        "finishedTime": "2026-01-01T00:00:00Z",
        "checks": [{"name": "columns", "statistic": 0.4}],
    }
    traffic = [{"version": "7", "arm": "flights-v7", "percent": 25}]
    plan = Plan({"conditions": [ready], "lastRun": run, "traffic": traffic})
    for _ in range(2):
        await one_pass(Loop(plan), REF, memory.world)
    sample = memory.telemetry.registry.get_sample_value
    of_object = {"kind": "DriftMonitor", "model_namespace": "ml", "name": "flights"}
    assert sample("leeboard_condition", of_object | {"type": "Ready"}) == 1
    assert sample("leeboard_runs_total", of_object | {"outcome": "Drifted"}) == 1
    drift = {"model_namespace": "ml", "driftmonitor": "flights", "check": "columns"}
    assert sample("leeboard_drift_score", drift) == 0.4
    assert sample("leeboard_check_drifted", drift) == 0
    arm = {"model_namespace": "ml", "modeldeployment": "flights", "version": "7", "arm": "flights-v7"}
    assert sample("leeboard_traffic_weight", arm) == 25
    memory.client.objects.clear()
    await one_pass(Loop(plan), REF, memory.world)
    assert sample("leeboard_condition", of_object | {"type": "Ready"}) is None
    assert sample("leeboard_traffic_weight", arm) is None
