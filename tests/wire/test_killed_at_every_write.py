"""The operator dies around each of its writes, one life per write, and the end is always the same.

A rollout and a retraining on a real API server; `LEEBOARD_TEST_ALL_DEATHS=1` runs every death of a rollout, `make test`
a seeded sample of them.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from leeboard.contract import tags
from leeboard.contract.jobs import FitDetectorReport, JobOutcome
from leeboard.control.client import Client
from leeboard.control.clock import iso
from leeboard.control.ref import Ref
from leeboard.modeldeployment import LOOP as ROLLOUT
from leeboard.retrainpolicy import LOOP as RETRAINING
from tests.support.bench import Bench, path
from tests.support.dyingoperator import Fate
from tests.support.life import NAME, POLICY, Life, passed
from tests.support.operatorprocess import jobs
from tests.support.playedmodel import arm_of

SAMPLE = 4
STEPS = [{"weight": 20, "hold": "1m"}, {"weight": 60, "hold": "1m"}]
METRIC = {"name": "business", "promql": {"query": "vector(1)", "min": 0.5}}
DEPLOYMENT = {
    "model": {"name": "flights"},
    "outOfDistribution": {"reference": {"dataset": {"uri": "s3://data/train.parquet"}}},
    "rollout": {
        "stages": [{"name": "canary", "canary": {"steps": STEPS}}],
        "analysis": {"interval": "10s", "metrics": [METRIC]},
        "bake": "1m",
        "scaleDownDelay": "1m",
    },
}


def conditions(status: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(found["type"], found["status"], found["reason"]) for found in status.get("conditions", [])]


# -- a rollout --


def fitted(request: Any) -> FitDetectorReport:
    return FitDetectorReport(
        request_hash=request.request_hash,
        outcome=JobOutcome.MEASURED,
        detector_uri=f"mlflow-artifacts:/1/detector-{request.version}",
        threshold=3.0,
    )


async def roll_out(life: Life) -> dict[str, Any]:
    """Serve version 1, bring version 2 in, rest; return what then stands."""
    metadata = {"name": NAME, "namespace": life.bench.namespace}
    manifest = {"apiVersion": "leeboard.dev/v1alpha1", "kind": "ModelDeployment", "metadata": metadata}
    await life.bench.create(manifest | {"spec": DEPLOYMENT}, "modeldeployments")
    ref = Ref("ModelDeployment", life.bench.namespace, NAME)
    for _ in range(120):
        await life.operator.turn(ROLLOUT, ref, seconds=15)
        await life.answer_jobs(fitted)
        await life.cluster.turn()
        status = await life.read("modeldeployments")
        rests = ("Ready", "True", "Serving") in conditions(status) and not status.get("retiring")
        if rests and "2" not in life.neighbours.model_.versions:
            life.neighbours.register("2", "challenger")
        elif rests and status["stable"]["version"] == "2" and len(await life.cluster.arms()) == 1:
            break
    else:
        raise AssertionError(f"it does not come to rest: {status}")
    return {
        "stable": status["stable"]["version"],
        "traffic": [(arm["version"], arm["percent"]) for arm in status["traffic"]],
        "history": [(ended["version"], ended["outcome"]) for ended in status["history"]],
        "attempts": status["attempts"],
        "conditions": conditions(status),
        "aliases": dict(life.neighbours.model_.aliases),
        "tags": {version: sorted(found.tags) for version, found in life.neighbours.model_.versions.items()},
        "splits": life.cluster.splits,
        "jobs": sorted(await jobs(life.bench)),
        "owner": life.neighbours.model_.tags.get(tags.owner("champion"), "").split("/")[-1],
    }


def check_routes(life: Life) -> None:
    """Weights add to 100, and no arm has any that has not answered a real prediction."""
    for route in life.fate.routes:
        for rule in route["spec"]["rules"]:
            backends = rule.get("backendRefs", [])
            assert sum(backend["weight"] for backend in backends) == 100
            weighed = {backend["name"] for backend in backends if backend["weight"]}
            assert weighed <= life.neighbours.answered
    assert all(sum(split.values()) == 100 for split in life.cluster.splits)


@dataclass
class Deaths:
    """Which writes there are, and which of the deaths around them a test tries."""

    writes: list[str]

    def chosen(self, *, everything: bool) -> list[Fate]:
        fates = [Fate(at, before) for at in range(len(self.writes)) for before in (True, False)]
        return fates if everything else random.Random(20260105).sample(fates, SAMPLE)


def _without_names(end: dict[str, Any]) -> dict[str, Any]:
    """Leave out what holds the object's uid, which differs from life to life."""
    return {**end, "jobs": len(end["jobs"])}


@pytest.mark.timeout(1800)
async def test_a_rollout_ends_the_same_wherever_the_operator_dies(bench: Bench, client: Client) -> None:
    undisturbed = Life(bench, client, Fate())
    wanted = await roll_out(undisturbed)
    check_routes(undisturbed)
    assert wanted["splits"] == [{"1": 100}, {"1": 80, "2": 20}, {"1": 40, "2": 60}, {"2": 100}]
    assert wanted["aliases"] == {"champion": "2"}
    everything = bool(os.environ.get("LEEBOARD_TEST_ALL_DEATHS"))
    deaths = Deaths(undisturbed.fate.writes).chosen(everything=everything)
    kinds = Counter(undisturbed.fate.writes)
    assert set(kinds) >= {"status", "apply HTTPRoute", "create InferenceService", "create RayJob", "registry", "claim"}
    for fate in deaths:
        await _begin_anew(bench)
        life = Life(bench, client, fate)
        end = await roll_out(life)
        where = f"dead {'before' if fate.before else 'after'} write {fate.at} ({fate.writes[fate.at or 0]})"
        assert life.operator.deaths == 1, where
        assert _without_names(end) == _without_names(wanted), where
        assert Counter(fate.writes)["create RayJob"] <= kinds["create RayJob"] + fate.before, where
        check_routes(life)


