"""Windows that wait for labels: when they are scored again, and what that changes."""

from datetime import timedelta
from typing import Any

import pytest

from leeboard.contract.jobs import CheckReport, DriftReport, DriftRequest, JobOutcome
from leeboard.control.steps import Create
from leeboard.driftmonitor import LOOP
from tests.support.playedmodel import MODEL, ZERO, log, serve
from tests.support.playedworld import START, PlayedWorld

NAME = "watch"
BEGIN = START + timedelta(minutes=3)
QUALITY = {"name": "quality", "performance": {"metrics": [{"name": "accuracy", "maxDrop": 0.03}], "labelDelay": "20m"}}
SPEC: dict[str, Any] = {
    "modelDeploymentRef": {"name": MODEL},
    "schedule": {"every": "30m"},
    "window": {"duration": "6h", "lag": "5m"},
    "checks": [{"name": "columns", "univariateTest": {}}, QUALITY],
    "alerting": {"raiseAfter": {"breaches": 2, "of": 3}, "clearAfter": 1, "cooldown": "6h"},
}


@pytest.fixture
def world() -> PlayedWorld:
    world = PlayedWorld(time=BEGIN)
    serve(world, "1", since=ZERO)
    log(world, labels=100)
    world.put("DriftMonitor", NAME, SPEC)
    return world


def status(world: PlayedWorld) -> dict[str, Any]:
    return world.status("DriftMonitor", NAME)


def pending(world: PlayedWorld) -> list[dict[str, Any]]:
    return status(world).get("pendingLabels", [])


def report(columns: str | None, quality: str, wanted: int = 40, **more: Any) -> DriftReport:
    """Return a report of what each check says: drifted, quiet, short (of labels)."""
    said: dict[str, dict[str, Any]] = {
        "drifted": {"statistic": 0.5, "threshold": 0.1, "drifted": True},
        "quiet": {"statistic": 0.0, "threshold": 0.1},
        "short": {"labels_wanted": wanted, "message": "31 % of the rows have a label"},
        "unmeasured": {"message": "too few rows"},
    }
    checks = [CheckReport(name="columns", kind="univariateTest", **said[columns])] if columns else []
    checks.append(CheckReport(name="quality", kind="performance", **said[quality]))
    measured = any(check.statistic is not None for check in checks)
    return DriftReport(
        request_hash="x",
        outcome=more.pop("outcome", JobOutcome.MEASURED if measured else JobOutcome.INSUFFICIENT),
        drifted=any(check.drifted for check in checks),
        rows=1000,
        version=more.pop("version", "1"),
        checks=tuple(checks),
        message=more.pop("message", "said the report"),
    )


async def started(world: PlayedWorld) -> str:
    """Run a pass, and return the name of the RayJob that it brings."""
    plan = await world.one_pass(LOOP, NAME)
    [create] = [step for step in plan.steps if isinstance(step, Create)]
    return str(create.manifest["metadata"]["name"])


async def answer(world: PlayedWorld, name: str, told: DriftReport) -> DriftRequest:
    request = world.request_of(name)
    assert isinstance(request, DriftRequest)
    await world.one_pass(LOOP, NAME)
    world.answer(request, told)
    world.end_job(name)
    await world.settle(LOOP, NAME)
    return request


async def score(world: PlayedWorld, told: DriftReport) -> DriftRequest:
    world.pass_time(minutes=30)
    return await answer(world, await started(world), told)


async def again(world: PlayedWorld, told: DriftReport, labels: int = 1000) -> DriftRequest:
    """Let labels come and the delay pass, but no tick; answer the job that follows."""
    log(world, labels=labels)
    world.pass_time(minutes=21)
    under_way = status(world).get("activeJob")  # several may be due at once
    return await answer(world, under_way["rayJob"] if under_way else await started(world), told)


async def test_the_job_reads_as_far_back_as_labels_are_late(world: PlayedWorld) -> None:
    world.objects["DriftMonitor", NAME]["spec"] = SPEC | {"window": {"duration": "10m", "lag": "5m"}}
    await world.one_pass(LOOP, NAME)
    serve(world, "2")
    await world.one_pass(LOOP, NAME)
    world.pass_time(minutes=30)
    request = world.request_of(await started(world))
    assert request.window_start_time == "2026-01-05T12:15:00Z"
    assert {arm.version for arm in request.arms} == {"1", "2"}, "version 1 served until 12:03"


async def test_a_window_that_lacks_labels_waits_and_is_scored_again_by_that_check_alone(world: PlayedWorld) -> None:
    first = await score(world, report("quiet", "short"))
    [waits] = pending(world)
    assert (waits["checks"], waits["labelsPass"], waits["wantedLabelRows"]) == (["quality"], 1, 140)
    assert status(world)["lastRun"]["verdict"] == "Stable"
    second = await again(world, report(None, "quiet"))
    assert (second.window_start_time, second.window_end_time) == (first.window_start_time, first.window_end_time)
    assert [check.name for check in second.checks] == ["quality"]
    assert second.labels_pass == 1
    assert second.request_hash != first.request_hash
    assert pending(world) == []
    [run] = status(world)["history"]
    assert {check["name"]: check.get("statistic") for check in run["checks"]} == {"columns": 0.0, "quality": 0.0}
    assert status(world)["lastRun"] == run


