"""A run under way while the world around it changes."""

from collections.abc import Callable
from typing import Any

import pytest

from leeboard.contract.jobs import DriftReport, JobOutcome
from leeboard.settings import Settings
from tests.support.playedmodel import MODEL, end_rollout, log, serve
from tests.support.playedpolicy import (
    KIND,
    NAME,
    answer,
    ask,
    change,
    drift,
    one,
    policy_world,
    ready,
    report,
    settle,
    started,
    status,
    told,
)
from tests.support.playedworld import CrashError, PlayedWorld


@pytest.fixture
def world() -> PlayedWorld:
    return policy_world()


async def intended(world: PlayedWorld) -> None:
    """Let a run stand in status, while its RayJob has not been made."""
    ask(world, "now")
    with pytest.raises(CrashError):
        await one(world, crash_after=0)
    assert not world.jobs


def _full(world: PlayedWorld) -> None:
    world.settings = Settings(collector_url="http://collector", max_jobs_at_once=1)
    world.put("RayJob", "somebody-s", {}, status={"jobDeploymentStatus": "Running"})


def _empty(world: PlayedWorld) -> None:
    world.settings = Settings(collector_url="http://collector")
    del world.objects["RayJob", "somebody-s"]


@pytest.mark.parametrize(
    ("lacks", "heals", "reason", "words"),
    [
        (
            lambda world: world.objects.pop(("ModelDeployment", MODEL)),
            lambda world: serve(world, "1", since="2026-01-01T00:00:00Z"),
            "WaitsForData",
            "waits for the ModelDeployment flights: apply it again",
        ),
        (lambda world: setattr(world, "tables", None), log, "WaitsForData", "the collector knows none"),
        (
            lambda world: world.away.add("collector"),
            lambda world: world.away.clear(),
            "WaitsForData",
            "collector does not answer",
        ),
        (_full, _empty, "WaitsForRoom", "LEEBOARD_MAX_JOBS_AT_ONCE is 1"),
    ],
    ids=["the ModelDeployment", "the log", "the collector", "a place"],
)
async def test_a_job_that_cannot_be_made_yet_is_made_when_it_can(
    world: PlayedWorld, lacks: Callable[[Any], Any], heals: Callable[[Any], Any], reason: str, words: str
) -> None:
    await intended(world)
    run = status(world)["activeRun"]["id"]
    lacks(world)
    plan = await settle(world)
    assert ready(world) == ("False", reason)
    assert words in told(world)
    assert plan.look.after == 30
    heals(world)
    await settle(world)
    [request] = world.made
    assert request.policy_run_id == run  # type: ignore[attr-defined]


async def test_suspended_it_makes_no_job_even_of_a_run_that_was_meant(world: PlayedWorld) -> None:
    await intended(world)
    change(world, suspend=True)
    await settle(world)
    assert ready(world) == ("True", "Suspended")
    assert not world.jobs
    change(world, suspend=False)
    await settle(world)
    assert len(world.made) == 1


async def test_no_run_starts_while_there_is_no_place_for_its_job(world: PlayedWorld) -> None:
    _full(world)
    drift(world, "e1")
    plan = await settle(world)
    assert ready(world) == ("True", "WaitsForRoom")
    assert plan.look.after == 15
    assert "activeRun" not in status(world)
    _empty(world)
    await started(world)


async def test_an_alias_that_is_another_s_is_not_trained_for(world: PlayedWorld) -> None:
    conditions = [
        {
            "type": "Stalled",
            "status": "True",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "reason": "AliasOwnedByOther",
            "message": "champion is owned by other/flights",
        }
    ]
    world.status("ModelDeployment", MODEL)["conditions"] = conditions
    drift(world, "e1")
    await settle(world)
    assert ready(world) == ("False", "AliasOwnedByOther")
    assert "champion is owned by other/flights" in told(world)
    conditions[0]["reason"] = "ModelNotFound"
    await started(world)


async def test_labels_that_cannot_be_counted_are_told(world: PlayedWorld) -> None:
    world.away = {"collector"}
    await settle(world)
    assert ready(world) == ("False", "CollectorUnavailable")
    assert "labels cannot be counted" in told(world)
    world.away.clear()
    await settle(world)
    assert ready(world) == ("True", "Watching")


async def test_a_version_waits_for_a_deployment_that_was_deleted(world: PlayedWorld) -> None:
    ask(world, "now")
    await answer(world, report())
    kept = world.objects.pop(("ModelDeployment", MODEL))
    await settle(world)
    assert ready(world) == ("False", "RollingOut")
    assert "version 2 waits for the ModelDeployment flights: apply it again" in told(world)
    world.objects["ModelDeployment", MODEL] = kept
    end_rollout(world, "2", "Promoted")
    await settle(world)
    assert status(world)["lastRun"]["outcome"] == "Promoted"


@pytest.mark.parametrize(
    ("became", "outcome", "words"),
    [
        (lambda world: serve(world, "2", since="2026-01-05T13:00:00Z"), "Promoted", "serves since 2026-01-05T13:00"),
        (
            lambda world: world.status("ModelDeployment", MODEL).update(
                rejectedVersions=[{"version": "2", "reason": "AnalysisFailed: errors"}]
            ),
            "RolledBack",
            "version 2 was rejected: AnalysisFailed: errors",
        ),
    ],
    ids=["it serves", "it was rejected"],
)
async def test_what_became_of_a_version_shows_even_without_its_history(
    world: PlayedWorld, became: Callable[[Any], Any], outcome: str, words: str
) -> None:
    ask(world, "now")
    await answer(world, report())
    became(world)
    await settle(world)
    last = status(world)["lastRun"]
    assert last["outcome"] == outcome
    assert words in last["message"]


async def test_gates_that_passed_without_a_version_are_an_error(world: PlayedWorld) -> None:
    ask(world, "now")
    await answer(world, report(version=None))
    assert status(world)["lastRun"]["outcome"] == "Error"
    assert "names no registered version" in status(world)["lastRun"]["message"]


async def test_a_report_of_another_kind_is_a_mistake_of_our_own(world: PlayedWorld) -> None:
    ask(world, "now")
    name = await started(world)
    world.answer(world.request_of(name), DriftReport(request_hash="x", outcome=JobOutcome.MEASURED))
    world.end_job(name)
    with pytest.raises(TypeError, match="DriftReport does not answer a retrain request"):
        await one(world)


async def test_while_nobody_has_a_pinned_version_the_registry_is_not_asked(world: PlayedWorld) -> None:
    serve(world, "1")
    world.objects["ModelDeployment", MODEL]["spec"]["model"]["version"] = "1"
    ask(world, "now")
    await answer(world, report())
    assert status(world)["lastRun"]["outcome"] == "Registered"
    assert world.registry_writes == []
    assert world.condition(KIND, NAME, "Ready") is not None