async def _begin_anew(bench: Bench) -> None:
    """Delete all that a life has left."""
    for plural, group in (
        ("modeldeployments", ""),
        ("retrainpolicies", ""),
        ("httproutes", "gateway.networking.k8s.io/v1"),
        ("inferenceservices", "serving.kserve.io/v1beta1"),
        ("deployments", "apps/v1"),
        ("rayjobs", "ray.io/v1"),
        ("servingruntimes", "serving.kserve.io/v1alpha1"),
    ):
        where = path(bench.namespace, plural, group or "leeboard.dev/v1alpha1")
        await bench.person.delete(where, params={"propagationPolicy": "Background"})

        async def gone(where: str = where) -> bool:
            return not (await bench.person.get(where)).json()["items"]

        await bench.until(gone, f"{plural} to go")


# -- a retraining --


async def retrain(life: Life) -> dict[str, Any]:
    """Let a person ask, train, set the alias, follow the rollout to its end, rest; return what then stands."""
    now = iso(life.neighbours.now())
    metadata = {"namespace": life.bench.namespace, "name": NAME}
    api = {"apiVersion": "leeboard.dev/v1alpha1"}
    model = {**api, "kind": "ModelDeployment", "metadata": metadata, "spec": {"model": {"name": "flights"}}}
    await life.bench.create(model, "modeldeployments")
    asked = {**metadata, "annotations": {"leeboard.dev/retrain": "please"}}
    await life.bench.create({**api, "kind": "RetrainPolicy", "metadata": asked, "spec": POLICY}, "retrainpolicies")
    where = f"{path(life.bench.namespace, 'modeldeployments')}/{NAME}/status"

    async def tell(version: str, **more: Any) -> None:
        stable = {"version": version, "arm": arm_of(version), "sinceTime": now}
        traffic = [{"version": version, "arm": arm_of(version), "percent": 100, "routedSinceTime": now}]
        await life.bench.patch(where, {"status": {"stable": stable, "traffic": traffic, **more}})

    await tell("1")
    ref = Ref("RetrainPolicy", life.bench.namespace, NAME)
    for _ in range(40):
        await life.operator.turn(RETRAINING, ref, seconds=15)
        await life.answer_jobs(passed)
        status = await life.read("retrainpolicies")
        if "activeRun" in status and status["activeRun"].get("challengerSet"):
            ended = {
                "version": "2",
                "outcome": "Promoted",
                "reason": "Baked",
                "message": "it held",
                "finishedTime": now,
            }
            await tell("2", lastRollout=ended)
        if "lastRun" in status and ("Ready", "True", "Watching") in conditions(status):
            break
    else:
        raise AssertionError(f"it does not come to rest: {status}")
    return {
        "history": [(run["outcome"], run["version"]) for run in status["history"]],
        "consumed": [(fired["id"], fired["count"]) for fired in status["consumed"]],
        "handled": status["handledActions"],
        "mark": status["highWaterMark"],
        "starts": status["startsToday"],
        "conditions": conditions(status),
        "aliases": dict(life.neighbours.model_.aliases),
        "jobs": sorted(await jobs(life.bench)),
    }


@pytest.mark.timeout(600)
async def test_a_retraining_ends_the_same_wherever_the_operator_dies(bench: Bench, client: Client) -> None:
    undisturbed = Life(bench, client, Fate())
    wanted = await retrain(undisturbed)
    assert wanted["aliases"] == {"champion": "1", "challenger": "2"}
    assert (len(wanted["jobs"]), wanted["history"]) == (1, [("Promoted", "2")])
    for fate in Deaths(undisturbed.fate.writes).chosen(everything=True):
        await _begin_anew(bench)
        life = Life(bench, client, fate)
        end = await retrain(life)
        where = f"dead {'before' if fate.before else 'after'} write {fate.at} ({fate.writes[fate.at or 0]})"
        assert life.operator.deaths == 1, where
        assert _without_names(end) == _without_names(wanted), where
        assert Counter(fate.writes)["create RayJob"] <= 2, where


# -- a rival --


async def test_a_conflict_at_every_status_write_changes_nothing_in_the_end(bench: Bench, client: Client) -> None:
    wanted = await retrain(Life(bench, client, Fate()))
    await _begin_anew(bench)
    fate = Fate()
    numbers = iter(range(10_000))

    async def rival(raw: dict[str, Any]) -> None:
        where = f"{path(bench.namespace, 'retrainpolicies')}/{raw['metadata']['name']}"
        await bench.patch(where, {"metadata": {"labels": {"rival": str(next(numbers))}}})

    fate.rival = rival
    end = await retrain(Life(bench, client, fate))
    assert _without_names(end) == _without_names(wanted)
    assert fate.conflicts >= 4
    assert fate.writes.count("create RayJob") == 1
