"""The command line against a real API server: it shows what stands there, and people's acts arrive."""

import asyncio
import json
import os
from pathlib import Path

import pytest
import yaml

from leeboard.api.actions import parse_action
from leeboard.crdgen.kinds import KINDS, crd
from leeboard.sandbox import programs
from tests.support.shell import BIN, OBJECTS, Shell


async def test_shows_one_model_at_a_glance(shell: Shell):
    text = await shell.says("status", "flights")
    for words in ("● RollingOut", "v7 75 %", "canary step 2 of 3", "worst: dep_delay", "champion 0.7021"):
        assert words in text


async def test_shows_all_models_also_as_a_plugin_of_kubectl(shell: Shell):
    kubectl = (await programs.ensure(["kubectl"]))["kubectl"]
    environment = {**shell.environment(), "PATH": f"{BIN}:{os.environ['PATH']}"}
    command = [kubectl, "leeboard", "status", "-A"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    assert shell.namespace in (await process.communicate())[0].decode()


async def test_writes_json(shell: Shell):
    document = json.loads(await shell.says("status", "flights", "-o", "json"))
    assert document["modelDeployment"]["status"]["candidate"]["version"] == "9"
    assert document["driftMonitors"][0]["status"]["lastRun"]["verdict"] == "Drifted"
    assert document["retrainPolicies"][0]["status"]["activeRun"]["version"] == "9"


async def test_goes_on_showing_what_changes(shell: Shell):
    process = await shell.start(BIN / "leeboard", "status", "flights", "-n", shell.namespace, "-o", "json", "--watch")
    assert process.stdout is not None
    first = json.loads(await process.stdout.readline())
    await shell.says("suspend", "flights")
    second = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    process.terminate()
    await process.wait()
    assert [each["modelDeployment"]["spec"]["suspend"] for each in (first, second)] == [False, True]


@pytest.mark.parametrize(
    ("command", "version", "full"),
    [
        ("promote flights", "9", False),
        ("promote flights --full", "9", True),
        ("promote flights --version 12", "12", False),
        ("abort flights", "9", False),
        ("retry flights", "8", False),
    ],
)
async def test_writes_what_people_ask_for(shell: Shell, command: str, version: str, *, full: bool):
    assert f"version {version} of flights" in await shell.says(*command.split())
    annotations = (await shell.read("ModelDeployment"))["metadata"]["annotations"]
    action = parse_action(annotations[f"leeboard.dev/{command.split(maxsplit=1)[0]}"])
    assert (action.version, action.full) == (version, full)
    assert action.nonce


async def test_asks_for_a_retraining(shell: Shell):
    await shell.says("retrain", "flights", "--token", "monday")
    metadata = (await shell.read("RetrainPolicy"))["metadata"]
    assert metadata["annotations"]["leeboard.dev/retrain"] == "monday"
    assert "kubectl-leeboard" in {entry["manager"] for entry in metadata["managedFields"]}


async def test_suspends_and_resumes_the_whole_loop_or_a_part_of_it(shell: Shell):
    await shell.says("suspend", "flights")
    await shell.says("resume", "flights", "--only", "monitor")
    suspended = {kind: (await shell.read(kind))["spec"]["suspend"] for kind in OBJECTS}
    assert suspended == {"ModelDeployment": True, "DriftMonitor": False, "RetrainPolicy": True}


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("status", "nobody"), "there is no ModelDeployment nobody in the namespace"),
        (("promote", "nobody"), "there is no ModelDeployment nobody in the namespace"),
        (("promote", "flights", "--version", "new"), "'new/"),
        (("retrain", "nobody"), "there is no RetrainPolicy nobody"),
        (("retrain", "flights", "--token", "a b"), "'a b' is no token"),
    ],
)
async def test_says_in_one_sentence_what_cannot_be_done(shell: Shell, command: tuple[str, ...], sentence: str):
    said = await shell.says(*command, status=1)
    assert said.startswith("Error: ")
    assert sentence in said
    assert said.count("\n") == 1


async def test_says_which_machine_does_not_answer(tmp_path: Path):
    cluster = {"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "gone", "context": {"cluster": "gone", "user": "me", "namespace": "team"}}
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "gone",
        "clusters": [cluster],
        "contexts": [context],
        "users": [{"name": "me", "user": {"token": "t"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(kubeconfig))
    process = await asyncio.create_subprocess_exec(
        BIN / "leeboard",
        "status",
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "KUBECONFIG": str(tmp_path / "config")},
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode().startswith("Error: the API server at https://127.0.0.1:1 does not answer")


async def test_prints_crds_that_kubectl_takes(shell: Shell):
    process = await asyncio.create_subprocess_exec(BIN / "leeboard", "crds", stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert list(yaml.safe_load_all(output)) == [crd(kind) for kind in KINDS]
    kubectl = (await programs.ensure(["kubectl"]))["kubectl"]
    apply = [kubectl, "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"]
    process = await asyncio.create_subprocess_exec(
        *apply, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=shell.environment()
    )
    applied, _ = await process.communicate(output)
    assert applied.decode().count("serverside-applied") == len(KINDS)
