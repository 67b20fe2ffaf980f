"""What the stand-in says about a route, in its form and as the operator reads it."""

from typing import Any

from leeboard.modeldeployment.route import read_route
from leeboard.sandbox.gateway import Endpoints
from leeboard.sandbox.standins.httproutes import CONTROLLER, route_status

EARLIER = "2026-01-01T00:00:00Z"
PARENT = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "gateways", "name": "public"}
ENDPOINTS = Endpoints({("ml", "there"): None})


def http_route(*backends: str, status: dict[str, Any] | None = None) -> dict[str, Any]:
    rule = {"backendRefs": [{"name": name, "port": 80, "weight": 1} for name in backends]}
    return {
        "metadata": {"namespace": "ml", "name": "flights", "generation": 4},
        "spec": {"parentRefs": [PARENT], "rules": [rule]},
        "status": status or {},
    }


def conditions(status: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (parent,) = status["parents"]
    return {condition["type"]: condition for condition in parent["conditions"]}


def test_a_route_is_accepted_and_its_backends_are_found():
    status = route_status(http_route("there"), ENDPOINTS)
    (parent,) = status["parents"]
    assert (parent["parentRef"], parent["controllerName"]) == (PARENT, CONTROLLER)
    found = conditions(status)
    assert {kind: (each["status"], each["reason"]) for kind, each in found.items()} == {
        "Accepted": ("True", "Accepted"),
        "ResolvedRefs": ("True", "ResolvedRefs"),
    }
    assert {each["observedGeneration"] for each in found.values()} == {4}


def test_a_missing_backend_is_named():
    found = conditions(route_status(http_route("there", "nobody"), ENDPOINTS))
    assert found["Accepted"]["status"] == "True"
    assert (found["ResolvedRefs"]["status"], found["ResolvedRefs"]["reason"]) == ("False", "BackendNotFound")
    assert "nobody" in found["ResolvedRefs"]["message"]


def test_the_operator_reads_it_as_meant():
    route = http_route("there")
    (good,) = read_route(route | {"status": route_status(route, ENDPOINTS)}, "").parents
    assert (good.gateway, good.accepted, good.resolved, good.current) == ("gateways/public", True, True, True)
    route = http_route("nobody")
    (bad,) = read_route(route | {"status": route_status(route, ENDPOINTS)}, "").parents
    assert (bad.accepted, bad.resolved, bad.message) == (True, False, "Service nobody not found")


def test_a_condition_keeps_the_time_of_its_last_change():
    status = route_status(http_route("there"), ENDPOINTS)
    for condition in status["parents"][0]["conditions"]:
        condition["lastTransitionTime"] = EARLIER
    same = conditions(route_status(http_route("there", status=status), ENDPOINTS))
    assert {each["lastTransitionTime"] for each in same.values()} == {EARLIER}
    changed = conditions(route_status(http_route("nobody", status=status), ENDPOINTS))
    assert changed["Accepted"]["lastTransitionTime"] == EARLIER
    assert changed["ResolvedRefs"]["lastTransitionTime"] > EARLIER
