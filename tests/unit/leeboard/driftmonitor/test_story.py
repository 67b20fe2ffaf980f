"""A window from its tick to its end, word by word: what stands in status, what is said, and when it looks again."""

from datetime import timedelta
from typing import Any

import pytest

from leeboard.api.errors import SpecError
from leeboard.contract.jobs import CheckReport, DriftReport, JobOutcome
from leeboard.control.clock import iso
from leeboard.control.steps import Create, Delete, EmitEvent, KeepRuns
from leeboard.driftmonitor import LOOP
from leeboard.settings import Settings
from tests.support.playedmodel import MODEL, ZERO, log, serve
from tests.support.playedworld import START, PlayedWorld

NAME = "watch"
KIND = "DriftMonitor"
SPEC: dict[str, Any] = {
    "modelDeploymentRef": {"name": MODEL},
    "schedule": {"every": "30m"},
    "window": {"duration": "6h", "lag": "5m"},
    "alerting": {"raiseAfter": {"breaches": 1, "of": 1}, "clearAfter": 2, "cooldown": "6h"},
}
WINDOW = "the window 2026-01-05T06:25:00Z to 2026-01-05T12:25:00Z"


@pytest.fixture
def world() -> PlayedWorld:
    world = PlayedWorld(time=START + timedelta(minutes=3))
    serve(world, "1", since=ZERO)
    log(world, labels=70)
    world.put(KIND, NAME, SPEC)
    return world


def report(*, drifted: bool = False, **more: Any) -> DriftReport:
    check = CheckReport(
        name="columns",
        kind="univariateTest",
        statistic=0.5,
        threshold=0.3,
        drifted=drifted,
        worst_columns=("temp",),
    )
    values = {"outcome": JobOutcome.MEASURED, "rows": 1000, "version": "1", "checks": (check,)}
    return DriftReport(**({"request_hash": "x", "drifted": drifted} | values | more))


def known(world: PlayedWorld) -> dict[str, Any]:
    kept = world.status(KIND, NAME)
    return {name: value for name, value in kept.items() if name not in {"conditions", "liveArms"}}


def ready(world: PlayedWorld) -> tuple[str, str, str]:
    condition = world.condition(KIND, NAME, "Ready")
    assert condition is not None
    return condition["status"], condition["reason"], condition["message"]


async def one(world: PlayedWorld, **more: Any) -> Any:
    return await world.one_pass(LOOP, NAME, **more)


def change(world: PlayedWorld, **spec: Any) -> None:
    raw = world.objects[KIND, NAME]
    raw["spec"] = raw["spec"] | spec
    raw["metadata"]["generation"] += 1


async def test_a_window_word_by_word(world: PlayedWorld) -> None:
    world.pass_time(minutes=30)
    plan = await one(world)
    [name] = world.jobs
    assert [type(step) for step in plan.steps] == [Create]
    assert plan.intent is not None
    assert plan.look.after == 60
    assert ready(world) == ("True", "Scoring", f"makes the RayJob {name} for {WINDOW}, since 2026-01-05T12:33:00Z")
    job = {
        "rayJob": name,
        "windowStartTime": "2026-01-05T06:25:00Z",
        "windowEndTime": "2026-01-05T12:25:00Z",
        "attempt": 0,
        "requestHash": world.requests[name],
        "startedTime": "2026-01-05T12:33:00Z",
        "observed": False,
        "message": "",
        "checks": [],
        "labelRows": 70,
    }
    upcoming = known(world)["nextRunTime"]
    assert "2026-01-05T13:00:00Z" < upcoming < "2026-01-05T13:03:00Z"
    common = {
        "observedGeneration": 1,
        "nextRunTime": upcoming,
        "lastTickTime": "2026-01-05T12:30:00Z",
        "quietRuns": 0,
        "pendingLabels": [],
        "history": [],
    }
    assert known(world) == common | {"activeJob": job}

    world.pass_time(minutes=1)
    world.objects["RayJob", name]["status"] = {"jobDeploymentStatus": "Running"}
    plan = await one(world)
    assert (plan.steps, plan.look.after) == ((), 60)
    assert ready(world) == ("True", "Scoring", f"the RayJob {name} scores {WINDOW}, since 2026-01-05T12:33:00Z")
    assert known(world) == common | {"activeJob": job | {"observed": True}}

    world.answer(world.request_of(name), report(drifted=True))
    world.end_job(name)
    plan = await one(world)
    run = known(world)["lastRun"]
    assert (run["verdict"], run["rows"], run["modelVersion"]) == ("Drifted", 1000, "1")
    assert (run["windowStartTime"], run["windowEndTime"]) == (job["windowStartTime"], job["windowEndTime"])
    assert run["finishedTime"] == "2026-01-05T12:34:00Z"
    episode = known(world)["episode"]
    event, kept = plan.steps
    assert event == EmitEvent(
        "Warning", "DriftDetected", f"[Warning] {WINDOW} drifted: columns (temp); see {run['reportUri']}"
    )
    assert kept == KeepRuns("leeboard/default/flights", "default/watch", 500, ((run["runId"], episode["id"]),))
    assert plan.look.after == 0
    over = {"lastRun": run, "history": [run], "episode": episode, "lastAlertTime": "2026-01-05T12:34:00Z"}
    assert known(world) == common | over

    plan = await one(world)
    assert plan.steps == ()
    assert plan.look.after == 300, "the next tick is further away than the longest look"
    assert known(world) == common | over


