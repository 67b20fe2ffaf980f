"""What goes wrong in mid-rollout: nobody asks, the manifest or the champion changes, the namespace goes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from leeboard.contract.examinations import VerifyReport
from leeboard.contract.jobs import JobRequest
from leeboard.control.kinds import ARM_LABEL
from tests.support.operatorprocess import OperatorProcess, jobs, request_of
from tests.support.scene import ROLLOUT, Scene
from tests.support.web import Web

QUICK = ROLLOUT | {
    "stages": [{"name": "canary", "canary": {"steps": [{"weight": 20, "hold": "1s"}, {"weight": 60, "hold": "1s"}]}}],
    "analysis": {"interval": "1s", "metrics": [{"name": "errors", "errorRate": {"max": 0.05}, "minSamples": 20}]},
    "bake": "1s",
}
LONG = QUICK | {
    "stages": [{"name": "canary", "canary": {"steps": [{"weight": 20, "hold": "1h"}]}}],
    "progressDeadline": "2h",
}


async def test_a_canary_that_nobody_asks_is_held_goes_at_the_deadline_and_is_tried_again(scene: Scene) -> None:
    scene.register("champion")
    scene.traffic.silent.add("2")
    await scene.make(rollout=QUICK | {"progressDeadline": "5s"})
    async with scene.operator:
        await scene.settles("1")
        scene.register("challenger")
        await scene.bench.until(lambda: scene.ended("RolledBack"), "the deadline", within=60)
        said = await scene.says("TriedAgainLater")
        status, aliases = await scene.status(), scene.aliases()
        assert scene.cluster.splits == [{"1": 100}, {"1": 80, "2": 20}, {"1": 100}], "the weight is held meanwhile"
        scene.traffic.silent.clear()
        await scene.annotate("retry", "2")
        await scene.settles("2", within=60)

    assert status["lastRollout"]["reason"] == "ProgressDeadlineExceeded"
    assert "errors" in status["lastRollout"]["message"], "it names the metric that had too few samples"
    assert aliases == {"champion": "1", "challenger": "2"}, "nobody asking it says nothing against it"
    [setback] = status["setbacks"]
    assert f"tried again at {setback['retryTime']}" in said
    assert (await scene.status())["setbacks"] == []


async def test_a_manifest_that_changes_at_each_stage_ends_as_the_last_one_says(scene: Scene) -> None:
    scene.register("champion")
    await scene.make()
    async with scene.operator:
        await scene.settles("1")
        await scene.change(rollout=LONG)
        scene.register("challenger")
        await scene.says("Canary")
        first = await _candidate(scene)
        await scene.change(serving={"resources": {"limits": {"cpu": "2"}}})  # another arm of the same version
        await scene.bench.until(lambda: _another(scene, first), "the changed arm to come in")
        await scene.says("Canary")
        second = await _candidate(scene)
        await scene.change(rollout=QUICK | {"bake": "1h"})  # other stages: from the first one on
        await scene.says("Baking", within=60)
        await scene.change(serving={"resources": {"limits": {"cpu": "3"}}})  # waits for the bake
        await scene.change(rollout=QUICK)  # which is over now
        await scene.bench.until(lambda: _serves_another(scene, second), "the last manifest to serve", within=90)
        await scene.settles("2")

    status = await scene.status()
    arms = {arm["metadata"]["name"]: arm["spec"]["predictor"]["model"] for arm in await scene.cluster.arms()}
    assert arms.pop(status["stable"]["arm"])["resources"]["limits"]["cpu"] == "3"
    assert set(arms) <= {entry["arm"] for entry in status["retiring"]}
    assert [(entry["version"], entry["outcome"]) for entry in status["history"]] == [
        *(("2", "Promoted"), ("2", "Promoted"), ("2", "Superseded"), ("1", "Promoted"))
    ]


async def test_a_manifest_that_changes_in_preparation_and_verification_is_verified_as_it_last_is(scene: Scene) -> None:
    scene.register("champion")
    await scene.make(rollout=QUICK)
    async with scene.operator:
        await scene.settles("1")
        scene.cluster.broken.add("2")  # its pods do not start
        scene.register("challenger")
        await scene.says("WaitingForArm")
        first = await _candidate(scene)
        await scene.change(serving={"resources": {"limits": {"cpu": "2"}}})
        await scene.bench.until(lambda: _another(scene, first), "the changed arm to be prepared")
        await scene.change(verification=_pack("accuracy"))
        scene.cluster.broken.clear()
        await scene.says("Verifying")
        second = await _candidate(scene)
        outdated = await _asked(scene)
        await scene.change(verification=_pack("f1"))
        await scene.bench.until(lambda: _asked_otherwise(scene, outdated), "the changed pack to be sent")
        scene.report(VerifyReport, outdated, passed=True, message="accuracy is fine")
        replaced = await _asked(scene)
        await scene.change(serving={"resources": {"limits": {"cpu": "3"}}})
        await scene.bench.until(lambda: _another(scene, second), "another arm of the same version to be prepared")
        await scene.bench.until(lambda: _asked_otherwise(scene, replaced), "the pack to be sent through it")
        scene.report(VerifyReport, replaced, passed=True, message="of an arm that is gone")
        assert scene.cluster.splits == [{"1": 100}], "what was found out about another pack or arm admits nobody"
        await scene.answer(VerifyReport, passed=True, message="f1 is fine")
        await scene.settles("2", within=60)

    status = await scene.status()
    arms = {arm["metadata"]["name"]: arm["spec"]["predictor"]["model"] for arm in await scene.cluster.arms()}
    assert arms[status["stable"]["arm"]]["resources"]["limits"]["cpu"] == "3"
    assert scene.cluster.splits == [{"1": 100}, {"1": 80, "2": 20}, {"1": 40, "2": 60}, {"2": 100}]
    assert [(entry["version"], entry["outcome"]) for entry in status["history"]] == [
        *(("2", "Promoted"), ("2", "Superseded"), ("2", "Superseded"), ("1", "Promoted"))
    ]


def _pack(metric: str) -> dict[str, Any]:
    return {"dataset": {"uri": "/pack", "labelColumn": "late"}, "metrics": [{"name": metric, "min": 0.8}]}


async def _asked(scene: Scene) -> JobRequest:
    """Return what the one job that works is to find out."""
    [name] = await jobs(scene.bench)
    return await request_of(scene.bench, name)


async def _asked_otherwise(scene: Scene, before: JobRequest) -> bool:
    """Say whether the job before is gone, and another one asks for something else."""
    names = await jobs(scene.bench)
    return len(names) == 1 and (await _asked(scene)).request_hash != before.request_hash


async def _candidate(scene: Scene) -> str:
    return str((await scene.status())["candidate"]["arm"])


async def _another(scene: Scene, arm: str) -> bool:
    return (await scene.status()).get("candidate", {}).get("arm") not in {None, arm}


async def _serves_another(scene: Scene, arm: str) -> bool:
    return bool((await scene.status())["stable"]["arm"] != arm)


async def test_a_champion_that_is_moved_by_hand_in_mid_rollout_comes_in_by_all_stages(scene: Scene) -> None:
    scene.register("champion")
    await scene.make(rollout=LONG)
    async with scene.operator:
        await scene.settles("1")
        scene.register("challenger")
        await scene.says("Canary")
        scene.register("champion")
        scene.client.delete_registered_model_alias(scene.model, "challenger")
        await scene.change(rollout=QUICK)
        await scene.settles("3", within=90)

    assert scene.cluster.splits[0] == {"1": 100}
    assert scene.cluster.splits[-3:] == [{"1": 80, "3": 20}, {"1": 40, "3": 60}, {"3": 100}]
    assert not any({"2", "3"} <= set(split) for split in scene.cluster.splits)
    assert scene.aliases() == {"champion": "3"}


async def test_a_namespace_that_goes_and_comes_back_takes_nothing_down(scene: Scene) -> None:
    scene.register("champion")
    await scene.make(rollout=LONG)
    bench = scene.bench
    async with scene.operator:
        await scene.settles("1")
        scene.register("challenger")
        await scene.says("Canary")
        await bench.plane.delete_namespace(bench.namespace, wait=True)
        await bench.plane.make_namespace(bench.namespace)
        scene.cluster.splits.clear()
        await scene.make(rollout=QUICK)
        await scene.settles("2", within=90)
        process = scene.operator.process
        assert process is not None
        assert process.returncode is None

    walked = [{"1": 80, "2": 20}, {"1": 40, "2": 60}, {"2": 100}]
    assert scene.cluster.splits[-3:] == walked, (
        "what was proven before serves, and the challenger comes in by all stages"
    )
    log = scene.operator.log.read_text()
    assert "Traceback" not in log, log[-4000:]
    assert "InternalError" not in log


async def test_two_operators_at_once_walk_one_rollout(scene: Scene, tmp_path: Path) -> None:
    scene.register("champion")
    await scene.make(rollout=QUICK)
    operator = scene.operator
    second = OperatorProcess(scene.bench, tmp_path / "second.log", operator.kinds, operator.variables)
    async with operator, second:
        await scene.settles("1")
        scene.register("challenger")
        await scene.settles("2", within=90)

    assert scene.cluster.splits == [{"1": 100}, {"1": 80, "2": 20}, {"1": 40, "2": 60}, {"2": 100}]
    status = await scene.status()
    ended = [(entry["version"], entry["outcome"]) for entry in status["history"]]
    # Who has listed the registry a little earlier does not know the challenger, and takes it back before any traffic.
    withdrawn = [entry["reason"] for entry in status["history"] if entry["outcome"] == "Aborted"]
    assert [each for each in ended if each[1] != "Aborted"] == [("2", "Promoted"), ("1", "Promoted")]
    assert set(withdrawn) <= {"Withdrawn"}
    assert status["attempts"] == 2 + len(withdrawn)
    assert scene.aliases() == {"champion": "2"}


async def test_a_hostile_name_is_a_name_and_nothing_else(scene: Scene) -> None:
    scene.model = f"A model_of.mine -- {scene.bench.namespace}"  # all that the schema lets through
    scene.client.create_registered_model(scene.model)
    scene.register("champion", **{"a/b:c d": "'; $(reboot)"})
    await scene.make()
    async with scene.operator:
        await scene.settles("1", within=60)
        [arm] = await scene.cluster.arms()

    assert re.fullmatch(r"flights-v1-[0-9a-f]+", arm["metadata"]["name"])
    assert "reboot" not in json.dumps(arm)
    assert scene.client.get_registered_model(scene.model).tags["leeboard.owner.champion"].endswith("/flights")


async def test_a_version_of_another_schema_goes_back_until_the_clients_send_what_it_takes(
    scene: Scene, arms: Web
) -> None:
    scene.register("champion")
    await scene.make(rollout=QUICK)
    async with scene.operator:
        await scene.settles("1")
        scene.columns = ("distance", "wind")
        scene.traffic.refusing.add("2")
        scene.register("challenger")
        await scene.bench.until(lambda: scene.ended("RolledBack"), "the rollback", within=60)
        await scene.settles("1")
        refused = (await scene.status())["lastRollout"]
        scene.register("challenger")
        await scene.settles("3", within=60)

    assert refused["reason"] == "AnalysisFailed"
    assert "refused requests (HTTP 4xx) 100.00%" in refused["message"]
    assert refused["message"].endswith("is its schema another one?")
    proofs = [body for method, _, _, body in arms.asked if method == "POST"]
    assert b'"wind"' not in proofs[0]
    assert b'"wind"' in proofs[-1], "each is asked for what it takes"
    assert scene.cluster.splits[:3] == [{"1": 100}, {"1": 80, "2": 20}, {"1": 100}]
    assert scene.aliases() == {"champion": "3"}


IMAGE = "registry.example/serving:0.1"
UNPULLED = {
    "phase": "Pending",
    "containerStatuses": [
        {
            "name": "kserve-container",
            "image": IMAGE,
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"waiting": {"reason": "ErrImagePull", "message": "ErrImagePull: no such tag"}},
        }
    ],
}
UNPLACED = {
    "phase": "Pending",
    "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
    ],
}


@pytest.mark.parametrize(
    ("pod", "told"),
    [
        (UNPULLED, f"the image {IMAGE} cannot be pulled: no such tag"),
        (UNPLACED, "no node takes its pod: 0/3 nodes are available"),
    ],
    ids=["no image", "no node"],
)
async def test_what_keeps_the_pod_of_an_arm_is_told_and_rejects_nobody(
    scene: Scene, pod: dict[str, Any], told: str
) -> None:
    scene.register("champion")
    await scene.make(rollout=QUICK)
    async with scene.operator:
        await scene.settles("1")
        scene.cluster.broken.add("2")
        scene.register("challenger")
        await scene.says("WaitingForArm")
        await _pod(scene, await _candidate(scene), pod)
        await scene.bench.until(lambda: _tells(scene, told), "what the pod tells", within=30)
        scene.cluster.broken.clear()
        await scene.settles("2", within=60)

    assert scene.aliases() == {"champion": "2"}


async def _pod(scene: Scene, arm: str, status: dict[str, Any]) -> None:
    """Make a pod of an arm, which nobody runs, and let it tell how it is."""
    name = f"{arm}-predictor-0"
    spec = {"containers": [{"name": "kserve-container", "image": IMAGE}]}
    metadata = {"name": name, "namespace": scene.bench.namespace, "labels": {ARM_LABEL: arm, "component": "predictor"}}
    where = f"/api/v1/namespaces/{scene.bench.namespace}/pods"
    made = await scene.bench.person.post(
        where, json={"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    )
    assert made.is_success, made.text
    await scene.bench.patch(f"{where}/{name}/status", {"status": status})


async def _tells(scene: Scene, told: str) -> bool:
    return told in (await scene.condition())["message"]
