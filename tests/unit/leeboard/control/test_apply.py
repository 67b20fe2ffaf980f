from __future__ import annotations

from typing import Any

import pytest

from leeboard.api.errors import TransientError
from leeboard.api.modeldeployment import RegistryWrite
from leeboard.api.shared import ObjectMeta
from leeboard.control import children
from leeboard.control.apply import apply, contains
from leeboard.control.refusals import RefusedError
from leeboard.control.steps import Adjust, Apply, ClaimAlias, Create, Delete, EmitEvent, WriteRegistry
from leeboard.settings import Settings
from tests.support.memory import Memory

OWNER = ObjectMeta(name="flights", namespace="ml", uid="uid-owner")
SUBJECT = {
    "apiVersion": "leeboard.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "flights", "namespace": "ml", "uid": "uid-owner", "resourceVersion": "1"},
}


def child(kind: str, name: str = "child", spec: Any = None) -> dict[str, Any]:
    metadata = children.metadata(name, "ModelDeployment", OWNER, children.labels("flights"))
    return {"apiVersion": "x/v1", "kind": kind, "metadata": metadata, "spec": spec or {"weight": 5}}


async def test_takes_the_steps_in_order():
    memory = Memory()
    steps = (Create(child("InferenceService", "arm")), Apply(child("HTTPRoute")), EmitEvent("Normal", "Made", "it is"))
    outcomes = await apply(steps, SUBJECT, memory.world)
    assert outcomes.ok
    assert [call[:2] for call in memory.client.calls] == [
        ("create", "InferenceService"),
        ("apply", "HTTPRoute"),
        ("create", "Event"),
    ]


async def test_the_same_steps_again_make_no_call():
    memory = Memory()
    steps = (Create(child("InferenceService", "arm")), Apply(child("HTTPRoute")), Adjust("arm", 1, 2))
    await apply(steps, SUBJECT, memory.world)
    memory.client.calls.clear()
    assert (await apply(steps, SUBJECT, memory.world)).ok
    assert memory.client.calls == []


async def test_stops_at_the_first_failure_and_names_it():
    memory = Memory()
    memory.client.refuse["apply"] = TransientError("the API server is away")
    route = Apply(child("HTTPRoute"))
    outcomes = await apply((route, Create(child("RayJob"))), SUBJECT, memory.world)
    assert outcomes.failure is not None
    assert outcomes.failure.step is route
    assert outcomes.failure.message == "the API server is away"
    assert outcomes.failure.transient
    assert [call[0] for call in memory.client.calls] == ["apply"]


async def test_what_the_api_server_refuses_for_good_is_no_transient_failure():
    memory = Memory()
    memory.client.refuse["create"] = RefusedError("spec.replicas: invalid")
    outcomes = await apply((Create(child("RayJob")),), SUBJECT, memory.world)
    assert outcomes.failure is not None
    assert not outcomes.failure.transient


async def test_writes_to_the_registry_hold_nothing_back_and_come_back_when_they_fail():
    memory = Memory()
    memory.registry.away = True
    write = RegistryWrite(set_alias="champion", version="7")
    outcomes = await apply((WriteRegistry("flights", (write,)), Apply(child("HTTPRoute"))), SUBJECT, memory.world)
    assert outcomes.failure is None
    assert outcomes.registry_failures == (write,)
    assert "MLflow is away" in outcomes.registry_message
    assert not outcomes.ok
    assert [call[0] for call in memory.client.calls] == ["apply"]


async def test_writes_to_the_registry_are_made():
    memory = Memory()
    write = RegistryWrite(set_alias="champion", version="7")
    steps = (ClaimAlias("flights", "champion", "default/ml/flights"), WriteRegistry("flights", (write,)))
    assert (await apply(steps, SUBJECT, memory.world)).ok
    assert memory.registry.writes == [write]
    assert memory.registry.claims == [("flights", "champion", "default/ml/flights")]


@pytest.mark.parametrize("step", [Apply, Create])
async def test_ours_gets_its_labels_back(step: Any):
    memory = Memory()
    there = child("HTTPRoute")
    there["metadata"] |= {"labels": {}}
    memory.client.put(there)  # the store, which sees only labelled objects, knows nothing of it
    wanted = child("HTTPRoute")
    assert (await apply((step(wanted),), SUBJECT, memory.world)).ok
    assert memory.client.objects["HTTPRoute", "ml", "child"]["metadata"]["labels"] == wanted["metadata"]["labels"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, "is being deleted"),
        ({"ownerReferences": [{"uid": "uid-older", "controller": True}]}, "belongs to another object"),
        ({"ownerReferences": []}, "belongs to another object"),
    ],
)
@pytest.mark.parametrize("step", [Apply, Create])
async def test_what_is_not_ours_or_on_its_way_out_is_waited_for(step: Any, change: dict[str, Any], sentence: str):
    memory = Memory()
    there = child("HTTPRoute")
    there["metadata"] |= change
    memory.client.put(there)  # the store, which sees only labelled objects, knows nothing of it
    outcomes = await apply((step(child("HTTPRoute", spec={"weight": 9})),), SUBJECT, memory.world)
    assert outcomes.failure is not None
    assert sentence in outcomes.failure.message
    assert outcomes.failure.transient
    assert memory.client.objects["HTTPRoute", "ml", "child"]["spec"] == {"weight": 5}


async def test_a_child_that_is_there_already_is_success_when_it_is_ours():
    memory = Memory()
    memory.client.put(child("RayJob"))
    assert (await apply((Create(child("RayJob")),), SUBJECT, memory.world)).ok
    assert memory.store.get("RayJob", "ml", "child") is not None


async def test_deletes_and_forgets():
    memory = Memory()
    made = memory.client.put(child("InferenceService", "arm"))
    memory.store.put(made)
    assert (await apply((Delete("InferenceService", "arm", made["metadata"]["uid"]),), SUBJECT, memory.world)).ok
    assert memory.client.objects == {}
    assert memory.store.get("InferenceService", "ml", "arm") is None


async def test_more_jobs_than_the_settings_allow_wait():
    memory = Memory(settings=Settings(max_jobs_at_once=1))
    memory.store.put(memory.client.put(child("RayJob", "runs")))
    outcomes = await apply((Create(child("RayJob", "waits")),), SUBJECT, memory.world)
    assert outcomes.failure is not None
    assert "LEEBOARD_MAX_JOBS_AT_ONCE" in outcomes.failure.message
    ended = child("RayJob", "runs") | {"status": {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}}
    memory.store.put(memory.client.put(ended))
    assert (await apply((Create(child("RayJob", "waits")),), SUBJECT, memory.world)).ok


@pytest.mark.parametrize(
    ("live", "desired", "stands"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"rules": [{"weight": 5, "kind": "Service"}]}, {"rules": [{"weight": 5}]}, True),
        ({"rules": [{"weight": 5}, {"weight": 6}]}, {"rules": [{"weight": 5}]}, False),
        ({"rules": [{"weight": 5}]}, {"rules": []}, False),
        ({"a": None}, {"a": {"b": 1}}, False),
        ({"a": 1.0}, {"a": 1}, True),
    ],
)
def test_what_is_desired_stands_when_the_live_object_has_it_all(live: Any, desired: Any, stands: bool):  # noqa: FBT001
    assert contains(live, desired) is stands
