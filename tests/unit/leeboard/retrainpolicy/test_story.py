"""A run from its fact to its end, word by word: what stands in status, what is said, and when it looks again."""

from datetime import timedelta
from typing import Any

import pytest

from leeboard.api.modeldeployment import RegistryWrite
from leeboard.control.clock import iso
from leeboard.control.steps import Create, Delete, EmitEvent, WriteRegistry
from leeboard.settings import Settings
from tests.support.playedmodel import MODEL, end_rollout, log, roll_out, serve
from tests.support.playedpolicy import (
    KIND,
    MANUAL,
    NAME,
    SPEC,
    answer,
    ask,
    change,
    drift,
    one,
    policy_world,
    ready,
    rejected,
    report,
    settle,
    started,
    status,
    told,
)
from tests.support.playedworld import START, CrashError, PlayedWorld

DRIFT = "the DriftMonitor watch sees drift since 2026-01-01T00:00:00Z"
FIRED = {"name": "drift", "id": "drift/watch/e1", "count": 1, "generation": 1, "message": DRIFT}


@pytest.fixture
def world() -> PlayedWorld:
    world = policy_world()
    log(world, labels=50)
    return world


def known(world: PlayedWorld) -> dict[str, Any]:
    return {name: value for name, value in status(world).items() if name not in {"conditions", "liveArms"}}


async def test_a_run_word_by_word(world: PlayedWorld) -> None:
    drift(world, "e1")
    plan = await one(world)
    [name] = world.jobs
    assert [type(step) for step in plan.steps] == [Create]
    assert plan.intent is not None
    assert (ready(world), plan.look.after) == (("False", "Training"), 60)
    assert told(world) == f"makes the RayJob {name}, since 2026-01-05T12:00:00Z: {DRIFT}"
    run = {
        "id": "3a6c4ce11002dd21",
        "attempt": 0,
        "triggers": [FIRED],
        "startedTime": "2026-01-05T12:00:00Z",
        "cutoffTime": "2026-01-05T12:00:00Z",
        "championVersion": "1",
        "rayJob": name,
        "requestHash": world.requests[name],
        "metrics": {},
        "championMetrics": {},
        "challengerSet": False,
        "observed": False,
        "message": "",
        "labelRows": 50,
    }
    common = {
        "observedGeneration": 1,
        "lastStartTime": "2026-01-05T12:00:00Z",
        "startsToday": 1,
        "consecutiveRejections": 0,
        "consumed": [FIRED],
        "handledActions": [],
        "history": [],
    }
    assert known(world) == common | {"activeRun": run}

    world.pass_time(minutes=3)
    world.objects["RayJob", name]["status"] = {"jobDeploymentStatus": "Running"}
    plan = await one(world)
    assert (plan.steps, plan.look.after) == ((), 60)
    assert told(world) == f"the RayJob {name} trains since 2026-01-05T12:00:00Z: {DRIFT}"
    assert known(world) == common | {"activeRun": run | {"observed": True}}

    world.answer(world.request_of(name), report())
    world.end_job(name)
    plan = await one(world)
    assert plan.steps == (WriteRegistry("flights", (RegistryWrite(set_alias="challenger", version="2"),)),)
    assert plan.intent is not None
    assert plan.intent["activeRun"]["challengerSet"] is False, "who is killed before the write makes it later"
    assert (ready(world), plan.look.after) == (("False", "RollingOut"), 60)
    assert told(world) == (
        "version 2 passed its gates; its rollout by the ModelDeployment flights is waited for, since "
        "2026-01-05T12:00:00Z"
    )
    passed = run | {
        "observed": True,
        "challengerSet": True,
        "runId": "run-" + world.requests[name][:8],
        "version": "2",
        "metrics": {"roc_auc": 0.8},
        "championMetrics": {"roc_auc": 0.7},
    }
    assert known(world) == common | {"activeRun": passed, "highWaterMark": 50}

    roll_out(world, "2")
    plan = await one(world)
    assert (plan.steps, plan.look.after) == ((), 60)
    end_rollout(world, "2", "RolledBack", rejected=True)
    plan = await one(world)
    said = f"the run 3a6c4ce11002dd21 ({DRIFT}): the test says RolledBack"
    assert plan.steps == (EmitEvent("Warning", "RunRolledBack", said),)
    assert plan.look.after == 0
    ended = {
        "id": "3a6c4ce11002dd21",
        "triggers": [FIRED],
        "outcome": "RolledBack",
        "version": "2",
        "metrics": {"roc_auc": 0.8},
        "championMetrics": {"roc_auc": 0.7},
        "message": "the test says RolledBack",
        "runId": passed["runId"],
        "startedTime": "2026-01-05T12:00:00Z",
        "finishedTime": "2026-01-05T12:03:00Z",
    }
    over = {"lastRun": ended, "history": [ended], "consecutiveRejections": 1, "highWaterMark": 50}
    assert known(world) == common | over
    plan = await one(world)
    assert (plan.steps, plan.look.after) == ((), 30)
    assert known(world) == common | over | {"nextRunTime": "2026-01-05T18:00:00Z"}


