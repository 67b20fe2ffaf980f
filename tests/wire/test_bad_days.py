"""What goes wrong in mid-rollout: nobody asks, the manifest or the champion changes, the namespace goes."""

from __future__ import annotations

from tests.support.scene import ROLLOUT, Scene

QUICK = ROLLOUT | {
    "stages": [{"name": "canary", "canary": {"steps": [{"weight": 20, "hold": "1s"}, {"weight": 60, "hold": "1s"}]}}],
    "analysis": {"interval": "1s", "metrics": [{"name": "errors", "errorRate": {"max": 0.05}, "minSamples": 20}]},
    "bake": "1s",
}
LONG = QUICK | {
    "stages": [{"name": "canary", "canary": {"steps": [{"weight": 20, "hold": "1h"}]}}],
    "progressDeadline": "2h",
}


async def test_a_canary_that_nobody_asks_is_held_and_goes_at_the_deadline(scene: Scene) -> None:
    scene.register("champion")
    scene.traffic.silent.add("2")
    await scene.make(rollout=QUICK | {"progressDeadline": "5s"})
    async with scene.operator:
        await scene.settles("1")
        scene.register("challenger")
        await scene.bench.until(lambda: scene.ended("RolledBack"), "the deadline", within=60)
        await scene.settles("1")

    assert scene.cluster.splits == [{"1": 100}, {"1": 80, "2": 20}, {"1": 100}], "the weight is held meanwhile"
    last = (await scene.status())["lastRollout"]
    assert last["reason"] == "ProgressDeadlineExceeded"
    assert "errors" in last["message"], "it names the metric that had too few samples"


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