async def test_the_last_look_before_a_tick_is_in_time(world: PlayedWorld) -> None:
    await one(world)
    due = known(world)["nextRunTime"]
    while iso(world.time + timedelta(seconds=300)) < due:
        world.pass_time(seconds=300)
    plan = await one(world)
    assert iso(world.time + timedelta(seconds=plan.look.after)) == due


async def test_a_job_that_waits_in_a_queue_says_so(world: PlayedWorld) -> None:
    change(world, job={"queueName": "gpus"})
    world.pass_time(minutes=30)
    await one(world)
    [name] = world.jobs
    world.objects["RayJob", name]["spec"]["suspend"] = True
    world.objects["RayJob", name]["status"] = {"jobDeploymentStatus": "Suspended"}
    await one(world)
    assert ready(world)[2] == f"the RayJob {name} waits in its queue {WINDOW}, since 2026-01-05T12:33:00Z"


async def test_a_job_that_nobody_takes_up_says_so_until_somebody_does(world: PlayedWorld) -> None:
    world.pass_time(minutes=30)
    await one(world)
    [name] = world.jobs
    await one(world)
    assert ready(world)[:2] == ("True", "Scoring")
    world.pass_time(seconds=45)
    plan = await one(world)
    waits = "waits for KubeRay to take it up (see whether its operator runs)"
    said = f"the RayJob {name} {waits} {WINDOW}, since 2026-01-05T12:33:00Z"
    assert ready(world) == ("False", "NotTakenUp", said)
    assert plan.look.after == 60
    world.objects["RayJob", name]["status"] = {"jobDeploymentStatus": "Running"}
    await one(world)
    assert ready(world) == ("True", "Scoring", f"the RayJob {name} scores {WINDOW}, since 2026-01-05T12:33:00Z")


async def test_a_job_that_lost_its_labels_is_not_taken_for_lost(world: PlayedWorld) -> None:
    world.pass_time(minutes=30)
    await one(world)
    [name] = world.jobs
    await one(world)
    world.hidden.add(name)
    assert (await one(world)).steps == ()
    assert ready(world)[:2] == ("True", "Scoring")


async def test_a_job_whose_pods_find_no_node_says_so(world: PlayedWorld) -> None:
    world.pass_time(minutes=30)
    await one(world)
    [name] = world.jobs
    world.hold_up(name, "1 Insufficient nvidia.com/gpu")
    await one(world)
    assert f"the RayJob {name} scores" in ready(world)[2], "pods may take a moment"
    world.pass_time(seconds=5)
    await one(world)
    why = "no node takes its pod: 1 Insufficient nvidia.com/gpu"
    assert ready(world)[2].startswith(f"the RayJob {name} waits for its pods ({why}) the window ")


async def test_an_attempt_that_failed_is_told_and_the_next_one_timed(world: PlayedWorld) -> None:
    world.pass_time(minutes=30)
    await one(world)
    [name] = world.jobs
    world.end_job(name, "Failed", "FAILED", "AppFailed")
    plan = await one(world)
    job = known(world)["activeJob"]
    assert (plan.steps, plan.look.after) == ((), 0)
    assert (job["attempt"], job["observed"], job["retryTime"]) == (1, False, "2026-01-05T12:33:05Z")
    assert job["message"].startswith(f"the RayJob {name} failed (AppFailed)")
    assert ready(world) == ("False", "Retrying", f"{job['message']}; attempt 2 of 3 begins at 2026-01-05T12:33:05Z")
    world.pass_time(seconds=2)
    assert (await one(world)).look.after == 3
    assert list(world.jobs) == [name]
    world.pass_time(seconds=3)
    await one(world)
    assert job["rayJob"] in world.jobs
    assert world.request_of(job["rayJob"]).attempt == 1


async def test_a_window_that_is_given_up_says_why_and_the_next_tick_goes_on(world: PlayedWorld) -> None:
    change(world, job={"retries": 0})
    world.pass_time(minutes=30)
    await one(world)
    [name] = world.jobs
    world.end_job(name, "Failed", "FAILED", "AppFailed")
    plan = await one(world)
    run = known(world)["lastRun"]
    assert run["verdict"] == "Error"
    assert run["message"].startswith(f"the RayJob {name} failed (AppFailed)")
    assert plan.steps == (), "there is no run in MLflow to keep"
    assert plan.look.after == 0
    assert "activeJob" not in known(world)


