"""The control plane is real: it answers, collects garbage, guards its doors and leaves nothing behind."""

import asyncio
import base64
import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from leeboard.sandbox import crds, programs
from leeboard.sandbox.controlplane import ControlPlane
from leeboard.sandbox.processes import until

CONFIGMAPS = "/api/v1/namespaces/{}/configmaps"


def _configmap(name: str, owner: dict[str, Any] | None = None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if owner is not None:
        reference = {k: owner[k] for k in ("apiVersion", "kind")}
        reference |= {k: owner["metadata"][k] for k in ("name", "uid")}
        metadata["ownerReferences"] = [reference]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


async def _gone(client: httpx.AsyncClient, path: str) -> None:
    async def gone() -> bool:
        return (await client.get(path)).status_code == 404

    await until(gone, f"{path} to go", within=30)


def _client_of(kubeconfig: Path, folder: Path) -> httpx.AsyncClient:
    document = yaml.safe_load(kubeconfig.read_text())
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    for key in ("client-certificate-data", "client-key-data"):
        (folder / key).write_bytes(base64.b64decode(user[key]))
    tls = ssl.create_default_context(cadata=authority)
    tls.load_cert_chain(folder / "client-certificate-data", folder / "client-key-data")
    return httpx.AsyncClient(base_url=cluster["server"], verify=tls)


async def test_answers_with_the_pinned_version(control_plane: ControlPlane):
    async with control_plane.client() as client:
        assert (await client.get("/version")).json()["gitVersion"] == programs.kubernetes_version()


async def test_kubectl_works_with_the_kubeconfig(control_plane: ControlPlane):
    kubectl = (await programs.ensure(["kubectl"]))["kubectl"]
    command = [kubectl, "--kubeconfig", control_plane.kubeconfig(), "get", "namespaces", "-o", "name"]
    output = await asyncio.to_thread(subprocess.check_output, command, text=True)
    assert "namespace/default" in output.splitlines()


async def test_makes_and_deletes_a_namespace_with_all_it_holds(control_plane: ControlPlane):
    await control_plane.make_namespace("short-lived")
    async with control_plane.client() as client:
        await client.post(CONFIGMAPS.format("short-lived"), json=_configmap("inside"))
        await control_plane.delete_namespace("short-lived", wait=True)
        assert (await client.get("/api/v1/namespaces/short-lived")).status_code == 404


async def test_collects_what_lost_its_owner(control_plane: ControlPlane, namespace: str):
    path = CONFIGMAPS.format(namespace)
    async with control_plane.client() as client:
        owner = (await client.post(path, json=_configmap("owner"))).json()
        await client.post(path, json=_configmap("child", owner))
        await client.delete(f"{path}/owner")
        await _gone(client, f"{path}/child")


async def test_collects_what_a_custom_resource_owned(control_plane: ControlPlane, namespace: str):
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes"
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "owner"}}
    async with control_plane.client() as client:
        owner = (await client.post(path, json={**route, "spec": {}})).raise_for_status().json()
        await client.post(CONFIGMAPS.format(namespace), json=_configmap("child", owner))
        await client.delete(f"{path}/owner")
        await _gone(client, f"{CONFIGMAPS.format(namespace)}/child")


async def test_serves_every_version_of_the_neighbours_kinds(control_plane: ControlPlane):
    async with control_plane.client() as client:
        for crd in await crds.neighbours():
            name = crd["metadata"]["name"]
            found = await client.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
            conditions = {c["type"]: c["status"] for c in found.json()["status"]["conditions"]}
            assert conditions["Established"] == "True"
            assert conditions.get("NonStructuralSchema", "False") == "False"
            for version in crd["spec"]["versions"]:
                url = f"/apis/{crd['spec']['group']}/{version['name']}/{crd['spec']['names']['plural']}"
                assert (await client.get(url)).status_code == 200


async def test_refuses_a_field_that_kserve_does_not_have(control_plane: ControlPlane, namespace: str):
    path = f"/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices"
    body = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "arm"},
        "spec": {"predictor": {"modle": {}}},
    }
    async with control_plane.client() as client:
        answer = await client.post(path, json=body, params={"fieldValidation": "Strict"})
    assert answer.status_code == 400
    assert "spec.predictor.modle" in answer.json()["message"]


async def test_lets_a_user_do_what_rbac_grants_and_no_more(control_plane: ControlPlane, namespace: str, tmp_path: Path):
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
    role_ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "readers"}
    async with control_plane.client() as client:
        await client.post(f"{rbac}/roles", json={"metadata": {"name": "reader"}, "rules": [rule]})
        binding = {"metadata": {"name": "readers"}, "roleRef": role_ref, "subjects": [subject]}
        (await client.post(f"{rbac}/rolebindings", json=binding)).raise_for_status()
    path = CONFIGMAPS.format(namespace)
    async with _client_of(control_plane.kubeconfig("alice", ["readers"]), tmp_path) as alice:
        assert (await alice.get(path)).status_code == 200
        assert (await alice.post(path, json=_configmap("mine"))).status_code == 403
    (tried,) = control_plane.writes("alice")
    assert (tried["verb"], tried["responseStatus"]["code"]) == ("create", 403)


async def test_keeps_what_it_had_over_a_restart_and_over_a_crash(control_plane: ControlPlane, namespace: str):
    path = CONFIGMAPS.format(namespace)
    async with control_plane.client() as client:
        await client.post(path, json=_configmap("kept"))
    await control_plane.restart_api_server()
    await control_plane.kill_api_server()
    async with control_plane.client() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(path)
        await control_plane.start_api_server()
        assert (await client.get(f"{path}/kept")).status_code == 200


async def test_leaves_no_process_and_no_folder_after_stop():
    async with ControlPlane() as plane:
        pids = [child.pid for child in plane.children]
        assert len(pids) == 3
    assert not _there(plane.folder)
    assert not any(_runs(str(pid)) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_leaves_no_process_when_its_own_is_ended(number: signal.Signals, tmp_path: Path):
    # A shell that starts the tests in the background has SIGINT ignored, and children inherit that.
    script = f"""
import asyncio, signal
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from leeboard.sandbox.controlplane import ControlPlane
async def main():
    async with ControlPlane(folder=Path({str(tmp_path / "plane")!r})) as plane:
        print(*(child.pid for child in plane.children), flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    pids = (await process.stdout.readline()).decode().split()
    assert len(pids) == 3
    os.kill(process.pid, number)
    await process.wait()

    async def gone() -> bool:
        return not any(_runs(pid) for pid in pids)

    await until(gone, "the children to go", within=10)
    assert number is signal.SIGKILL or not _there(tmp_path / "plane")


def _there(path: Path) -> bool:
    return path.exists()


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
