"""RayJobs that nobody takes up, and that people lay hands on: a run costs an attempt at most, and is told."""

from __future__ import annotations

import pytest

from leeboard.control.client import Client
from leeboard.control.ref import Ref
from leeboard.retrainpolicy import LOOP
from tests.support.bench import Bench, path
from tests.support.dyingoperator import Fate
from tests.support.life import NAME, POLICY, Life, passed
from tests.support.operatorprocess import RAY, jobs
from tests.support.playedmodel import ZERO, arm_of

MODELS, POLICIES = "modeldeployments", "retrainpolicies"


class Run:
    """A run that a person asked for, and its RayJobs."""

    def __init__(self, bench: Bench, client: Client) -> None:
        self.bench = bench
        self.life = Life(bench, client, Fate())

    async def begin(self) -> str:
        """Let version 1 serve, and return the RayJob that is made."""
        metadata = {"namespace": self.bench.namespace, "name": NAME}
        model = {"kind": "ModelDeployment", "metadata": metadata, "spec": {"model": {"name": NAME}}}
        policy = {
            "kind": "RetrainPolicy",
            "metadata": {**metadata, "annotations": {"leeboard.dev/retrain": "please"}},
            "spec": POLICY,
        }
        for manifest, plural in ((model, MODELS), (policy, POLICIES)):
            await self.bench.create({"apiVersion": "leeboard.dev/v1alpha1", **manifest}, plural)
        stable = {"version": "1", "arm": arm_of("1")}
        traffic = [{**stable, "percent": 100, "routedSinceTime": ZERO}]
        where = f"{path(self.bench.namespace, MODELS)}/{NAME}/status"
        await self.bench.patch(where, {"status": {"stable": {**stable, "sinceTime": ZERO}, "traffic": traffic}})
        await self.turn(seconds=1)
        await self.turn(seconds=1)
        [name] = await jobs(self.bench)
        return name

    async def turn(self, **later: float) -> None:
        """Look again some time later."""
        await self.life.operator.turn(LOOP, Ref("RetrainPolicy", self.bench.namespace, NAME), **later)

    def at(self, job: str) -> str:
        return f"{path(self.bench.namespace, 'rayjobs', RAY)}/{job}"

    async def says(self) -> tuple[str, str]:
        found = (await self.life.read(POLICIES))["conditions"]
        return next((entry["reason"], entry["message"]) for entry in found if entry["type"] == "Ready")

    async def ends(self) -> None:
        """Let the worker of the job that works leave its report, and see the version come to its rollout."""
        await self.life.answer_jobs(passed)
        for _ in range(3):
            await self.turn(seconds=1)
        assert (await self.says())[0] == "RollingOut"
        assert self.life.neighbours.model_.aliases == {"champion": "1", "challenger": "2"}
        status = await self.life.read(POLICIES)
        assert status["startsToday"] == 1
        assert [fired["count"] for fired in status["consumed"]] == [1]


@pytest.fixture
async def run(bench: Bench, client: Client) -> Run:
    return Run(bench, client)


async def test_a_run_that_kuberay_does_not_take_up_is_told_and_goes_on_once_it_is_back(run: Run) -> None:
    name = await run.begin()
    await run.turn(seconds=20)
    assert (await run.says())[0] == "Training", "KubeRay may still take it up"
    await run.turn(seconds=30)
    reason, told = await run.says()
    assert reason == "NotTakenUp"
    assert f"the RayJob {name} waits for KubeRay to take it up (see whether its operator runs)" in told
    await run.turn(minutes=10)
    assert (await run.says()) == (reason, told)
    await run.bench.patch(f"{run.at(name)}/status", {"status": {"jobDeploymentStatus": "Running"}})
    await run.turn(seconds=1)
    assert (await run.says())[0] == "Training"
    assert list(await jobs(run.bench)) == [name], "it is the same attempt"


async def test_a_run_that_kuberay_never_takes_up_is_tried_again_and_ends_once_it_is_back(run: Run) -> None:
    name = await run.begin()
    await run.turn(minutes=17)
    reason, told = await run.says()
    assert reason == "Retrying"
    assert "no controller took up the RayJob: see whether KubeRay's operator runs" in told
    await run.turn(seconds=6)
    [second] = await jobs(run.bench)
    assert second != name
    await run.ends()


async def test_a_job_that_is_edited_and_loses_its_labels_in_mid_run_is_followed_to_its_end(run: Run) -> None:
    name = await run.begin()
    [raw] = (await jobs(run.bench)).values()
    edited = {
        "metadata": {
            "labels": dict.fromkeys(raw["metadata"]["labels"]) | {"team": "blue"},
            "annotations": {"leeboard.dev/request": "0" * 64},
        },
        "spec": {"entrypoint": "leeboard-worker --idle retrain", "activeDeadlineSeconds": 100_000},
    }
    await run.bench.patch(run.at(name), edited)
    await run.turn(seconds=15)
    assert (await run.says())[0] == "Training"
    [after] = (await jobs(run.bench)).values()
    assert (after["metadata"]["uid"], after["metadata"]["labels"]) == (raw["metadata"]["uid"], {"team": "blue"})
    await run.ends()
    assert list(await jobs(run.bench)) == [name], "no second one was made"


async def test_a_job_that_is_deleted_in_mid_run_costs_one_attempt(run: Run) -> None:
    name = await run.begin()
    await run.turn(seconds=15)
    gone = await run.bench.person.delete(run.at(name))
    assert gone.is_success, gone.text
    await run.turn(seconds=1)
    reason, told = await run.says()
    assert reason == "Retrying"
    assert f"the RayJob {name} was deleted before it left a report" in told
    await run.turn(seconds=6)
    [second] = await jobs(run.bench)
    assert second != name
    await run.ends()
