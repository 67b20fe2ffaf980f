"""The health script for Argo CD, run as Argo CD runs it, on statuses that Leeboard really writes."""

from pathlib import Path
from typing import Any

import lupa
import pytest

from leeboard.driftmonitor import LOOP as MONITOR
from leeboard.settings import Settings
from tests.support import playedpolicy
from tests.support.playeddeployment import PlayedDeployment
from tests.support.playedmodel import log, serve
from tests.support.playedpolicy import monitor_spec, policy_world
from tests.support.playedworld import PlayedWorld

SCRIPT = Path(__file__).parents[4] / "docs" / "examples" / "argocd" / "health.lua"


def as_lua(runtime: lupa.LuaRuntime, value: Any) -> Any:
    if isinstance(value, dict):
        return runtime.table_from({key: as_lua(runtime, item) for key, item in value.items()})
    if isinstance(value, list):
        return runtime.table_from([as_lua(runtime, item) for item in value])
    return value


def health(status: dict[str, Any], *, generation: int = 1, **spec: Any) -> tuple[str, str]:
    runtime = lupa.LuaRuntime()
    runtime.globals().obj = as_lua(
        runtime, {"metadata": {"generation": generation}, "spec": spec, **({"status": status} if status else {})}
    )
    found = runtime.execute(SCRIPT.read_text())
    return found.status, found.message


@pytest.fixture
def played() -> PlayedDeployment:
    return PlayedDeployment()


def test_an_object_that_nobody_has_looked_at_is_progressing():
    assert health({})[0] == "Progressing"


def test_a_changed_manifest_is_progressing_until_the_operator_has_seen_it(played: PlayedDeployment):
    played.serve("1")

    assert health(played.status, generation=2)[0] == "Progressing"


def test_a_model_that_serves_is_healthy(played: PlayedDeployment):
    played.serve("1")

    assert health(played.status)[0] == "Healthy"


def test_a_suspended_one_is_suspended(played: PlayedDeployment):
    played.serve("1")
    played.change(suspend=True)
    played.settle()

    assert health(played.status, generation=played.generation, suspend=True)[0] == "Suspended"


def test_a_canary_is_progressing_and_says_what_it_waits_for(played: PlayedDeployment):
    played.serve("1")
    played.register("2")
    played.alias("challenger", "2")
    played.run(30)

    assert health(played.status) == ("Progressing", played.message())


def test_what_waits_for_a_person_is_degraded(played: PlayedDeployment):
    played.spec["model"] = {"name": played.spec["model"]["name"], "version": "9"}
    played.register("1")
    played.settle()

    assert played.condition("Stalled")[0] == "True", played.status
    assert health(played.status) == ("Degraded", played.message("Stalled"))


def test_a_stable_version_that_does_not_answer_is_degraded(played: PlayedDeployment):
    played.serve("1")
    played.arms_answer = False
    for arm in played.arms.values():
        arm.ready = False
    played.run(60)

    assert played.condition("Available")[0] == "False"
    assert health(played.status) == ("Degraded", played.message("Available"))


def of(world: PlayedWorld, kind: str, name: str) -> tuple[str, str]:
    raw = world.objects[kind, name]
    return health(raw.get("status", {}), generation=raw["metadata"]["generation"], **raw["spec"])


def monitored(**spec: Any) -> PlayedWorld:
    world = PlayedWorld()
    serve(world, "1", since="2026-01-01T00:00:00Z")
    log(world)
    world.put("DriftMonitor", "watch", monitor_spec() | spec)
    return world


async def test_a_drift_monitor_is_healthy_between_windows_and_while_it_scores_one():
    world = monitored()
    assert of(world, "DriftMonitor", "watch")[0] == "Progressing"
    await world.settle(MONITOR, "watch")
    assert of(world, "DriftMonitor", "watch")[0] == "Healthy"
    world.pass_time(minutes=70)
    await world.settle(MONITOR, "watch")
    assert world.jobs
    assert of(world, "DriftMonitor", "watch")[0] == "Healthy"


async def test_a_drift_monitor_without_a_log_is_degraded_and_a_suspended_one_suspended():
    world = monitored()
    world.settings = Settings()
    world.pass_time(minutes=70)
    await world.settle(MONITOR, "watch")
    assert of(world, "DriftMonitor", "watch")[0] == "Degraded"
    world = monitored(suspend=True)
    await world.settle(MONITOR, "watch")
    assert of(world, "DriftMonitor", "watch")[0] == "Suspended"


async def test_a_retrain_policy_is_healthy_while_it_waits_and_progressing_while_it_trains():
    world = policy_world()
    await playedpolicy.settle(world)
    assert of(world, playedpolicy.KIND, playedpolicy.NAME)[0] == "Healthy"
    playedpolicy.ask(world, "now")
    await playedpolicy.started(world)
    assert of(world, playedpolicy.KIND, playedpolicy.NAME)[0] == "Progressing"


async def test_a_retrain_policy_without_a_log_is_degraded_and_a_suspended_one_suspended():
    world = policy_world()
    world.settings = Settings()
    playedpolicy.ask(world, "now")
    await playedpolicy.settle(world)
    assert of(world, playedpolicy.KIND, playedpolicy.NAME)[0] == "Degraded"
    world = policy_world()
    playedpolicy.change(world, suspend=True)
    await playedpolicy.settle(world)
    assert of(world, playedpolicy.KIND, playedpolicy.NAME)[0] == "Suspended"