async def test_a_job_that_waits_in_a_queue_says_so(world: PlayedWorld) -> None:
    change(world, job={"queueName": "gpus"})
    ask(world, "now")
    name = await started(world)
    world.objects["RayJob", name]["spec"]["suspend"] = True
    world.objects["RayJob", name]["status"] = {"jobDeploymentStatus": "Suspended"}
    await one(world)
    assert told(world) == (
        f"the RayJob {name} waits in its queue since 2026-01-05T12:00:00Z: asked for with the token now"
    )


async def test_a_job_that_nobody_takes_up_says_so_until_somebody_does(world: PlayedWorld) -> None:
    ask(world, "now")
    name = await started(world)
    asked = "since 2026-01-05T12:00:00Z: asked for with the token now"
    world.pass_time(seconds=44)
    await one(world)
    assert ready(world) == ("False", "Training")
    world.pass_time(seconds=1)
    plan = await one(world)
    assert ready(world) == ("False", "NotTakenUp")
    assert told(world) == f"the RayJob {name} waits for KubeRay to take it up (see whether its operator runs) {asked}"
    assert plan.look.after == 60
    world.objects["RayJob", name]["status"] = {"jobDeploymentStatus": "Initializing"}
    await one(world)
    assert ready(world) == ("False", "Training")
    assert told(world) == f"the RayJob {name} trains {asked}"


async def test_a_job_that_lost_its_labels_is_not_taken_for_lost(world: PlayedWorld) -> None:
    ask(world, "now")
    name = await started(world)
    world.hidden.add(name)
    world.pass_time(minutes=2)
    assert (await settle(world)).steps == ()
    assert ready(world) == ("False", "NotTakenUp")
    world.objects["RayJob", name]["metadata"]["ownerReferences"][0]["uid"] = "another"
    await one(world)
    assert ready(world) == ("False", "Retrying")


async def test_a_job_whose_pods_find_no_node_says_so(world: PlayedWorld) -> None:
    ask(world, "now")
    name = await started(world)
    world.hold_up(name, "1 Insufficient nvidia.com/gpu")
    world.pass_time(seconds=5)
    await one(world)
    why = "no node takes its pod: 1 Insufficient nvidia.com/gpu"
    assert told(world).startswith(f"the RayJob {name} waits for its pods ({why}) since ")


async def test_an_attempt_that_failed_is_told_and_the_next_one_timed(world: PlayedWorld) -> None:
    drift(world, "e1")
    name = await started(world)
    world.end_job(name, "Failed", "FAILED", "AppFailed")
    plan = await one(world)
    assert (plan.steps, plan.look.after) == ((), 0)
    run = status(world)["activeRun"]
    assert (run["attempt"], run["observed"], run["retryTime"]) == (1, False, "2026-01-05T12:00:05Z")
    assert run["rayJob"] != name
    assert ready(world) == ("False", "Retrying")
    assert told(world) == f"{run['message']}; attempt 2 of 3 begins at 2026-01-05T12:00:05Z"
    assert run["message"].startswith(f"the RayJob {name} failed (AppFailed)")
    world.pass_time(seconds=2)
    plan = await one(world)
    assert plan.look.after == 3
    assert list(world.jobs) == [name]
    world.pass_time(seconds=3)
    await one(world)
    assert run["rayJob"] in world.jobs


async def test_a_job_that_gave_up_for_good_ends_the_run_at_once(world: PlayedWorld) -> None:
    drift(world, "e1")
    name = await started(world)
    world.end_job(name, "ValidationFailed", "", "ValidationFailed")
    plan = await one(world)
    [event] = [step for step in plan.steps if isinstance(step, EmitEvent)]
    assert (event.type, event.reason) == ("Warning", "RunError")
    assert status(world)["lastRun"]["outcome"] == "Error"
    assert status(world)["lastRun"]["message"].startswith(f"the RayJob {name} failed (ValidationFailed)")