async def test_an_empty_log_says_what_to_look_at(world: PlayedWorld) -> None:
    world.tables = None
    world.pass_time(minutes=30)
    await one(world)
    run = known(world)["lastRun"]
    assert (run["verdict"], run["message"]) == (
        "Insufficient",
        "nothing has been logged yet: send requests, and see whether the arms reach the collector",
    )
    assert known(world)["lastTickTime"] == "2026-01-05T12:30:00Z"


async def test_a_place_is_waited_for_and_the_tick_is_not_taken_up(world: PlayedWorld) -> None:
    world.settings = Settings(collector_url="http://collector", max_jobs_at_once=1)
    world.put("RayJob", "other", {}, status={"jobDeploymentStatus": "Running"})
    world.pass_time(minutes=30)
    plan = await one(world)
    assert plan.look.after == 10
    assert ready(world) == (
        "True",
        "WaitsForRoom",
        "the window that ended at 2026-01-05T12:25:00Z waits for a free place: LEEBOARD_MAX_JOBS_AT_ONCE is 1",
    )
    assert "lastTickTime" not in known(world)


async def _failed_once(world: PlayedWorld) -> None:
    world.pass_time(minutes=30)
    await one(world)
    await one(world)
    [name] = world.jobs
    del world.objects["RayJob", name]
    await one(world)
    world.pass_time(seconds=5)


async def test_another_attempt_without_a_log_or_a_place_looks_again_soon(world: PlayedWorld) -> None:
    await _failed_once(world)
    world.tables = None
    plan = await one(world)
    assert plan.look.after == 10
    assert ready(world) == (
        "False",
        "NoLog",
        "waits until the collector knows the log of the ModelDeployment flights",
    )
    log(world)
    world.settings = Settings(collector_url="http://collector", max_jobs_at_once=1)
    world.put("RayJob", "other", {}, status={"jobDeploymentStatus": "Running"})
    plan = await one(world)
    assert plan.look.after == 10
    assert ready(world)[1] == "WaitsForRoom"


async def test_another_attempt_says_what_else_is_in_its_way(world: PlayedWorld) -> None:
    await _failed_once(world)
    world.objects.pop(("ModelDeployment", MODEL))
    await one(world)
    assert ready(world)[1] == "ModelDeploymentMissing"


async def test_another_attempt_of_a_suspended_monitor_is_not_made(world: PlayedWorld) -> None:
    await _failed_once(world)
    change(world, suspend=True)
    plan = await one(world)
    assert (plan.steps, plan.look.after) == ((), 300)
    assert ready(world)[1] == "Suspended"
    assert "nextRunTime" not in known(world)
    change(world, suspend=False)
    await one(world)
    assert len(world.jobs) == 1


async def test_surplus_jobs_go_while_it_rests_and_while_it_makes_one(world: PlayedWorld) -> None:
    def stray(name: str) -> None:
        world.put("RayJob", name, {}, status={"jobDeploymentStatus": "Running"})
        uid = world.objects[KIND, NAME]["metadata"]["uid"]
        world.objects["RayJob", name]["metadata"]["ownerReferences"] = [{"uid": uid, "controller": True}]

    async def deleted() -> list[str]:
        return [step.name for step in (await one(world)).steps if isinstance(step, Delete)]

    stray("rests")
    assert await deleted() == ["rests"]
    world.pass_time(minutes=30)
    stray("makes")
    assert await deleted() == ["makes"]
    [name] = world.jobs
    world.end_job(name, "Failed", "FAILED", "AppFailed")
    await one(world)
    stray("retries")
    assert await deleted() == ["retries"]
    change(world, suspend=True)
    stray("suspended")
    assert await deleted() == ["suspended"]


async def test_a_quiet_window_brings_no_event(world: PlayedWorld) -> None:
    world.pass_time(minutes=30)
    await one(world)
    [name] = world.jobs
    world.answer(world.request_of(name), report())
    world.end_job(name)
    plan = await one(world)
    assert [type(step) for step in plan.steps] == [KeepRuns]
    assert "lastAlertTime" not in known(world)


async def test_a_report_that_was_there_already_is_kept_too(world: PlayedWorld) -> None:
    world.pass_time(minutes=30)
    await one(world)
    [name] = world.jobs
    world.answer(world.request_of(name), report(drifted=True))
    world.objects[KIND, NAME]["status"] = {}
    del world.objects["RayJob", name]
    plan = await one(world)
    assert [type(step) for step in plan.steps] == [EmitEvent, KeepRuns]
    assert known(world)["lastTickTime"] == "2026-01-05T12:30:00Z"
    assert known(world)["lastRun"]["verdict"] == "Drifted"
    assert world.jobs == {}


async def test_a_schedule_that_cannot_be_read_is_an_error_of_the_spec(world: PlayedWorld) -> None:
    change(world, schedule={"cron": "0 6 * * *", "timeZone": "Nowhere/Here"})
    with pytest.raises(SpecError, match="Nowhere/Here"):
        await one(world)
