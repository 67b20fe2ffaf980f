"""The levels with a schedule: a tick starts one run, missed ones start none."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leeboard.contract.jobs import JobOutcome, RetrainReport, RetrainRequest
from leeboard.contract.registry import RegisteredModel
from leeboard.control.clock import iso
from leeboard.retrainpolicy import LOOP
from tests.support.playedmodel import MODEL, log, serve
from tests.support.playedpolicy import (
    KIND,
    NAME,
    SPEC,
    answer,
    ask,
    change,
    one,
    ready,
    settle,
    status,
    told,
)
from tests.support.playedworld import PlayedWorld

DAILY: dict[str, Any] = SPEC | {"level": {"scheduled": {"cron": "0 3 * * *"}}}
STATEFUL: dict[str, Any] = SPEC | {
    "level": {"stateful": {"every": "1d"}},
    "trainer": {"builtin": {"partialFit": {}}, "warmStart": "Champion"},
    "data": {"window": {"duration": "14d"}, "replay": {"fraction": 0.2}},
}
MIDNIGHT = datetime(2026, 1, 6, tzinfo=UTC)


@pytest.fixture
def world() -> PlayedWorld:
    world = PlayedWorld()
    serve(world, "1", since="2026-01-01T00:00:00Z")
    log(world)
    world.models["flights"] = RegisteredModel("flights", aliases={"champion": "1"})
    world.put(KIND, NAME, DAILY)
    return world


def ids(world: PlayedWorld) -> list[str]:
    return [trigger.id for request in world.made if isinstance(request, RetrainRequest) for trigger in request.triggers]


async def at(world: PlayedWorld, time: datetime) -> None:
    world.time = time
    await settle(world)


async def end(world: PlayedWorld) -> None:
    await answer(world, RetrainReport(request_hash="x", outcome=JobOutcome.INSUFFICIENT, message="12 rows"))


async def test_rests_until_the_schedule_strikes_and_says_when(world: PlayedWorld) -> None:
    plan = await settle(world)
    assert ready(world) == ("True", "Watching")
    assert "by the schedule 0 3 * * * (UTC)" in told(world)
    due = datetime.fromisoformat(status(world)["nextRunTime"])
    assert MIDNIGHT + timedelta(hours=3) <= due < MIDNIGHT + timedelta(hours=5, minutes=24), "10 % of jitter"
    assert plan.look.after is not None
    await at(world, due - timedelta(seconds=1))
    assert not world.jobs
    await at(world, due)
    assert ids(world) == ["schedule/2026-01-06T03:00:00Z"]


async def test_each_tick_starts_one_run_from_scratch(world: PlayedWorld) -> None:
    for day in range(6, 9):
        await at(world, datetime(2026, 1, day, 12, tzinfo=UTC))
        await end(world)
        await settle(world)
    assert ids(world) == [f"schedule/2026-01-0{day}T03:00:00Z" for day in range(6, 9)]
    assert {request.parent_version for request in world.made if isinstance(request, RetrainRequest)} == {None}
    assert {trigger["count"] for trigger in status(world)["consumed"]} == {1}


async def test_of_missed_ticks_only_the_newest_starts_a_run(world: PlayedWorld) -> None:
    await at(world, datetime(2026, 1, 20, 12, tzinfo=UTC))
    assert ids(world) == ["schedule/2026-01-20T03:00:00Z"]


async def test_ticks_from_before_the_policy_are_none_of_its_business(world: PlayedWorld) -> None:
    await settle(world)
    assert not world.jobs


async def test_a_run_consumes_the_tick_that_holds_when_it_starts(world: PlayedWorld) -> None:
    ask(world, "now")
    await at(world, datetime(2026, 1, 6, 12, tzinfo=UTC))
    assert ids(world) == ["manual/now", "schedule/2026-01-06T03:00:00Z"]
    await end(world)
    await at(world, datetime(2026, 1, 6, 20, tzinfo=UTC))
    assert len(world.made) == 1


async def test_a_tick_is_not_run_again_however_many_people_asked_since(world: PlayedWorld) -> None:
    change(world, budget={"maxRunsPerDay": 1000})
    await at(world, datetime(2026, 1, 6, 12, tzinfo=UTC))
    await end(world)
    for number in range(45):  # more than the ledger in status holds
        ask(world, f"t{number}")
        world.pass_time(minutes=1)
        await end(world)
    await settle(world)
    assert ids(world).count("schedule/2026-01-06T03:00:00Z") == 1


async def test_after_a_loss_of_status_a_tick_is_not_run_again(world: PlayedWorld) -> None:
    await at(world, datetime(2026, 1, 6, 12, tzinfo=UTC))
    await end(world)
    world.ledger = [trigger for request in world.made for trigger in request.triggers]  # type: ignore[attr-defined]
    world.objects[KIND, NAME]["status"] = {}
    await settle(world)
    assert len(world.made) == 1
    await at(world, datetime(2026, 1, 7, 12, tzinfo=UTC))
    assert ids(world) == ["schedule/2026-01-06T03:00:00Z", "schedule/2026-01-07T03:00:00Z"]


async def test_a_clock_that_jumps_back_starts_nothing_twice(world: PlayedWorld) -> None:
    await at(world, datetime(2026, 1, 8, 12, tzinfo=UTC))
    await end(world)
    await at(world, datetime(2026, 1, 7, 12, tzinfo=UTC))
    await at(world, datetime(2026, 1, 8, 12, tzinfo=UTC))
    assert ids(world) == ["schedule/2026-01-08T03:00:00Z"]


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-03-29", 23), ("2026-10-25", 25)],
    ids=["an hour is left out", "an hour comes twice"],
)
async def test_a_day_of_changing_clocks_has_one_tick(world: PlayedWorld, day: str, hours: int) -> None:
    change(world, level={"scheduled": {"cron": "30 2 * * *", "timeZone": "Europe/Amsterdam"}})
    first = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    world.objects[KIND, NAME]["metadata"]["creationTimestamp"] = iso(first - timedelta(hours=2))
    for hour in range(-2, hours - 2):
        await at(world, first + timedelta(hours=hour))
        if "activeRun" in status(world):
            await end(world)
    assert len(ids(world)) == 1


async def test_a_schedule_that_cannot_be_read_stalls_and_a_running_one_goes_on(world: PlayedWorld) -> None:
    await at(world, datetime(2026, 1, 6, 12, tzinfo=UTC))
    change(world, level={"scheduled": {"cron": "0 25 * * *"}})
    await end(world)
    assert status(world)["lastRun"]["outcome"] == "Inconclusive"
    assert ready(world) == ("False", "InvalidSchedule")
    assert "'0 25 * * *' cannot be read" in told(world)
    change(world, level={"scheduled": {"cron": "0 3 * * *", "timeZone": "Mars/Base"}})
    await one(world)
    assert ready(world) == ("False", "UnknownTimeZone")
    change(world, level={"scheduled": {"every": "1h"}})
    await settle(world)
    assert ready(world) == ("True", "Watching")


async def test_suspended_it_waits_and_then_runs_the_newest_tick(world: PlayedWorld) -> None:
    change(world, suspend=True)
    await at(world, datetime(2026, 1, 9, 12, tzinfo=UTC))
    assert ready(world) == ("True", "Suspended")
    change(world, suspend=False)
    await settle(world)
    assert ids(world) == ["schedule/2026-01-09T03:00:00Z"]


async def test_a_stateful_run_goes_on_from_the_champion_with_replay(world: PlayedWorld) -> None:
    change(world, **STATEFUL)
    await at(world, datetime(2026, 1, 7, 12, tzinfo=UTC))
    [request] = world.made
    assert isinstance(request, RetrainRequest)
    assert (request.parent_version, request.champion_version) == ("1", "1")
    assert request.replay is not None
    assert request.replay.fraction == 0.2
    mark = "2026-01-07T11:59:00.5+00:00"
    await answer(world, RetrainReport(request_hash="x", outcome=JobOutcome.INSUFFICIENT, ingest_mark=mark))
    assert status(world)["newestIngestTime"] == mark


async def test_two_policies_do_not_start_together(world: PlayedWorld) -> None:
    other = PlayedWorld()
    serve(other, "1", since="2026-01-01T00:00:00Z")
    log(other)
    other.put(KIND, "other", DAILY | {"modelDeploymentRef": {"name": MODEL}})
    await settle(world)
    await other.settle(LOOP, "other")
    assert status(world)["nextRunTime"] != other.status(KIND, "other")["nextRunTime"]


async def test_a_slice_that_cannot_be_read_stalls_before_anything_is_trained(world: PlayedWorld) -> None:
    gate = {"name": "nights", "metric": "roc_auc", "min": 0.6, "slice": "hour <"}
    change(world, evaluation={"gates": [gate]})
    ask(world, "now")
    await settle(world)
    assert ready(world) == ("False", "InvalidSlice")
    assert "the gate nights: the slice 'hour <' cannot be read" in told(world)
    assert not world.jobs
    change(world, evaluation={"gates": [{**gate, "slice": "hour < 6"}]})
    await settle(world)
    assert len(world.jobs) == 1
