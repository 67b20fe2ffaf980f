"""A RetrainPolicy in a played world, and what a test does to it and asks of it."""

from typing import Any

from leeboard.contract.jobs import GateReport, GateVerdict, JobOutcome, RetrainReport
from leeboard.contract.registry import RegisteredModel
from leeboard.retrainpolicy import LOOP
from tests.support.playedmodel import MODEL, ZERO, log, serve
from tests.support.playedworld import PlayedWorld

NAME = "keep"
KIND = "RetrainPolicy"
SPEC: dict[str, Any] = {
    "modelDeploymentRef": {"name": MODEL},
    "level": {
        "continual": {
            "triggers": [
                {"name": "drift", "drift": {"driftMonitorRef": {"name": "watch"}}},
                {"name": "labels", "volume": {"newLabelledRows": 100}},
                {"name": "age", "time": {"maxAge": "30d"}},
            ],
            "minInterval": "6h",
        }
    },
    "data": {"window": {"duration": "14d"}},
    "trainer": {"builtin": {"refit": {}}},
    "evaluation": {"gates": [{"name": "better", "metric": "roc_auc", "minGainOverChampion": 0}]},
    "budget": {"maxRunsPerDay": 4, "stopAfterRejections": 2},
}
MANUAL = SPEC | {"level": {"manual": {}}}


def policy_world() -> PlayedWorld:
    """Return a world in which version 1 serves, is watched and is to be retrained."""
    world = PlayedWorld()
    serve(world, "1", since="2026-01-01T00:00:00Z")
    log(world)
    world.models["flights"] = RegisteredModel("flights", aliases={"champion": "1"})
    world.put("DriftMonitor", "watch", monitor_spec())
    world.put(KIND, NAME, SPEC)
    return world


def monitor_spec(model: str = MODEL) -> dict[str, Any]:
    return {"modelDeploymentRef": {"name": model}, "schedule": {"every": "1h"}, "window": {"duration": "6h"}}


def drift(world: PlayedWorld, episode: str | None, version: str = "1", checks: tuple[str, ...] = ("columns",)) -> None:
    told = {"id": episode, "startedTime": ZERO, "checks": list(checks), "modelVersion": version}
    world.objects["DriftMonitor", "watch"]["status"] = {"episode": told} if episode else {}


def ask(world: PlayedWorld, token: str) -> None:
    world.objects[KIND, NAME]["metadata"]["annotations"] = {"leeboard.dev/retrain": token}


def change(world: PlayedWorld, **spec: Any) -> None:
    raw = world.objects[KIND, NAME]
    raw["spec"] = raw["spec"] | spec
    raw["metadata"]["generation"] += 1


def status(world: PlayedWorld) -> dict[str, Any]:
    return world.status(KIND, NAME)


def ready(world: PlayedWorld) -> tuple[str, str]:
    condition = world.condition(KIND, NAME, "Ready")
    assert condition is not None
    return condition["status"], condition["reason"]


def told(world: PlayedWorld) -> str:
    return str(world.condition(KIND, NAME, "Ready")["message"])


async def one(world: PlayedWorld, **more: Any) -> Any:
    return await world.one_pass(LOOP, NAME, **more)


async def settle(world: PlayedWorld) -> Any:
    return await world.settle(LOOP, NAME)


async def started(world: PlayedWorld) -> str:
    """Let a run start, and return its RayJob."""
    await settle(world)
    return str(status(world)["activeRun"]["rayJob"])


def report(**more: Any) -> RetrainReport:
    values: dict[str, Any] = {
        "request_hash": "x",
        "outcome": JobOutcome.MEASURED,
        "passed": True,
        "version": "2",
        "metrics": {"roc_auc": 0.8},
        "champion_metrics": {"roc_auc": 0.7},
        "high_water_mark": 150,
    }
    return RetrainReport(**(values | more))


def rejected() -> RetrainReport:
    gate = GateReport(name="better", metric="roc_auc", verdict=GateVerdict.FAILED, message="0.70 is not above 0.71")
    return report(passed=False, version=None, gates=(gate,))


async def answer(world: PlayedWorld, found: RetrainReport) -> None:
    name = await started(world)
    world.answer(world.request_of(name), found)
    world.end_job(name)
    await settle(world)


def no_version(world: PlayedWorld) -> None:
    del world.objects["ModelDeployment", MODEL]["status"]
