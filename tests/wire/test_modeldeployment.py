"""ModelDeployment: the real operator process, API server, MLflow and Prometheus; KServe and the gateway played."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from leeboard.contract import tags
from leeboard.contract.examinations import CompareReport, VerifyReport
from leeboard.contract.jobs import FitDetectorReport, JobOutcome
from tests.support.bench import now, path
from tests.support.operatorprocess import end_job, jobs, leave_report, request_of
from tests.support.scene import NAME, PLURAL, ROLLOUT, Scene


async def test_a_version_comes_in_step_by_step_and_the_registry_follows(scene: Scene) -> None:
    scene.register("champion")
    await scene.make()
    async with scene.operator:
        await scene.settles("1")
        scene.register("challenger")
        await scene.settles("2")
        assert scene.cluster.splits == [{"1": 100}, {"1": 80, "2": 20}, {"1": 40, "2": 60}, {"2": 100}]
        assert scene.aliases() == {"champion": "2"}
        promoted = tags.promoted(scene.bench.namespace, NAME)
        assert promoted in scene.client.get_model_version(scene.model, "2").tags
        await scene.bench.until(lambda: _rests(scene), "the old arm to go", within=30)
        resting = now()
        await asyncio.sleep(5)  # the registry is listed five times
        assert not scene.bench.writes(resting)


async def _rests(scene: Scene) -> bool:
    return len(await scene.cluster.arms()) == 1 and not (await scene.status())["retiring"]


async def test_a_candidate_with_errors_is_stopped_in_its_first_step(scene: Scene) -> None:
    scene.register("champion")
    await scene.make()
    scene.traffic.failing.add("2")
    async with scene.operator:
        await scene.settles("1")
        scene.register("challenger")
        await scene.bench.until(lambda: scene.ended("RolledBack"), "the rollback", within=60)
        await scene.settles("1")

    assert scene.cluster.splits == [{"1": 100}, {"1": 80, "2": 20}, {"1": 100}]
    assert scene.aliases() == {"champion": "1"}
    rejected = scene.client.get_model_version(scene.model, "2").tags[tags.rejected(scene.bench.namespace, NAME)]
    assert rejected.startswith("AnalysisFailed: errors")


async def test_an_operator_that_is_killed_again_and_again_comes_to_the_same_end(scene: Scene) -> None:
    scene.register("champion")
    await scene.make()
    async with scene.operator:
        await scene.settles("1")
    scene.register("challenger")
    for split in ({"1": 100}, {"1": 80, "2": 20}, {"1": 40, "2": 60}, {"2": 100}):
        await scene.operator.start()
        await scene.bench.until(lambda split=split: scene.follows(split), f"the gateway to follow {split}", within=60)
        await scene.operator.kill()
    async with scene.operator:
        await scene.settles("2")

    assert scene.cluster.splits == [{"1": 100}, {"1": 80, "2": 20}, {"1": 40, "2": 60}, {"2": 100}]
    assert scene.aliases() == {"champion": "2"}
    assert [entry["version"] for entry in (await scene.status())["history"]] == ["2", "1"]


async def test_neighbours_that_are_away_are_named_and_it_heals_by_itself(scene: Scene) -> None:
    scene.register("champion")
    await scene.mlflow.close()
    await scene.make()
    async with scene.operator:
        assert "MLflow" in await scene.says("RegistryUnavailable")
        await scene.mlflow.open()
        await scene.settles("1")
        scene.register("challenger")
        await scene.says("Canary")
        await scene.mlflow.close()
        await scene.prometheus.close()
        await scene.bench.until(lambda: _measured(scene, "Error"), "the analysis to name Prometheus")
        await scene.prometheus.open()
        await scene.bench.until(lambda: scene.follows({"2": 100}), "version 2 to get all traffic", within=60)
        assert scene.aliases()["champion"] == "1"
        await scene.mlflow.open()
        await scene.settles("2")

    assert scene.aliases() == {"champion": "2"}


async def _measured(scene: Scene, verdict: str) -> bool:
    found = (await scene.status()).get("rollout", {}).get("analysis", [])
    return any(metric["verdict"] == verdict and "Prometheus" in metric["message"] for metric in found)


async def test_a_detector_is_fitted_before_the_arm_is_made(scene: Scene) -> None:
    scene.register("champion", **{tags.TRAINING_DATA: json.dumps({"uri": "s3://data/train.parquet"})})
    await scene.make(outOfDistribution={})
    async with scene.operator:
        await scene.says("FittingDetector")
        [name] = await jobs(scene.bench)
        request = await request_of(scene.bench, name)
        uri = "mlflow-artifacts:/1/r/artifacts/detector"
        report = FitDetectorReport(
            request_hash=request.request_hash, outcome=JobOutcome.MEASURED, detector_uri=uri, threshold=3.0
        )
        leave_report(scene.mlflow.target, request, report)
        await end_job(scene.bench, name)
        await scene.settles("1")

    assert uri in json.dumps(await scene.cluster.arms())
    assert (await scene.condition("DetectorReady"))["status"] == "True"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"model": {"name": "nobody-registered-this"}}, "ModelNotFound"),
        ({"model": {"name": "nobody-registered-this", "version": "3"}}, "ModelNotFound"),
    ],
)
async def test_what_cannot_be_is_said_in_a_sentence(scene: Scene, spec: dict[str, Any], reason: str) -> None:
    await scene.make(**spec)
    async with scene.operator:
        message = await scene.says(reason)

    assert "nobody-registered-this" in message
    assert (await scene.condition("Stalled"))["status"] == "True"


async def test_a_person_aborts_a_rollout(scene: Scene) -> None:
    scene.register("champion")
    await scene.make()
    async with scene.operator:
        await scene.settles("1")
        scene.register("challenger")
        await scene.says("Canary")
        await scene.annotate("abort", "2/now")
        await scene.bench.until(lambda: scene.ended("Aborted"), "the abort")
        await scene.settles("1")

    assert scene.cluster.splits[-1] == {"1": 100}


async def test_a_version_is_verified_shadowed_compared_and_approved(scene: Scene) -> None:
    pack = {"dataset": {"uri": "/pack", "labelColumn": "late"}, "metrics": [{"name": "accuracy", "min": 0.8}]}
    stages = [{"name": "shadow", "shadow": {"duration": "2s", "minSamples": 10}}, *ROLLOUT["stages"]]
    scene.register("champion")
    await scene.make(verification=pack, rollout=ROLLOUT | {"stages": stages, "approval": "Manual"})
    async with scene.operator:
        await scene.says("Verifying")
        await scene.answer(VerifyReport, passed=True, message="version 1 passed")
        await scene.settles("1")
        scene.register("challenger")
        await scene.says("Verifying")
        await scene.answer(VerifyReport, passed=True, message="version 2 passed")
        await scene.says("Comparing")
        assert scene.cluster.splits == [{"1": 100}], "a shadow has no share"
        run = await scene.answer(CompareReport, passed=True, message="they agree")
        message = await scene.says("WaitingForApproval", within=60)
        assert run in message
        await scene.annotate("promote", "2/now")
        await scene.settles("2")

    assert scene.cluster.splits == [{"1": 100}, {"1": 80, "2": 20}, {"1": 40, "2": 60}, {"2": 100}]
    assert len((await scene.status())["lastRollout"]["runIds"]) == 2


async def test_what_people_change_by_hand_does_no_harm(scene: Scene) -> None:
    scene.register("champion")
    await scene.make()
    async with scene.operator:
        await scene.settles("1")
        [arm] = await scene.cluster.arms()
        routes = f"/apis/gateway.networking.k8s.io/v1/namespaces/{scene.bench.namespace}/httproutes/{NAME}"
        arms = f"/apis/serving.kserve.io/v1beta1/namespaces/{scene.bench.namespace}/inferenceservices"
        there = f"{arms}/{arm['metadata']['name']}"
        await scene.bench.patch(there, {"metadata": {"labels": {"team": "blue", "leeboard.dev/modeldeployment": None}}})
        await scene.bench.until(lambda: _labelled(scene, there, arm), "the label to be given back")
        await scene.bench.patch(there, {"metadata": {"labels": {"app.kubernetes.io/managed-by": "somebody"}}})
        await scene.bench.until(lambda: _labelled(scene, there, arm), "the arm to be seen again")
        await scene.bench.person.delete(routes)
        await scene.bench.until(lambda: _exists(scene, routes), "the route to be made again")
        scene.client.delete_registered_model_alias(scene.model, "champion")
        await scene.bench.person.delete(f"{arms}/{arm['metadata']['name']}")
        await scene.bench.until(lambda: _made_again(scene, arm["metadata"]["uid"]), "the arm to be made again")
        await scene.settles("1")

    assert scene.cluster.splits == [{"1": 100}]
    assert (await scene.status())["attempts"] == 1


async def _labelled(scene: Scene, where: str, arm: dict[str, Any]) -> bool:
    found = (await scene.bench.person.get(where)).json()["metadata"]
    return bool(found["uid"] == arm["metadata"]["uid"] and arm["metadata"]["labels"].items() <= found["labels"].items())


async def _exists(scene: Scene, where: str) -> bool:
    return bool((await scene.bench.person.get(where)).status_code == 200)


async def _made_again(scene: Scene, uid: str) -> bool:
    return [arm["metadata"]["uid"] for arm in await scene.cluster.arms()] not in ([], [uid])


async def test_a_namesake_goes_on_and_a_second_owner_of_an_alias_is_told(scene: Scene) -> None:
    scene.register("champion")
    await scene.make()
    async with scene.operator:
        await scene.settles("1")
        where = f"{path(scene.bench.namespace, PLURAL)}/{NAME}"
        await scene.bench.person.delete(where)
        await scene.bench.until(lambda: _gone(scene), "the arms to go with their owner", within=60)
        await scene.make()
        await scene.settles("1")
        other = {"metadata": {"name": "other", "namespace": scene.bench.namespace}, "kind": "ModelDeployment"}
        spec = {"apiVersion": "leeboard.dev/v1alpha1", "spec": {"model": {"name": scene.model}}}
        await scene.bench.create(other | spec, PLURAL)
        await scene.bench.until(lambda: _owned(scene), "the second one to be told")
        await scene.settles("1")


async def _gone(scene: Scene) -> bool:
    return not await scene.cluster.arms()


async def _owned(scene: Scene) -> bool:
    found = (await scene.bench.read("other", PLURAL)).get("status", {}).get("conditions", [])
    return any(one["reason"] == "AliasOwnedByOther" and f"/{NAME} " in one["message"] for one in found)


async def test_of_challengers_in_quick_succession_the_newest_comes_in(scene: Scene) -> None:
    scene.register("champion")
    await scene.make()
    async with scene.operator:
        await scene.settles("1")
        for _ in range(3):
            scene.register("challenger")
            await scene.bench.until(lambda: _coming(scene, scene.aliases()["challenger"]), "it to come in")
        await scene.settles("4", within=90)

    outcomes = {entry["version"]: entry["outcome"] for entry in (await scene.status())["history"]}
    assert outcomes == {"1": "Promoted", "2": "Superseded", "3": "Superseded", "4": "Promoted"}
    assert all(sum(split.values()) == 100 for split in scene.cluster.splits)
    assert not any({"2", "3"} <= set(split) for split in scene.cluster.splits)


async def _coming(scene: Scene, version: str) -> bool:
    return bool((await scene.status()).get("candidate", {}).get("version") == version)