async def test_good_ends_are_told_as_normal_events_and_end_the_count(world: PlayedWorld) -> None:
    drift(world, "e1")
    await answer(world, rejected())
    assert [(event.type, event.reason) for event in world.events] == [("Warning", "RunGateFailed")]
    assert status(world)["consecutiveRejections"] == 1
    world.pass_time(hours=6)
    await answer(world, report())
    roll_out(world, "2")
    await settle(world)
    end_rollout(world, "2", "Promoted")
    await settle(world)
    assert [(event.type, event.reason) for event in world.events][1:] == [("Normal", "RunPromoted")]
    assert status(world)["consecutiveRejections"] == 0
    assert [run["outcome"] for run in status(world)["history"]] == ["Promoted", "GateFailed"]


async def test_the_event_about_a_stopped_policy_says_what_its_condition_says(world: PlayedWorld) -> None:
    drift(world, "e1")
    await answer(world, rejected())
    world.pass_time(hours=7)
    await answer(world, rejected())
    [stop] = [event for event in world.events if event.reason == "TooManyRejections"]
    assert (stop.type, stop.message) == ("Warning", told(world))
    assert stop.message.startswith("2 runs in a row")
    assert status(world)["stoppedGeneration"] == 1
    assert len(world.events) == 3, "of Ready and Stalled one is told"


async def test_a_changed_spec_forgets_the_count(world: PlayedWorld) -> None:
    drift(world, "e1")
    for _ in range(2):
        await answer(world, rejected())
        world.pass_time(hours=7)
    drift(world, None)
    change(world, suspend=True)
    await settle(world)
    assert status(world)["consecutiveRejections"] == 0
    assert "stoppedGeneration" not in status(world)


async def test_other_errors_of_the_spec_bring_no_event(world: PlayedWorld) -> None:
    drift(world, "e1")
    world.settings = Settings(collector_url="http://collector")
    await answer(world, report(passed=False, outcome="Error", message="no label column", permanent=True))
    assert [event.reason for event in world.events] == ["RunError"]
    assert ready(world) == ("False", "RunFailed")


async def test_an_error_keeps_the_mark_and_a_failed_gate_moves_it(world: PlayedWorld) -> None:
    drift(world, "e1")
    await answer(world, report(passed=False, outcome="Error", message="no", permanent=True, ingest_mark="x"))
    assert "highWaterMark" not in status(world)
    assert "newestIngestTime" not in status(world)
    world.pass_time(hours=6)
    await answer(world, rejected().model_copy(update={"ingest_mark": "2026-01-05T11:00:00Z"}))
    assert status(world)["highWaterMark"] == 50
    assert status(world)["newestIngestTime"] == "2026-01-05T11:00:00Z"
    world.pass_time(hours=6)
    drift(world, "e2")
    await answer(world, rejected())
    assert status(world)["newestIngestTime"] == "2026-01-05T11:00:00Z", "a report without a mark keeps it"


async def test_a_token_is_handled_beside_other_actions(world: PlayedWorld) -> None:
    world.objects[KIND, NAME]["spec"] = MANUAL
    before = [{"name": "other", "value": "x"}, {"name": "retrain", "value": "t0"}]
    world.objects[KIND, NAME]["status"] = {"handledActions": before}
    ask(world, "t1")
    await started(world)
    assert status(world)["handledActions"] == [{"name": "other", "value": "x"}, {"name": "retrain", "value": "t1"}]


async def test_another_fact_leaves_the_handled_token(world: PlayedWorld) -> None:
    world.objects[KIND, NAME]["status"] = {"handledActions": [{"name": "retrain", "value": "t0"}]}
    drift(world, "e1")
    await started(world)
    assert status(world)["handledActions"] == [{"name": "retrain", "value": "t0"}]


async def test_histories_are_bounded_newest_first(world: PlayedWorld) -> None:
    old = {
        "id": "old",
        "triggers": [],
        "outcome": "GateFailed",
        "startedTime": "2026-01-01T00:00:00Z",
        "finishedTime": "2026-01-01T01:00:00Z",
    }
    facts = [{"name": "drift", "id": f"e{number}", "count": 1, "generation": 1} for number in range(40)]
    world.objects[KIND, NAME]["status"] = {
        "history": [old | {"id": f"old-{number}"} for number in range(10)],
        "consumed": facts,
    }
    drift(world, "e1")
    log(world, labels=200)
    await answer(world, rejected())
    assert [run["id"] for run in status(world)["history"]][1:] == [f"old-{number}" for number in range(9)]
    assert len(status(world)["history"]) == 10
    ids = [fired["id"] for fired in status(world)["consumed"]]
    assert ids == ["volume/labels/0", "drift/watch/e1", *(f"e{number}" for number in range(38))]


