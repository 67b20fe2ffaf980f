"""The operator as a process of its own, with no more rights than its ClusterRole gives it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from leeboard.control.client import Client
from leeboard.control.conditions import find
from leeboard.crdgen.rbac import cluster_role
from leeboard.sandbox.processes import free_port, until
from leeboard.sandbox.rights import grants
from tests.support.bench import Bench, monitor
from tests.support.manifests import DRIFT_MONITOR, MODEL_DEPLOYMENT, RETRAIN_POLICY

RBAC = "/apis/rbac.authorization.k8s.io/v1"
LIMITED = "leeboard-limited"


@pytest.fixture
async def environment(bench: Bench) -> dict[str, str]:
    """Be somebody who may do what the ClusterRole says, with neighbours that are all away."""
    for plural, manifest in grants("leeboard", LIMITED):
        answer = await bench.person.post(f"{RBAC}/{plural}", json=manifest)
        assert answer.status_code in {201, 409}, answer.text
    away = f"http://127.0.0.1:{free_port()}"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("LEEBOARD_")},
        "KUBECONFIG": str(bench.plane.kubeconfig(LIMITED)),
        "LEEBOARD_TRACKING_URI": away,
        "LEEBOARD_PROMETHEUS_URL": away,
        "LEEBOARD_METRICS_PORT": str(free_port()),
        "LEEBOARD_HEALTH_PORT": str(free_port()),
    }


@asynccontextmanager
async def process(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "leeboard"), env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def alive(environment: dict[str, str]) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False) as web:
            answer = await web.get(f"http://127.0.0.1:{environment['LEEBOARD_HEALTH_PORT']}/healthz")
            return answer.is_success
    except httpx.HTTPError:
        return False


async def test_starts_reports_and_ends_on_sigterm_within_its_rights(bench: Bench, environment: dict[str, str]) -> None:
    async with process(environment) as operator:
        await until(lambda: alive(environment), "the health probe", within=60)
        await bench.create(monitor(bench.namespace))

        async def reported() -> Any:
            conditions = ((await bench.read()).get("status") or {}).get("conditions", [])
            return find(conditions, "Ready")

        ready = await until(reported, "the status", within=30)
        assert ready["message"]
        operator.send_signal(signal.SIGTERM)
        _, log = await operator.communicate()
        assert operator.returncode == 0, log.decode()[-3000:]
    assert f'User \\"{LIMITED}\\" cannot'.encode() not in log  # how RBAC refuses; the line is JSON
    assert b"Traceback" not in log, log.decode()[-6000:]


async def test_goes_on_where_it_was_after_kill_9(bench: Bench, environment: dict[str, str]) -> None:
    async with process(environment):
        await until(lambda: alive(environment), "the health probe", within=60)
    await bench.create(monitor(bench.namespace))
    async with process(environment):

        async def reported() -> Any:
            return ((await bench.read()).get("status") or {}).get("conditions")

        await until(reported, "the status", within=60)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("LEEBOARD_MAX_PASSES", "many", "LEEBOARD_MAX_PASSES"),
        ("KUBECONFIG", "/nowhere/kubeconfig", "there is no way to the API server"),
    ],
)
async def test_what_cannot_be_is_one_sentence(
    environment: dict[str, str], variable: str, value: str, sentence: str
) -> None:
    async with process(environment | {variable: value}) as operator:
        _, log = await operator.communicate()
    assert operator.returncode == 1
    assert sentence in log.decode()
    assert "Traceback" not in log.decode()


async def test_crds_that_are_older_than_the_operator_are_one_sentence(
    bench: Bench, client: Client, environment: dict[str, str]
) -> None:
    async with _without(bench, client, "episode"), process(environment) as operator:
        _, log = await operator.communicate()
    assert operator.returncode == 1
    sentence = (
        "the API server's CRD of DriftMonitor lacks status.episode: apply the CRDs of this version (leeboard crds)"
    )
    assert sentence in log.decode()
    assert "Traceback" not in log.decode()


@asynccontextmanager
async def _without(bench: Bench, client: Client, field: str) -> AsyncIterator[None]:
    """Serve DriftMonitors as a version did whose status had no such field."""
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/driftmonitors.leeboard.dev"
    where = f"/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/{field}"

    async def status() -> dict[str, Any]:
        return dict((await client.schema("DriftMonitor") or {})["properties"]["status"]["properties"])

    async def change(**what: Any) -> None:
        patch = [{"path": where, **what}]
        answer = await bench.person.patch(
            crd, content=json.dumps(patch), headers={"Content-Type": "application/json-patch+json"}
        )
        assert answer.is_success, answer.text

    known = (await bench.person.get(crd)).json()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    try:
        await change(op="remove")

        async def gone() -> bool:
            return field not in await status()

        await until(gone, "the older schema to be served", within=30)
        yield
    finally:
        await change(op="add", value=known["properties"]["status"]["properties"][field])

        async def back() -> bool:
            return field in await status()

        await until(back, "the present schema to be served again", within=30)


async def test_a_port_that_is_taken_is_one_sentence(environment: dict[str, str]) -> None:
    server = await asyncio.start_server(lambda *_: None, "0.0.0.0", int(environment["LEEBOARD_METRICS_PORT"]))  # noqa: S104
    async with server, process(environment) as operator:
        _, log = await operator.communicate()
    assert operator.returncode == 1
    assert "LEEBOARD_METRICS_PORT" in log.decode()


async def passes(environment: dict[str, str]) -> dict[str, int]:
    async with httpx.AsyncClient(trust_env=False) as web:
        text = (await web.get(f"http://127.0.0.1:{environment['LEEBOARD_METRICS_PORT']}/metrics")).text
    return {kind: int(float(number)) for kind, number in re.findall(r'pass_seconds_count{kind="(\w+)"} (\S+)', text)}


async def test_says_once_that_its_neighbours_are_away_and_writes_nothing_more(
    bench: Bench, environment: dict[str, str]
) -> None:
    for kind, plural, spec in (
        ("ModelDeployment", "modeldeployments", MODEL_DEPLOYMENT),
        ("DriftMonitor", "driftmonitors", DRIFT_MONITOR),
        ("RetrainPolicy", "retrainpolicies", RETRAIN_POLICY),
    ):
        metadata = {"name": "flights", "namespace": bench.namespace}
        manifest = {"apiVersion": "leeboard.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
        await bench.create(manifest, plural)

    def writes() -> list[str]:
        events = [event for event in bench.plane.writes(LIMITED) if event["objectRef"]["namespace"] == bench.namespace]
        return [f"{event['verb']} {event['objectRef']['resource']} {event['stageTimestamp']}" for event in events]

    environment["LEEBOARD_NAMESPACES"] = bench.namespace  # what other tests left is none of this one's business

    async def told() -> Any:
        plurals = ("retrainpolicies", "driftmonitors", "modeldeployments")
        found = [((await bench.read("flights", plural)).get("status") or {}).get("conditions") for plural in plurals]
        return all(found) and found[-1]

    async def grown(by: int, before: dict[str, int]) -> bool:
        return (await passes(environment)).get("ModelDeployment", 0) >= before.get("ModelDeployment", 0) + by

    async with process(environment):
        await until(lambda: alive(environment), "the health probe", within=60)
        await until(lambda: grown(2, {}), "two passes", within=30)
        ready = find(await until(told, "what the operator says", within=30), "Ready")
        assert ready is not None
        assert "MLflow at http://127.0.0.1" in ready["message"]
        said, before = writes(), await passes(environment)
        await until(lambda: grown(2, before), "two more passes", within=60)
        assert writes() == said


async def test_works_in_its_namespaces_with_no_rights_in_the_cluster(bench: Bench, environment: dict[str, str]) -> None:
    fenced = "leeboard-fenced"
    role = cluster_role() | {"kind": "Role", "metadata": {"name": "leeboard"}}
    role["rules"] = [rule for rule in role["rules"] if rule["apiGroups"] != ["apiextensions.k8s.io"]]
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "leeboard"},
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "leeboard"},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": fenced}],
    }
    for plural, manifest in (("roles", role), ("rolebindings", binding)):
        answer = await bench.person.post(f"{RBAC}/namespaces/{bench.namespace}/{plural}", json=manifest)
        assert answer.is_success, answer.text
    environment |= {"KUBECONFIG": str(bench.plane.kubeconfig(fenced)), "LEEBOARD_NAMESPACES": bench.namespace}
    await bench.create(monitor(bench.namespace))
    async with process(environment) as operator:

        async def reported() -> Any:
            return ((await bench.read()).get("status") or {}).get("conditions")

        await until(reported, "the status", within=60)
        await until(lambda: alive(environment), "the health probe", within=60)
        operator.send_signal(signal.SIGTERM)
        _, log = await operator.communicate()
        assert operator.returncode == 0, log.decode()[-3000:]
    assert b"Traceback" not in log, log.decode()[-6000:]
