"""What a RetrainPolicy does next, sentence by sentence."""

from dataclasses import replace
from datetime import timedelta

import pytest

from leeboard.api.errors import TransientError
from leeboard.api.retrainpolicy import FiredTrigger
from leeboard.contract.jobs import GateReport, GateVerdict, JobOutcome, RetrainRequest
from leeboard.control.clock import iso
from leeboard.control.steps import Create
from leeboard.retrainpolicy import LOOP
from tests.support.playedmodel import MODEL, arm_of, end_rollout, log, roll_out, serve
from tests.support.playedpolicy import (
    KIND,
    MANUAL,
    NAME,
    SPEC,
    answer,
    ask,
    change,
    drift,
    monitor_spec,
    no_version,
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


@pytest.fixture
def world() -> PlayedWorld:
    return policy_world()


async def test_rests_and_writes_nothing_while_nothing_asks(world: PlayedWorld) -> None:
    plan = await settle(world)
    assert ready(world) == ("True", "Watching")
    assert "DriftMonitor watch" in told(world)
    assert plan.look.after <= 30
    before = world.status_writes
    for rows in (3, 50, 99):
        log(world, labels=rows)
        world.pass_time(minutes=10)
        await one(world)
    assert world.status_writes == before


async def test_a_request_says_everything_and_is_the_same_after_a_crash(world: PlayedWorld) -> None:
    drift(world, "e1")
    with pytest.raises(CrashError):
        await one(world, crash_after=0)
    intended = status(world)["activeRun"]
    world.pass_time(minutes=7)
    log(world, labels=5)
    await settle(world)
    [name] = world.jobs
    request = world.request_of(name)
    assert isinstance(request, RetrainRequest)
    assert name == intended["rayJob"]
    assert request.request_hash == intended["requestHash"]
    assert (request.data_from_time, request.data_to_time) == ("2025-12-22T12:00:00Z", "2026-01-05T12:00:00Z")
    assert request.champion_version == "1"
    assert request.parent_version is None
    assert [arm.arm for arm in request.arms] == [arm_of("1")]
    assert [(trigger.id, trigger.count) for trigger in request.triggers] == [("drift/watch/e1", 1)]
    assert ready(world) == ("False", "Training")


async def test_all_facts_that_hold_are_consumed_together(world: PlayedWorld) -> None:
    drift(world, "e1")
    log(world, labels=100)
    world.pass_time(days=40)
    ask(world, "now")
    await started(world)
    names = [trigger["name"] for trigger in status(world)["activeRun"]["triggers"]]
    assert names == ["manual", "drift", "labels", "age"]
    assert {"name": "retrain", "value": "now"} in status(world)["handledActions"]


async def test_a_run_that_passes_is_promoted_at_the_end_of_its_bake(world: PlayedWorld) -> None:
    drift(world, "e1")
    log(world, labels=50)
    await answer(world, report())
    assert status(world)["activeRun"]["version"] == "2"
    assert [(write.set_alias, write.version) for write in world.registry_writes] == [("challenger", "2")]
    assert ready(world) == ("False", "RollingOut")
    roll_out(world, "2")
    await settle(world)
    assert "activeRun" in status(world)
    rollout = world.status("ModelDeployment", MODEL)["rollout"]
    serve(world, "2")
    world.status("ModelDeployment", MODEL)["rollout"] = rollout | {"phase": "Baking"}
    await settle(world)
    assert "activeRun" in status(world), "it may still be rolled back"
    end_rollout(world, "2", "Promoted")
    await settle(world)
    last = status(world)["lastRun"]
    assert (last["outcome"], last["version"], last["metrics"]) == ("Promoted", "2", {"roc_auc": 0.8})
    assert status(world)["highWaterMark"] == 50, "labels as the collector counts them"
    assert ready(world) == ("True", "Watching"), "the episode is about a version that serves no more"


@pytest.mark.parametrize(
    ("outcome", "rejected", "recorded", "rejections"),
    [
        ("RolledBack", True, "RolledBack", 1),
        ("RolledBack", False, "RolledBack", 0),  # the cluster was in the way, until nobody asked for it any more
        ("Aborted", True, "RolledBack", 0),  # a person's word is no measurement
        ("Aborted", False, "RolledBack", 0),
        ("Superseded", False, "Superseded", 0),
    ],
)
async def test_the_end_of_the_rollout_is_the_end_of_the_run(
    world: PlayedWorld, outcome: str, recorded: str, rejections: int, *, rejected: bool
) -> None:
    drift(world, "e1")
    await answer(world, report())
    roll_out(world, "2")
    await settle(world)
    end_rollout(world, "2", outcome, rejected=rejected)
    await settle(world)
    assert status(world)["lastRun"]["outcome"] == recorded
    assert status(world)["consecutiveRejections"] == rejections


async def test_a_version_that_waits_to_be_tried_again_is_waited_for(world: PlayedWorld) -> None:
    drift(world, "e1")
    await answer(world, report())
    roll_out(world, "2")
    await settle(world)
    end_rollout(world, "2", "RolledBack")
    arm = {"version": "2", "arm": "flights-v2", "reason": "ProgressDeadlineExceeded", "count": 1}
    world.status("ModelDeployment", "flights")["setbacks"] = [arm]
    await settle(world)
    assert ready(world) == ("False", "RollingOut")
    world.status("ModelDeployment", "flights")["setbacks"] = []
    end_rollout(world, "2", "Promoted")
    await settle(world)
    assert status(world)["lastRun"]["outcome"] == "Promoted"


async def test_an_alias_moved_before_the_rollout_began_supersedes_the_run(world: PlayedWorld) -> None:
    drift(world, "e1")
    await answer(world, report())
    world.models["flights"] = replace(world.models["flights"], aliases={"champion": "1", "challenger": "9"})
    await settle(world)
    assert status(world)["lastRun"]["outcome"] == "Superseded"


async def test_in_pinned_mode_the_version_is_registered_and_no_alias_moves(world: PlayedWorld) -> None:
    world.objects["ModelDeployment", MODEL]["spec"]["model"]["version"] = "1"
    drift(world, "e1")
    await answer(world, report())
    assert status(world)["lastRun"]["outcome"] == "Registered"
    assert world.registry_writes == []


async def test_the_alias_is_set_once_even_after_a_crash(world: PlayedWorld) -> None:
    drift(world, "e1")
    name = await started(world)
    world.answer(world.request_of(name), report())
    world.end_job(name)
    for crash_after in (0, 1):
        with pytest.raises(CrashError):
            await one(world, crash_after=crash_after)
    roll_out(world, "2")
    before = len(world.registry_writes)
    await settle(world)
    assert len(world.registry_writes) == before, "the rollout is under way: the alias has been seen"


async def test_an_alias_that_cannot_be_set_is_tried_again(world: PlayedWorld) -> None:
    drift(world, "e1")
    name = await started(world)
    world.answer(world.request_of(name), report())
    world.end_job(name)
    world.refused = lambda _: "mlflow is away"
    await one(world)
    assert ready(world) == ("False", "RegistryWritesPending")
    assert status(world)["activeRun"]["challengerSet"] is False
    world.refused = lambda _: None
    await settle(world)
    assert status(world)["activeRun"]["challengerSet"] is True


async def test_a_failed_gate_does_not_silence_drift_that_lasts(world: PlayedWorld) -> None:
    drift(world, "e1")
    await answer(world, rejected())
    assert status(world)["lastRun"]["outcome"] == "GateFailed"
    assert "0.70 is not above 0.71" in status(world)["lastRun"]["message"]
    assert ready(world) == ("True", "MinInterval")
    assert status(world)["nextRunTime"] == iso(START + timedelta(hours=6))
    world.pass_time(hours=5, minutes=59)
    assert (await settle(world)).steps == ()
    world.pass_time(minutes=1)
    await started(world)
    assert [(fired["id"], fired["count"]) for fired in status(world)["activeRun"]["triggers"]] == [
        ("drift/watch/e1", 2)
    ]


async def test_stops_after_so_many_rejections_until_someone_acts(world: PlayedWorld) -> None:
    drift(world, "e1")
    await answer(world, rejected())
    world.pass_time(hours=7)
    await answer(world, rejected())
    assert ready(world) == ("False", "TooManyRejections")
    assert world.condition(KIND, NAME, "Stalled") is not None
    assert any(event.reason == "TooManyRejections" for event in world.events)
    world.pass_time(days=2)
    drift(world, "e2")
    assert (await settle(world)).steps == ()
    ask(world, "again")
    await started(world)
    assert status(world)["consecutiveRejections"] == 0
    assert "stoppedGeneration" not in status(world)


async def test_a_changed_spec_starts_a_stopped_policy_again_on_the_same_fact(world: PlayedWorld) -> None:
    drift(world, "e1")
    await answer(world, rejected())
    world.pass_time(hours=7)
    await answer(world, rejected())
    world.pass_time(hours=7)
    change(world, evaluation={"gates": [{"name": "better", "metric": "accuracy", "min": 0.5}]})
    await started(world)
    assert status(world)["activeRun"]["triggers"][0]["count"] == 3


async def test_gives_a_fact_up_that_no_run_ends(world: PlayedWorld) -> None:
    drift(world, "e1")
    for _ in range(2):
        await answer(world, report(outcome=JobOutcome.INSUFFICIENT, message="12 rows"))
        world.pass_time(hours=7)
    assert (await settle(world)).steps == ()
    assert ready(world) == ("False", "GivenUp")
    drift(world, "e2")
    await started(world)


async def test_a_token_starts_one_run(world: PlayedWorld) -> None:
    world.objects[KIND, NAME]["spec"] = MANUAL
    drift(world, "e1")
    assert (await settle(world)).steps == (), "manual: drift starts nothing"
    ask(world, "t1")
    await answer(world, rejected())
    world.pass_time(days=3)
    assert (await settle(world)).steps == ()
    ask(world, "t2")
    await started(world)
    assert len(world.requests) == 2


async def test_a_token_does_not_wait_for_the_interval(world: PlayedWorld) -> None:
    drift(world, "e1")
    await answer(world, rejected())
    ask(world, "t1")
    await started(world)
    assert [fired["name"] for fired in status(world)["activeRun"]["triggers"]] == ["manual"], (
        "the drift has had its run, and the interval is not over"
    )


async def test_a_token_that_is_none_is_told(world: PlayedWorld) -> None:
    ask(world, "no token; at all")
    await settle(world)
    assert ready(world) == ("False", "InvalidToken")


async def test_labels_count_from_the_mark_of_the_last_run(world: PlayedWorld) -> None:
    log(world, labels=120)
    await answer(world, rejected())
    world.pass_time(hours=12)
    log(world, labels=219)
    assert (await settle(world)).steps == (), "99 since the 120 at the start of the run"
    log(world, labels=220)
    await started(world)
    assert status(world)["activeRun"]["triggers"][0]["id"] == "volume/labels/120"


async def test_labels_of_a_new_log_count_anew(world: PlayedWorld) -> None:
    log(world, labels=120)
    await answer(world, rejected())
    assert status(world)["highWaterMark"] == 120
    world.pass_time(hours=12)
    log(world, labels=5)
    await settle(world)
    assert status(world)["highWaterMark"] == 5
    log(world, labels=105)
    await started(world)
    assert status(world)["activeRun"]["triggers"][0]["id"] == "volume/labels/5"


async def test_only_drift_of_the_named_checks_counts(world: PlayedWorld) -> None:
    trigger = {"name": "drift", "drift": {"driftMonitorRef": {"name": "watch"}, "checks": ["answers"]}}
    change(world, level={"continual": {"triggers": [trigger]}})
    drift(world, "e1", checks=("columns",))
    assert (await settle(world)).steps == ()
    drift(world, "e1", checks=("columns", "answers"))
    await started(world)


async def test_the_day_has_a_budget(world: PlayedWorld) -> None:
    change(world, budget={"maxRunsPerDay": 1, "stopAfterRejections": 9})
    ask(world, "t1")
    await answer(world, rejected())
    ask(world, "t2")
    await settle(world)
    assert ready(world) == ("True", "BudgetSpent")
    assert status(world)["nextRunTime"] == "2026-01-06T00:00:00Z"
    world.pass_time(hours=12)
    await started(world)
    assert status(world)["startsToday"] == 1


async def test_a_job_that_fails_is_another_attempt_at_the_same_run(world: PlayedWorld) -> None:
    drift(world, "e1")
    for attempt in range(3):
        name = await started(world)
        assert status(world)["activeRun"]["attempt"] == attempt
        world.end_job(name, "Failed", "FAILED", "AppFailed")
        await settle(world)
        world.pass_time(minutes=5)
    assert len(world.requests) == 3
    assert len(set(world.requests.values())) == 1
    assert status(world)["lastRun"]["outcome"] == "Error"
    assert status(world)["consecutiveRejections"] == 0
    assert ready(world) == ("False", "RunFailed")


async def test_an_error_that_stays_is_not_tried_again(world: PlayedWorld) -> None:
    ask(world, "t1")
    await answer(world, report(outcome=JobOutcome.ERROR, passed=False, message="no label column", permanent=True))
    assert len(world.requests) == 1
    assert "no label column" in told(world)
    assert "highWaterMark" not in status(world)


async def test_gates_that_could_not_be_judged_are_inconclusive(world: PlayedWorld) -> None:
    drift(world, "e1")
    gate = GateReport(name="better", metric="roc_auc", verdict=GateVerdict.INCONCLUSIVE, message="12 rows held out")
    await answer(world, report(passed=False, version=None, gates=(gate,)))
    assert status(world)["lastRun"]["outcome"] == "Inconclusive"
    assert status(world)["consecutiveRejections"] == 0


async def test_waits_while_a_rollout_is_under_way(world: PlayedWorld) -> None:
    roll_out(world, "7")
    drift(world, "e1")
    await settle(world)
    assert ready(world) == ("True", "RolloutUnderWay")
    assert world.jobs == {}
    end_rollout(world, "7", "RolledBack")
    await started(world)


async def test_a_second_policy_for_the_same_model_is_stalled(world: PlayedWorld) -> None:
    world.put(KIND, "older", MANUAL, metadata={"creationTimestamp": "2025-01-01T00:00:00Z"})
    drift(world, "e1")
    await settle(world)
    assert ready(world) == ("False", "AnotherPolicy")
    assert "older" in told(world)
    await world.settle(LOOP, "older")
    assert world.condition(KIND, "older", "Ready")["status"] == "True"
    del world.objects[KIND, "older"]
    await started(world)


async def test_a_missing_monitor_is_told_and_hinders_nothing_else(world: PlayedWorld) -> None:
    del world.objects["DriftMonitor", "watch"]
    await settle(world)
    assert ready(world) == ("False", "DriftMonitorMissing")
    log(world, labels=100)
    await started(world)


async def test_a_check_that_the_monitor_does_not_make_is_told_and_hinders_nothing_else(world: PlayedWorld) -> None:
    ref = {"driftMonitorRef": {"name": "watch"}, "checks": ["columns", "answers"]}
    change(
        world,
        level={
            "continual": {
                "triggers": [{"name": "drift", "drift": ref}, {"name": "labels", "volume": {"newLabelledRows": 100}}]
            }
        },
    )
    await settle(world)
    assert ready(world) == ("False", "UnknownCheck")
    assert world.condition(KIND, NAME, "Stalled") is not None
    for name in ("trigger drift", "check answers", "DriftMonitor watch", "columns"):
        assert name in told(world)
    log(world, labels=100)
    await started(world)


WATCHING = {"driftMonitorRef": {"name": "watch"}, "check": "right"}
QUALITY = {"name": "quality", "performance": WATCHING}
RIGHT = {"name": "right", "performance": {"metrics": [{"name": "accuracy", "maxDrop": 0.03}]}}


async def test_worse_answers_are_a_fact_of_their_own_in_an_episode(world: PlayedWorld) -> None:
    spec = monitor_spec() | {"checks": [{"name": "columns", "univariateTest": {}}, RIGHT]}
    world.put("DriftMonitor", "watch", spec)
    drifting = SPEC["level"]["continual"]["triggers"][0]
    change(world, level={"continual": {"triggers": [drifting, QUALITY], "minInterval": "6h"}})
    await settle(world)
    assert "when the check right of the DriftMonitor watch is short" in told(world)
    drift(world, "e1", checks=("columns",))
    await answer(world, rejected())
    world.pass_time(hours=1)
    drift(world, "e1", checks=("columns", "right"))
    await settle(world)
    assert ready(world) == ("True", "MinInterval")
    world.pass_time(hours=6)
    await settle(world)
    fired = {trigger["name"]: (trigger["id"], trigger["count"]) for trigger in status(world)["activeRun"]["triggers"]}
    assert fired == {"drift": ("drift/watch/e1", 2), "quality": ("performance/watch/e1/right", 1)}
    assert "finds worse answers" in status(world)["activeRun"]["triggers"][1]["message"]


async def test_a_quality_trigger_needs_a_check_that_measures_it(world: PlayedWorld) -> None:
    other = {"name": "quality", "performance": WATCHING | {"check": "columns"}}
    change(world, level={"continual": {"triggers": [other]}})
    drift(world, "e1")
    await settle(world)
    assert ready(world) == ("False", "UnknownCheck")
    assert "the trigger quality waits for the performance check columns" in told(world)
    assert told(world).endswith("does not make: add it there")


async def test_the_first_model_may_be_trained_by_hand_from_a_table(world: PlayedWorld) -> None:
    no_version(world)
    table = {"uri": "/data/flights.parquet", "labelColumn": "late"}
    world.objects[KIND, NAME]["spec"] = MANUAL | {"data": {"dataset": table}, "trainer": {"entrypoint": "mine:train"}}
    ask(world, "first")
    name = await started(world)
    request = world.request_of(name)
    assert isinstance(request, RetrainRequest)
    assert request.champion_version is None
    assert request.dataset is not None
    assert request.log is None


@pytest.mark.parametrize(("warm_start", "parent"), [("Champion", "1"), ("LastRun", "2")])
async def test_a_warm_start_names_its_parent(world: PlayedWorld, warm_start: str, parent: str) -> None:
    change(world, trainer={"builtin": {"partialFit": {}}, "warmStart": warm_start})
    drift(world, "e1")
    await answer(world, report())
    end_rollout(world, "2", "RolledBack")
    await settle(world)
    world.pass_time(hours=7)
    name = await started(world)
    request = world.request_of(name)
    assert isinstance(request, RetrainRequest)
    assert request.parent_version == parent


async def test_packages_of_an_entrypoint_reach_the_job(world: PlayedWorld) -> None:
    change(world, trainer={"entrypoint": "mine:train", "packages": ["mine==1.0"]})
    drift(world, "e1")
    name = await started(world)
    assert "mine==1.0" in world.objects["RayJob", name]["spec"]["runtimeEnvYAML"]


async def test_after_a_loss_of_status_the_ledger_in_mlflow_counts(world: PlayedWorld) -> None:
    ask(world, "t1")
    drift(world, "e1")
    world.ledger = [
        FiredTrigger(name="manual", id="manual/t1", count=1),
        FiredTrigger(name="drift", id="drift/watch/e1", count=1),
    ]
    await started(world)
    assert [(fired["id"], fired["count"]) for fired in status(world)["activeRun"]["triggers"]] == [
        ("drift/watch/e1", 2)
    ]


async def test_suspended_it_starts_nothing_and_reads_what_is_under_way(world: PlayedWorld) -> None:
    drift(world, "e1")
    name = await started(world)
    change(world, suspend=True)
    world.answer(world.request_of(name), rejected())
    world.end_job(name)
    await settle(world)
    assert status(world)["lastRun"]["outcome"] == "GateFailed"
    ask(world, "t1")
    assert (await settle(world)).steps == ()
    assert ready(world) == ("True", "Suspended")
    assert "t1" in told(world)


async def test_waits_for_mlflow_when_a_job_has_ended(world: PlayedWorld) -> None:
    drift(world, "e1")
    name = await started(world)
    world.answer(world.request_of(name), rejected())
    world.end_job(name)
    world.away = {"mlflow"}
    with pytest.raises(TransientError):
        await one(world)
    world.away = set()
    await settle(world)
    assert status(world)["lastRun"]["outcome"] == "GateFailed"


async def test_makes_one_job_at_a_time(world: PlayedWorld) -> None:
    drift(world, "e1")
    plan = await one(world)
    assert sum(isinstance(step, Create) for step in plan.steps) == 1
    ask(world, "t1")
    drift(world, "e2")
    await settle(world)
    assert len(world.jobs) == 1