async def test_the_budget_of_the_day_is_counted_with_each_start(world: PlayedWorld) -> None:
    world.objects[KIND, NAME]["status"] = {"lastStartTime": iso(START - timedelta(hours=7)), "startsToday": 2}
    drift(world, "e1")
    await started(world)
    assert status(world)["startsToday"] == 3


async def test_what_it_waits_for_is_looked_at_in_time(world: PlayedWorld) -> None:
    continual = SPEC["level"]["continual"]
    aged = {"triggers": [continual["triggers"][2]], "minInterval": "6h"}
    change(world, level={"continual": aged})
    assert (await settle(world)).look.after == 300, "nothing is counted, and the age is far off"
    change(world, level={"continual": aged | {"triggers": [{"name": "age", "time": {"maxAge": "4d"}}]}})
    serve(world, "1", since=iso(START - timedelta(days=4) + timedelta(seconds=100)))
    assert (await settle(world)).look.after == 100
    world.pass_time(seconds=100)
    await started(world)


async def test_counted_labels_are_looked_at_every_half_minute(world: PlayedWorld) -> None:
    assert (await settle(world)).look.after == 30
    assert "nextRunTime" not in status(world)


async def test_a_barrier_that_goes_by_itself_is_told_and_looked_at_in_time(world: PlayedWorld) -> None:
    world.objects[KIND, NAME]["spec"] = MANUAL | {"budget": {"maxRunsPerDay": 1, "stopAfterRejections": 2}}
    start = iso(START - timedelta(hours=1))
    world.objects[KIND, NAME]["status"] = {"lastStartTime": start, "startsToday": 1}
    world.pass_time(hours=11, minutes=58)
    ask(world, "now")
    plan = await settle(world)
    assert status(world)["nextRunTime"] == "2026-01-06T00:00:00Z"
    assert plan.look.after == 120
    world.pass_time(minutes=2)
    await started(world)
    assert "nextRunTime" not in status(world)


async def test_surplus_jobs_go_while_it_rests_waits_and_makes_one(world: PlayedWorld) -> None:
    def stray(name: str) -> None:
        world.put("RayJob", name, {}, status={"jobDeploymentStatus": "Running"})
        uid = world.objects[KIND, NAME]["metadata"]["uid"]
        world.objects["RayJob", name]["metadata"]["ownerReferences"] = [{"uid": uid, "controller": True}]

    async def deleted() -> list[str]:
        plan = await one(world)
        return [step.name for step in plan.steps if isinstance(step, Delete)]

    stray("rests")
    assert await deleted() == ["rests"]
    world.tables = None
    drift(world, "e1")
    stray("waits")
    assert await deleted() == ["waits"]
    log(world, labels=50)
    stray("makes")
    assert await deleted() == ["makes"]
    change(world, suspend=True)
    [name] = world.jobs
    del world.objects["RayJob", name]
    await one(world)
    stray("suspended")
    assert await deleted() == ["suspended"]
    change(world, suspend=False)
    stray("retries")
    assert await deleted() == ["retries"]


async def test_a_run_that_was_meant_and_has_no_data_says_what_it_waits_for(world: PlayedWorld) -> None:
    ask(world, "now")
    with pytest.raises(CrashError):
        await one(world, crash_after=0)
    world.tables = None
    plan = await settle(world)
    assert told(world) == "waits for the log of the ModelDeployment flights: the collector knows none"
    assert plan.look.after == 30
    kept = world.objects.pop(("ModelDeployment", MODEL))
    await settle(world)
    assert told(world) == "waits for the ModelDeployment flights: apply it again"
    world.objects["ModelDeployment", MODEL] = kept
    log(world, labels=50)
    world.settings = Settings(collector_url="http://collector", max_jobs_at_once=1)
    world.put("RayJob", "other", {}, status={"jobDeploymentStatus": "Running"})
    await settle(world)
    assert told(world) == "waits for a free place: LEEBOARD_MAX_JOBS_AT_ONCE is 1"