@pytest.mark.parametrize(
    ("sentence", "labels", "minutes", "jobs"),
    [
        ("labels that never come cost nothing", 100, 25, 0),
        ("too few have come to be enough", 139, 25, 0),
        ("not twice within the delay", 1000, 10, 0),
        ("enough have come", 140, 21, 1),
    ],
)
async def test_waits_until_it_can_help(world: PlayedWorld, sentence: str, labels: int, minutes: int, jobs: int) -> None:
    await score(world, report("quiet", "short"))
    log(world, labels=labels)
    world.pass_time(minutes=minutes)
    plan = await world.one_pass(LOOP, NAME)
    assert sum(isinstance(step, Create) for step in plan.steps) == jobs, sentence


async def test_asks_the_collector_only_once_the_delay_is_over(world: PlayedWorld) -> None:
    await score(world, report("quiet", "short"))
    world.asked.clear()
    world.pass_time(minutes=10)
    await world.one_pass(LOOP, NAME)
    assert world.asked == []
    world.pass_time(minutes=11)
    await world.one_pass(LOOP, NAME)
    assert world.asked == ["collector"]


async def test_is_scored_again_three_times_at_most(world: PlayedWorld) -> None:
    await score(world, report("quiet", "short"))
    world.objects["DriftMonitor", NAME]["spec"] = SPEC | {"schedule": {"every": "1d"}}
    passes = [(await again(world, report(None, "short"), labels=1000 * n)).labels_pass for n in (1, 2, 3)]
    assert passes == [1, 2, 3]
    assert pending(world) == []
    assert len(set(world.requests.values())) == 4, "each under a name of its own"


async def test_a_window_without_any_verdict_says_that_it_waits(world: PlayedWorld) -> None:
    await score(world, report("unmeasured", "short", message="31 % of the rows have a label"))
    assert status(world)["lastRun"]["verdict"] == "Insufficient"
    detected = world.condition("DriftMonitor", NAME, "DriftDetected")
    assert (detected["status"], detected["reason"]) == ("False", "WaitsForLabels")
    await again(world, report(None, "drifted", message="accuracy fell"))
    assert status(world)["lastRun"]["verdict"] == "Drifted"
    assert status(world)["lastRun"]["message"] == "accuracy fell"


async def test_late_labels_raise_the_episode_as_they_would_have_in_time(world: PlayedWorld) -> None:
    for _ in range(4):
        await score(world, report("quiet", "short", wanted=10**6))
    world.objects["DriftMonitor", NAME]["spec"] = SPEC | {"schedule": {"every": "1d"}}
    assert len(pending(world)) == 4
    first = await again(world, report(None, "drifted"), labels=10**7)
    assert "episode" not in status(world)
    second = await again(world, report(None, "drifted"), labels=10**7)
    assert first.window_end_time < second.window_end_time, "the oldest first"
    assert status(world)["episode"]["checks"] == ["quality"]
    assert world.condition("DriftMonitor", NAME, "DriftDetected")["status"] == "True"
    assert len(world.events) == 1


async def test_an_episode_of_quality_is_not_cleared_by_windows_without_labels(world: PlayedWorld) -> None:
    await score(world, report("quiet", "drifted"))
    await score(world, report("quiet", "drifted"))
    assert status(world)["episode"]["checks"] == ["quality"]
    await score(world, report("quiet", "short"))
    assert "episode" in status(world), "the columns say nothing of the quality"
    await again(world, report(None, "quiet"))
    assert "episode" not in status(world)


async def test_a_promotion_ends_the_waiting(world: PlayedWorld) -> None:
    await score(world, report("quiet", "short"))
    serve(world, "2")
    await world.settle(LOOP, NAME)
    assert pending(world) == []


async def test_a_check_that_is_gone_is_waited_for_no_more(world: PlayedWorld) -> None:
    await score(world, report("quiet", "short"))
    world.objects["DriftMonitor", NAME]["spec"] = SPEC | {"checks": [{"name": "columns", "univariateTest": {}}]}
    await world.settle(LOOP, NAME)
    assert pending(world) == []


async def test_ten_windows_wait_at_most(world: PlayedWorld) -> None:
    ends = [(await score(world, report("quiet", "short"))).window_end_time for _ in range(12)]
    assert [entry["windowEndTime"] for entry in pending(world)] == sorted(ends, reverse=True)[:10]


async def test_what_fails_while_it_is_scored_again_leaves_the_run_as_it_was(world: PlayedWorld) -> None:
    await score(world, report("quiet", "short"))
    await again(world, report(None, "unmeasured", outcome=JobOutcome.ERROR, message="the table is gone"))
    run = status(world)["lastRun"]
    assert run["verdict"] == "Stable"
    assert "could not be scored again: the table is gone" in run["checks"][1]["message"]
    assert [entry["labelsPass"] for entry in pending(world)] == [2]


async def test_the_arms_of_a_waiting_window_are_remembered(world: PlayedWorld) -> None:
    await score(world, report("quiet", "short", wanted=10**6))
    world.objects["DriftMonitor", NAME]["spec"] = SPEC | {"schedule": {"cron": "0 0 1 7 *"}}
    world.pass_time(days=2)
    await world.settle(LOOP, NAME)
    request = await again(world, report(None, "quiet"), labels=10**7)
    assert [arm.version for arm in request.arms] == ["1"]


async def test_a_suspended_monitor_scores_nothing_again(world: PlayedWorld) -> None:
    await score(world, report("quiet", "short"))
    world.objects["DriftMonitor", NAME]["spec"] = SPEC | {"suspend": True}
    log(world, labels=1000)
    world.pass_time(minutes=25)
    assert (await world.settle(LOOP, NAME)).steps == ()
    assert len(pending(world)) == 1
