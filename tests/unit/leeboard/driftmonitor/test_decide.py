"""What a DriftMonitor does next, sentence by sentence."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leeboard.api.errors import TransientError
from leeboard.contract.jobs import CheckReport, DriftReport, DriftRequest, JobOutcome
from leeboard.control.clock import iso
from leeboard.control.steps import Create, Delete
from leeboard.driftmonitor import LOOP
from leeboard.settings import Settings
from tests.support.playedmodel import MODEL, ZERO, arm_of, log, roll_out, serve
from tests.support.playedworld import START, CrashError, PlayedWorld

NAME = "watch"
BEGIN = START + timedelta(minutes=3)
"""Past the jitter of the tick at START."""
SPEC: dict[str, Any] = {
    "modelDeploymentRef": {"name": MODEL},
    "schedule": {"every": "30m"},
    "window": {"duration": "6h", "lag": "5m"},
    "alerting": {"raiseAfter": {"breaches": 2, "of": 3}, "clearAfter": 2, "cooldown": "6h"},
}


@pytest.fixture
def world() -> PlayedWorld:
    world = PlayedWorld(time=BEGIN)
    serve(world, "1", since=ZERO)
    log(world)
    world.put("DriftMonitor", NAME, SPEC)
    return world


def tick(world: PlayedWorld, minutes: int = 30) -> None:
    world.pass_time(minutes=minutes)


def report(*, drifted: bool = False, **more: Any) -> DriftReport:
    return DriftReport(
        request_hash="x",
        outcome=more.pop("outcome", JobOutcome.MEASURED),
        drifted=drifted,
        rows=1000,
        version=more.pop("version", "1"),
        checks=(
            CheckReport(
                name="columns",
                kind="univariateTest",
                statistic=0.5,
                threshold=0.3,
                drifted=drifted,
                worst_columns=("dep_delay", "temp"),
            ),
        ),
        **more,
    )


def ready(world: PlayedWorld) -> tuple[str, str]:
    condition = world.condition("DriftMonitor", NAME, "Ready")
    assert condition is not None
    return condition["status"], condition["reason"]


def status(world: PlayedWorld) -> dict[str, Any]:
    return world.status("DriftMonitor", NAME)


async def one(world: PlayedWorld, **more: Any) -> Any:
    return await world.one_pass(LOOP, NAME, **more)


async def start_window(world: PlayedWorld) -> str:
    """Let a tick come, and return the name of the RayJob that it brings."""
    tick(world)
    plan = await one(world)
    [create] = [step for step in plan.steps if isinstance(step, Create)]
    return str(create.manifest["metadata"]["name"])


async def score(world: PlayedWorld, answer: DriftReport) -> None:
    name = await start_window(world)
    await one(world)
    world.answer(world.request_of(name), answer)
    world.end_job(name)
    await world.settle(LOOP, NAME)


async def test_waits_for_its_first_tick_and_asks_no_neighbour(world: PlayedWorld) -> None:
    plan = await one(world)
    assert plan.steps == ()
    assert ready(world) == ("True", "Scheduled")
    assert world.condition("DriftMonitor", NAME, "DriftDetected")["status"] == "Unknown"
    assert world.asked == []
    assert plan.look.after is not None
    assert plan.look.after > 0


async def test_writes_nothing_between_ticks(world: PlayedWorld) -> None:
    await score(world, report())
    before = world.status_writes
    for _ in range(5):
        world.pass_time(minutes=2)
        assert (await one(world)).steps == ()
    assert world.status_writes == before


async def test_a_window_is_exact_whenever_the_pass_comes(world: PlayedWorld) -> None:
    world.pass_time(minutes=37)
    await one(world)
    [name] = world.jobs
    request = world.request_of(name)
    assert isinstance(request, DriftRequest)
    assert (request.window_start_time, request.window_end_time) == ("2026-01-05T06:25:00Z", "2026-01-05T12:25:00Z")
    assert status(world)["lastTickTime"] == "2026-01-05T12:30:00Z"


async def test_of_missed_ticks_only_the_newest_runs(world: PlayedWorld) -> None:
    tick(world, 5 * 60 + 10)
    await world.settle(LOOP, NAME)
    [name] = world.jobs
    assert world.request_of(name).window_end_time == "2026-01-05T16:55:00Z"
    world.answer(world.request_of(name), report())
    world.end_job(name)
    await world.settle(LOOP, NAME)
    assert len(world.jobs) == 1


async def test_the_intent_stands_before_the_job_is_made(world: PlayedWorld) -> None:
    tick(world)
    with pytest.raises(CrashError):
        await one(world, crash_after=0)
    intended = status(world)["activeJob"]
    assert world.jobs == {}
    world.pass_time(minutes=1)
    await world.settle(LOOP, NAME)
    assert list(world.jobs) == [intended["rayJob"]]
    assert world.request_of(intended["rayJob"]).request_hash == intended["requestHash"]


async def test_a_job_that_the_store_has_not_heard_of_is_not_taken_for_lost(world: PlayedWorld) -> None:
    name = await start_window(world)
    world.hidden.add(name)
    plan = await one(world)
    assert [step.manifest["metadata"]["name"] for step in plan.steps if isinstance(step, Create)] == [name]
    world.hidden.clear()
    assert (await world.settle(LOOP, NAME)).steps == ()
    assert list(world.jobs) == [name]


async def test_a_job_that_vanished_is_tried_again_later_under_another_name(world: PlayedWorld) -> None:
    name = await start_window(world)
    await one(world)
    del world.objects["RayJob", name]
    await one(world)
    await one(world)
    assert ready(world) == ("False", "Retrying")
    assert "was deleted" in world.condition("DriftMonitor", NAME, "Reconciling")["message"]
    assert world.jobs == {}
    world.pass_time(seconds=5)
    await world.settle(LOOP, NAME)
    [again] = world.jobs
    assert again != name
    assert world.request_of(again).request_hash == world.requests[name]


@pytest.mark.parametrize(
    ("sentence", "deployment", "job", "reason"),
    [
        ("its code failed", "Failed", "FAILED", "AppFailed"),
        ("it succeeded and left no report", "Complete", "SUCCEEDED", ""),
        ("someone stopped it", "Complete", "STOPPED", ""),
        ("it took too long", "Failed", "RUNNING", "DeadlineExceeded"),
    ],
)
async def test_gives_a_window_up_after_so_many_attempts(
    world: PlayedWorld, sentence: str, deployment: str, job: str, reason: str
) -> None:
    await start_window(world)
    for _ in range(3):
        await world.settle(LOOP, NAME)
        [newest] = [name for name, raw in world.jobs.items() if "status" not in raw]
        world.end_job(newest, deployment, job, reason)
        await world.settle(LOOP, NAME)
        world.pass_time(minutes=3)
    assert len(world.requests) == 3
    assert status(world)["lastRun"]["verdict"] == "Error", sentence
    assert ready(world) == ("False", "RunFailed")
    assert world.condition("DriftMonitor", NAME, "Stalled") is not None
    assert "activeJob" not in status(world)
    left = {raw["status"].get("reason") for raw in world.jobs.values()}
    assert "DeadlineExceeded" not in left, "the work of such a job goes on until it is deleted"


async def test_what_kuberay_refuses_is_not_tried_again(world: PlayedWorld) -> None:
    name = await start_window(world)
    world.end_job(name, "ValidationFailed", "", "ValidationFailed")
    await world.settle(LOOP, NAME)
    assert len(world.requests) == 1
    assert status(world)["lastRun"]["verdict"] == "Error"


async def test_a_job_that_outlives_its_deadline_is_deleted(world: PlayedWorld) -> None:
    name = await start_window(world)
    world.end_job(name, "Running", "RUNNING")
    await one(world)
    world.pass_time(hours=2, minutes=2)
    await one(world)
    plan = await one(world)
    assert [step.name for step in plan.steps if isinstance(step, Delete)] == [name]


async def test_a_finished_report_is_found_before_any_job_is_made(world: PlayedWorld) -> None:
    await score(world, report(drifted=True))
    scored = status(world)["lastRun"]
    world.objects["DriftMonitor", NAME]["status"] = {}
    world.objects = {key: raw for key, raw in world.objects.items() if key[0] != "RayJob"}
    plan = await world.settle(LOOP, NAME)
    assert plan.steps == ()
    assert world.jobs == {}
    assert status(world)["lastRun"] | {"finishedTime": ""} == scored | {"finishedTime": ""}


async def test_an_error_that_stays_is_told_and_ends_the_run(world: PlayedWorld) -> None:
    await score(world, report(outcome=JobOutcome.ERROR, message="column x is missing", permanent=True))
    assert status(world)["lastRun"]["verdict"] == "Error"
    assert "column x is missing" in world.condition("DriftMonitor", NAME, "Stalled")["message"]
    assert len(world.requests) == 1


async def test_two_drifted_windows_of_three_raise_an_episode_and_one_event(world: PlayedWorld) -> None:
    await score(world, report(drifted=True))
    assert world.condition("DriftMonitor", NAME, "DriftDetected")["status"] == "False"
    assert world.events == []
    await score(world, report())
    await score(world, report(drifted=True))
    detected = world.condition("DriftMonitor", NAME, "DriftDetected")
    assert detected["status"] == "True"
    assert "dep_delay, temp" in detected["message"]
    assert ready(world) == ("True", "Scheduled")
    assert len(world.events) == 1
    await score(world, report(drifted=True))
    assert len(world.events) == 1, "one in six hours"
    assert len({status(world)["episode"]["id"]}) == 1


async def test_insufficient_windows_count_for_nothing(world: PlayedWorld) -> None:
    await score(world, report(drifted=True))
    for _ in range(4):
        await score(world, report(outcome=JobOutcome.INSUFFICIENT, message="12 rows, fewer than 500"))
    assert "episode" not in status(world)
    await score(world, report(drifted=True))
    assert "episode" in status(world)
    await score(world, report())
    await score(world, report(outcome=JobOutcome.INSUFFICIENT))
    assert "episode" in status(world)
    await score(world, report())
    assert "episode" not in status(world), "two quiet windows in a row"


async def test_a_promotion_ends_the_episode_and_resets_the_count(world: PlayedWorld) -> None:
    await score(world, report(drifted=True))
    await score(world, report(drifted=True))
    assert "episode" in status(world)
    serve(world, "2")
    await world.settle(LOOP, NAME)
    assert "episode" not in status(world)
    await score(world, report(drifted=True, version="2"))
    assert "episode" not in status(world)


async def test_a_second_episode_needs_new_breaches_and_has_another_id(world: PlayedWorld) -> None:
    world.objects["DriftMonitor", NAME]["spec"] = SPEC | {
        "alerting": {"raiseAfter": {"breaches": 2, "of": 3}, "clearAfter": 1, "cooldown": "1m"}
    }
    await score(world, report(drifted=True))
    await score(world, report(drifted=True))
    first = status(world)["episode"]["id"]
    await score(world, report())
    await score(world, report(drifted=True))
    assert "episode" not in status(world), "windows of the last episode do not count again"
    await score(world, report(drifted=True))
    assert status(world)["episode"]["id"] != first
    assert len(world.events) == 2


async def test_rows_of_arms_that_are_gone_still_count(world: PlayedWorld) -> None:
    await one(world)
    roll_out(world, "2")
    await one(world)
    serve(world, "2", since=iso(world.time))
    world.pass_time(minutes=10)
    await one(world)
    name = await start_window(world)
    arms = {arm.arm: arm for arm in world.request_of(name).arms}
    assert set(arms) == {arm_of("1"), arm_of("2")}
    assert arms[arm_of("1")].to_time == "2026-01-05T12:13:00Z"
    assert arms[arm_of("2")].from_time == iso(BEGIN)


async def test_an_arm_is_forgotten_when_no_window_can_hold_its_rows(world: PlayedWorld) -> None:
    await one(world)
    serve(world, "2")
    await one(world)
    assert len(status(world)["liveArms"]) == 2
    world.pass_time(hours=8)
    await one(world)
    assert [span["version"] for span in status(world)["liveArms"]] == ["2"]


async def test_waits_for_a_place_when_enough_jobs_run(world: PlayedWorld) -> None:
    world.settings = Settings(collector_url="http://collector", max_jobs_at_once=1)
    world.put("RayJob", "other", {})
    world.end_job("other", "Running", "RUNNING")
    tick(world)
    plan = await world.settle(LOOP, NAME)
    assert ready(world) == ("True", "WaitsForRoom")
    assert list(world.jobs) == ["other"]
    assert plan.look.after <= 10
    world.end_job("other")
    await world.settle(LOOP, NAME)
    assert len(world.jobs) == 2


@pytest.mark.parametrize(
    ("sentence", "change", "reason", "condition"),
    [
        (
            "the ModelDeployment is not there",
            lambda world: world.objects.pop(("ModelDeployment", MODEL)),
            "ModelDeploymentMissing",
            "Reconciling",
        ),
        (
            "no version serves yet",
            lambda world: world.objects["ModelDeployment", MODEL].pop("status"),
            "NoStableVersion",
            "Reconciling",
        ),
        ("nothing is logged", lambda world: setattr(world, "settings", Settings()), "NoCollector", "Stalled"),
        (
            "a check needs a detector that is not there",
            lambda world: world.objects["DriftMonitor", NAME].update(
                spec=SPEC | {"checks": [{"name": "strangers", "outOfDistributionRate": {}}]}
            ),
            "NoDetector",
            "Stalled",
        ),
    ],
)
async def test_says_what_stands_in_the_way(
    world: PlayedWorld, sentence: str, change: Any, reason: str, condition: str
) -> None:
    change(world)
    tick(world)
    plan = await world.settle(LOOP, NAME)
    assert plan.steps == (), sentence
    assert ready(world) == ("False", reason)
    assert world.condition("DriftMonitor", NAME, condition) is not None


async def test_scores_the_missed_window_when_a_version_serves_at_last(world: PlayedWorld) -> None:
    world.objects["ModelDeployment", MODEL].pop("status")
    tick(world, 70)
    await world.settle(LOOP, NAME)
    serve(world, "1")
    await world.settle(LOOP, NAME)
    assert len(world.jobs) == 1


async def test_an_empty_log_is_insufficient_without_a_job(world: PlayedWorld) -> None:
    world.tables = None
    tick(world)
    await world.settle(LOOP, NAME)
    assert world.jobs == {}
    assert status(world)["lastRun"]["verdict"] == "Insufficient"


async def test_a_suspended_monitor_starts_nothing_and_reads_what_is_under_way(world: PlayedWorld) -> None:
    name = await start_window(world)
    await one(world)
    world.objects["DriftMonitor", NAME]["spec"] = SPEC | {"suspend": True}
    world.answer(world.request_of(name), report())
    world.end_job(name)
    await world.settle(LOOP, NAME)
    assert status(world)["lastRun"]["verdict"] == "Stable"
    assert ready(world) == ("True", "Suspended")
    tick(world, 90)
    assert (await world.settle(LOOP, NAME)).steps == ()
    assert "nextRunTime" not in status(world)


async def test_says_nothing_of_the_window_while_a_neighbour_is_away(world: PlayedWorld) -> None:
    tick(world)
    for neighbour in ("collector", "mlflow"):
        world.away = {neighbour}
        with pytest.raises(TransientError):
            await one(world)
    world.away = set()
    await world.settle(LOOP, NAME)
    assert len(world.jobs) == 1


async def test_a_write_that_fails_is_told_and_tried_again(world: PlayedWorld) -> None:
    world.refused = lambda _: "the API server does not know RayJobs: install KubeRay"
    tick(world)
    await one(world)
    assert ready(world) == ("False", "StepFailed")
    assert "KubeRay" in world.condition("DriftMonitor", NAME, "Ready")["message"]
    world.refused = lambda _: None
    await world.settle(LOOP, NAME)
    assert len(world.jobs) == 1
    assert ready(world) == ("True", "Scoring")


async def test_keeps_ten_jobs_and_ten_runs(world: PlayedWorld) -> None:
    for _ in range(12):
        await score(world, report())
    assert len(world.jobs) == 10
    assert len(status(world)["history"]) == 10


async def test_another_check_is_another_request_and_another_image_is_not(world: PlayedWorld) -> None:
    name = await start_window(world)
    before = world.requests[name]
    for spec, same in (
        ({"job": {"image": "other:1"}, "alerting": {"clearAfter": 9}}, True),
        ({"checks": [{"name": "d", "univariateDistance": {}}]}, False),
    ):
        other = PlayedWorld(time=BEGIN)
        serve(other, "1", since=ZERO)
        log(other)
        other.put("DriftMonitor", NAME, SPEC | spec)
        assert (other.requests.get(await start_window(other)) == before) is same


async def test_holds_the_window_against_the_time_before(world: PlayedWorld) -> None:
    world.objects["DriftMonitor", NAME]["spec"] = SPEC | {"reference": {"trailing": {"window": "7d", "gap": "1d"}}}
    request = world.request_of(await start_window(world))
    assert isinstance(request, DriftRequest)
    [span] = request.reference_windows
    assert (span.from_time, span.to_time) == ("2025-12-28T06:25:00Z", "2026-01-04T06:25:00Z")
    assert [arm.from_time for arm in request.arms] == [ZERO], "arms of the reference's time count"


async def test_keeps_the_runs_that_speak_for_an_episode(world: PlayedWorld) -> None:
    await score(world, report(drifted=True))
    first = status(world)["lastRun"]["runId"]
    [kept] = world.kept_runs
    assert (kept.experiment, kept.subject, kept.keep, kept.episodes) == (
        "leeboard/default/flights",
        "default/watch",
        500,
        (),
    )
    await score(world, report())
    await score(world, report(drifted=True))
    episode = status(world)["episode"]["id"]
    third = status(world)["lastRun"]["runId"]
    assert dict(world.kept_runs[-1].episodes) == {first: episode, third: episode}
    await score(world, report())
    assert world.kept_runs[-1].episodes == ()
    await score(world, report(drifted=True))
    assert list(dict(world.kept_runs[-1].episodes)) == [status(world)["lastRun"]["runId"]]


async def test_a_job_goes_only_after_its_outcome_stands_in_status(world: PlayedWorld) -> None:
    for _ in range(10):
        await score(world, report())
    oldest = min(world.jobs, key=lambda name: world.jobs[name]["metadata"]["creationTimestamp"])
    name = await start_window(world)
    await one(world)
    world.answer(world.request_of(name), report())
    world.end_job(name)
    plan = await one(world)
    assert not [step for step in plan.steps if isinstance(step, Delete)], "the outcome is being written"
    plan = await one(world)
    assert [step.name for step in plan.steps if isinstance(step, Delete)] == [oldest]


@pytest.mark.parametrize(
    ("sentence", "start", "minutes", "ends"),
    [
        ("the hour that there is not", datetime(2026, 3, 29, 0, 3, tzinfo=UTC), 180, ["2026-03-29T02:55:00Z"]),
        ("the hour that there is twice", datetime(2026, 10, 25, 0, 3, tzinfo=UTC), 60, ["2026-10-25T00:55:00Z"]),
        ("a day of missed ticks", datetime(2026, 3, 28, 0, 3, tzinfo=UTC), 24 * 60 + 10, ["2026-03-28T23:55:00Z"]),
    ],
)
async def test_cron_ticks_survive_the_change_of_the_clocks(
    sentence: str, start: datetime, minutes: int, ends: list[str]
) -> None:
    world = PlayedWorld(time=start)
    serve(world, "1", since=ZERO)
    log(world)
    world.put("DriftMonitor", NAME, SPEC | {"schedule": {"cron": "0 * * * *", "timeZone": "Europe/Amsterdam"}})
    world.pass_time(minutes=minutes)
    await world.settle(LOOP, NAME)
    assert [world.request_of(name).window_end_time for name in world.jobs] == ends, sentence


async def test_another_attempt_waits_for_the_log_and_for_a_place(world: PlayedWorld) -> None:
    name = await start_window(world)
    await one(world)
    del world.objects["RayJob", name]
    await one(world)
    await one(world)
    world.pass_time(seconds=5)
    held, world.tables = world.tables, None
    await world.settle(LOOP, NAME)
    assert ready(world) == ("False", "NoLog")

    world.tables, world.settings = held, Settings(collector_url="http://collector", max_jobs_at_once=1)
    world.put("RayJob", "other", {})
    world.end_job("other", "Running", "RUNNING")
    await world.settle(LOOP, NAME)
    assert ready(world) == ("True", "WaitsForRoom")
    assert list(world.jobs) == ["other"]
    world.end_job("other")
    await world.settle(LOOP, NAME)
    assert len(world.jobs) == 2


async def test_a_clock_that_jumps_back_scores_no_window_twice(world: PlayedWorld) -> None:
    await score(world, report())
    tick(world, -120)
    await world.settle(LOOP, NAME)
    assert len(world.requests) == 1
    tick(world, 120)
    await world.settle(LOOP, NAME)
    assert len(world.requests) == 1
    await score(world, report())
    assert len(world.requests) == 2
