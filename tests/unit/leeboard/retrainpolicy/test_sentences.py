"""Each barrier and each fact by itself: what exactly is said, until when, and what goes before what."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leeboard.api.driftmonitor import DriftMonitor
from leeboard.api.modeldeployment import ModelDeployment
from leeboard.api.retrainpolicy import FiredTrigger, RetrainPolicy, RetrainPolicyStatus
from leeboard.api.shared import ObjectMeta
from leeboard.contract.documents import short_hash
from leeboard.contract.serving import TableState
from leeboard.control.clock import iso
from leeboard.control.conditions import Finding, stalled, true, waiting
from leeboard.retrainpolicy import barriers, triggers
from leeboard.retrainpolicy.barriers import Barrier
from leeboard.retrainpolicy.seen import Seen
from leeboard.retrainpolicy.triggers import Asking, Fact
from leeboard.settings import Settings
from tests.support.playedpolicy import SPEC

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LOG = TableState(predictions="/p", labels="/l", prediction_rows=9, label_rows=150)
FIRED = FiredTrigger(name="drift", id="drift/watch/e1", count=1, message="the monitor sees drift", generation=1)
BY_HAND = FiredTrigger(name="manual", id="manual/t1", count=1, message="asked for with the token t1", generation=1)
ASKED = Asking(firing=(FIRED,))
PERSON = Asking(firing=(FIRED, BY_HAND))


def policy(*, annotations: dict[str, str] | None = None, status: dict[str, Any] | None = None, **spec: Any):
    return RetrainPolicy.model_validate(
        {
            "metadata": {
                "name": "keep",
                "namespace": "default",
                "uid": "u-1",
                "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "annotations": annotations or {},
            },
            "spec": SPEC | spec,
            "status": status or {},
        }
    )


def deployment(*, logging: dict[str, Any] | None = None, **status: Any):
    stable = {"version": "1", "arm": "flights-v1", "sinceTime": "2026-01-01T00:00:00Z"}
    spec = {"model": {"name": "flights"}} | ({"logging": logging} if logging else {})
    return ModelDeployment.model_validate(
        {"metadata": {"name": "flights", "namespace": "default"}, "spec": spec, "status": {"stable": stable} | status}
    )


def watch(model: str = "flights", episode: dict[str, Any] | None = None, checks: list[dict[str, Any]] | None = None):
    checked = {"checks": checks} if checks else {}
    schedule, window = {"every": "1h"}, {"duration": "6h"}
    return DriftMonitor.model_validate(
        {
            "metadata": {"name": "watch", "namespace": "default"},
            "spec": {"modelDeploymentRef": {"name": model}, "schedule": schedule, "window": window, **checked},
            "status": {"episode": {"startedTime": "2026-01-05T09:00:00Z"} | episode} if episode else {},
        }
    )


def seen(**more: Any) -> Seen:
    known: dict[str, Any] = {
        "policy": policy(),
        "now": NOW,
        "settings": Settings(collector_url="http://collector"),
        "model": deployment(),
        "monitors": {"watch": watch()},
        "tables": LOG,
    }
    return Seen(**(known | more))


DATASET = {"dataset": {"uri": "/t", "labelColumn": "late"}}
OWN = {"entrypoint": "mine:train"}


@pytest.mark.parametrize(
    ("what", "asking", "said"),
    [
        (
            seen(policy=policy(suspend=True)),
            Asking(),
            (true("Ready", "Suspended", "no run starts until spec.suspend is false"),),
        ),
        (
            seen(policy=policy(suspend=True)),
            PERSON,
            (
                true(
                    "Ready",
                    "Suspended",
                    "no run starts until spec.suspend is false; what waits: the monitor sees drift; asked for with the "
                    "token t1",
                ),
            ),
        ),
        (
            seen(others=(ObjectMeta(name="before", namespace="default", creation_timestamp="2025-01-01T00:00:00Z"),)),
            ASKED,
            stalled(
                "AnotherPolicy",
                "the RetrainPolicy before is older and retrains the ModelDeployment flights already: delete one of the "
                "two",
            ),
        ),
        (
            seen(model=None),
            ASKED,
            waiting(
                "ModelDeploymentMissing",
                "waits for the ModelDeployment flights in this namespace: apply it, or name another",
            ),
        ),
        (
            seen(policy=policy(annotations={"leeboard.dev/retrain": "a b"})),
            ASKED,
            stalled(
                "InvalidToken",
                "the annotation leeboard.dev/retrain: 'a b' is no token: write up to 64 letters, digits, or any of "
                ": . _ -",
            ),
        ),
        (
            seen(policy=policy(level={"scheduled": {"cron": "0 0 31 2 *"}})),
            ASKED,
            stalled(
                "InvalidSchedule",
                "no run starts by itself: the cron expression '0 0 31 2 *' cannot be read: Bad day-of-month",
            ),
        ),
        (
            seen(settings=Settings()),
            ASKED,
            stalled(
                "NoCollector",
                "predictions and labels are not logged: set LEEBOARD_COLLECTOR_URL of the operator to the collector, "
                "or train on data.dataset",
            ),
        ),
        (
            seen(model=deployment(logging={"samplePercent": 99})),
            ASKED,
            stalled(
                "LoggingSampled",
                "the ModelDeployment flights logs 99 % of its requests, and a data.window needs all of them: set "
                "spec.logging.samplePercent to 100, or train on data.dataset",
            ),
        ),
        (
            seen(model=deployment(logging={"columns": {"drop": ["name", "age"]}})),
            ASKED,
            stalled(
                "LoggingHidesColumns",
                "the ModelDeployment flights drops or hashes age, name before logging, and the model takes them: take "
                "them out of spec.logging.columns, or train on data.dataset",
            ),
        ),
        (
            seen(monitors={"gone": None, "watch": watch("other")}),
            ASKED,
            stalled(
                "MonitorOfAnotherModel",
                "the DriftMonitor watch watches the ModelDeployment other, not flights: name one that does",
            ),
        ),
        (
            seen(model=deployment(stable=None)),
            ASKED,
            waiting("NoStableVersion", "waits until a version of the ModelDeployment flights serves"),
        ),
        (
            seen(model=deployment(stable=None), policy=policy(data=DATASET)),
            PERSON,
            waiting("NoStableVersion", "waits until a version of the ModelDeployment flights serves"),
        ),
        (
            seen(model=deployment(stable=None), policy=policy(trainer=OWN)),
            PERSON,
            waiting("NoStableVersion", "waits until a version of the ModelDeployment flights serves"),
        ),
        (
            seen(model=deployment(stable=None), policy=policy(data=DATASET, trainer=OWN)),
            ASKED,
            waiting("NoStableVersion", "waits until a version of the ModelDeployment flights serves"),
        ),
        (seen(model=deployment(stable=None), policy=policy(data=DATASET, trainer=OWN)), PERSON, None),
        (seen(), ASKED, None),
    ],
    ids=lambda value: "" if isinstance(value, (Seen, Asking)) else value[0].reason if value else "nothing",
)
def test_what_lasts(what: Seen, asking: Asking, said: tuple[Finding, ...] | None):
    assert barriers.lasting(what, what.policy.status, asking) == said


def test_an_alias_of_another_object_is_told_in_its_own_words():
    condition = {
        "type": "Stalled",
        "status": "True",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "reason": "AliasOwnedByOther",
        "message": "remove the tag",
    }
    what = seen(model=deployment(conditions=[condition]))
    told = "the ModelDeployment flights may not move its aliases: remove the tag"
    assert barriers.lasting(what, what.policy.status, ASKED) == waiting("AliasOwnedByOther", told)
    ready = seen(model=deployment(conditions=[condition | {"type": "Ready"}]))
    assert barriers.lasting(ready, ready.policy.status, ASKED) is None


def test_a_slice_that_cannot_be_read_is_told_with_its_gate():
    whole = {"name": "better", "metric": "roc_auc", "minGainOverChampion": 0}
    sliced = {"name": "nights", "metric": "roc_auc", "slice": "period <", "maxDropFromChampion": 0}
    what = seen(policy=policy(evaluation={"gates": [whole, sliced]}))
    found = barriers.lasting(what, what.policy.status, ASKED)
    assert found is not None
    assert found[0].reason == "InvalidSlice"
    assert found[0].message.startswith("the gate nights: ")
    assert found[1].type == "Stalled"


def test_a_stopped_policy_says_so_unless_a_person_asks():
    status = RetrainPolicyStatus(stopped_generation=1, consecutive_rejections=2)
    assert barriers.lasting(seen(), status, ASKED) == stalled(
        "TooManyRejections",
        "2 runs in a row brought no better model: retraining does not help, look at the data; change the spec, or ask "
        "for a run (leeboard retrain) to start again",
    )
    assert barriers.lasting(seen(), status, PERSON) is None


@pytest.mark.parametrize(
    ("sentence", "level", "data", "needed"),
    [
        ("a window is the log", {"manual": {}}, {"window": {"duration": "1d"}}, True),
        ("a table is not", {"manual": {}}, DATASET, False),
        ("counted labels are in the log", SPEC["level"], DATASET, True),
        (
            "drift and age are not",
            {"continual": {"triggers": [SPEC["level"]["continual"]["triggers"][0]], "minInterval": "6h"}},
            DATASET,
            False,
        ),
    ],
)
def test_who_needs_the_log(sentence: str, level: dict[str, Any], data: dict[str, Any], *, needed: bool):
    what = seen(policy=policy(level=level, data=data), settings=Settings())

    assert barriers.needs_log(what) is needed, sentence
    assert (barriers.lasting(what, what.policy.status, ASKED) is not None) is needed


ROLLOUT = {
    "attempt": 1,
    "phase": "Stages",
    "hash": "x",
    "startTime": "2026-01-05T11:00:00Z",
    "lastAdvanceTime": "2026-01-05T11:00:00Z",
}
STARTED = RetrainPolicyStatus(last_start_time="2026-01-05T11:00:00Z", starts_today=4)


@pytest.mark.parametrize(
    ("sentence", "what", "status", "asking", "barrier"),
    [
        ("nothing", seen(), RetrainPolicyStatus(), ASKED, None),
        (
            "a rollout",
            seen(model=deployment(rollout=ROLLOUT)),
            STARTED,
            PERSON,
            Barrier(
                (
                    true(
                        "Ready",
                        "RolloutUnderWay",
                        "the monitor sees drift; asked for with the token t1; the run starts when the rollout under "
                        "way of the ModelDeployment flights has ended, since 2026-01-05T11:00:00Z",
                    ),
                )
            ),
        ),
        (
            "the interval",
            seen(),
            STARTED,
            ASKED,
            Barrier(
                (
                    true(
                        "Ready",
                        "MinInterval",
                        "the monitor sees drift; the run starts at 2026-01-05T17:00:00Z, by minInterval",
                    ),
                ),
                NOW + timedelta(hours=5),
            ),
        ),
        (
            "the budget",
            seen(),
            STARTED,
            PERSON,
            Barrier(
                (
                    true(
                        "Ready",
                        "BudgetSpent",
                        "the monitor sees drift; asked for with the token t1; the run starts at 2026-01-06T00:00:00Z: "
                        "budget.maxRunsPerDay is 4",
                    ),
                ),
                datetime(2026, 1, 6, tzinfo=UTC),
            ),
        ),
        ("less than the budget", seen(), STARTED.model_copy(update={"starts_today": 3}), PERSON, None),
        (
            "yesterday's budget",
            seen(),
            STARTED.model_copy(update={"last_start_time": "2026-01-04T23:59:59Z"}),
            ASKED,
            None,
        ),
        (
            "the end of the interval",
            seen(),
            RetrainPolicyStatus(last_start_time="2026-01-05T06:00:00Z", starts_today=1),
            ASKED,
            None,
        ),
        (
            "an empty log",
            seen(tables=None),
            RetrainPolicyStatus(),
            ASKED,
            Barrier(
                waiting(
                    "NoLog",
                    "the monitor sees drift; the run waits for its data: nothing has been logged yet: send requests "
                    "and labels",
                ),
                look=15.0,
            ),
        ),
        (
            "a collector that is away",
            seen(tables=None, collector_away="it does not answer"),
            RetrainPolicyStatus(),
            ASKED,
            Barrier(
                waiting(
                    "CollectorUnavailable", "the monitor sees drift; the run waits for its data: it does not answer"
                ),
                look=15.0,
            ),
        ),
        ("a table needs no log", seen(policy=policy(data=DATASET), tables=None), RetrainPolicyStatus(), ASKED, None),
        (
            "no free place",
            seen(running_jobs=20, settings=Settings(collector_url="http://collector", max_jobs_at_once=20)),
            RetrainPolicyStatus(),
            ASKED,
            Barrier(
                (
                    true(
                        "Ready",
                        "WaitsForRoom",
                        "the monitor sees drift; the run waits for a free place: LEEBOARD_MAX_JOBS_AT_ONCE is 20",
                    ),
                ),
                look=15.0,
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_passes(sentence: str, what: Seen, status: RetrainPolicyStatus, asking: Asking, barrier: Barrier | None):
    assert barriers.passing(what, status, asking) == barrier, sentence


def test_starts_are_counted_by_the_day_in_utc():
    assert barriers.starts_today(STARTED, NOW) == 4
    assert barriers.starts_today(STARTED, NOW + timedelta(hours=11, minutes=59)) == 4
    assert barriers.starts_today(STARTED, NOW + timedelta(hours=12)) == 0
    assert barriers.starts_today(RetrainPolicyStatus(starts_today=3), NOW) == 0


# facts

BY_PERSON = {"manual": {}}
DRIFT = {"name": "drift", "drift": {"driftMonitorRef": {"name": "watch"}}}
EPISODE = {"id": "e1", "checks": ["columns"], "modelVersion": "1"}
QUALITY = {"name": "quality", "performance": {"driftMonitorRef": {"name": "watch"}, "check": "quality"}}
MEASURES = [{"name": "quality", "performance": {"metrics": [{"name": "accuracy", "maxDrop": 0.03}]}}]


def continual(*wanted: dict[str, Any]) -> RetrainPolicy:
    return policy(level={"continual": {"triggers": list(wanted), "minInterval": "6h"}})


@pytest.mark.parametrize(
    ("sentence", "what", "found"),
    [
        ("nothing holds", seen(policy=policy(level=BY_PERSON)), []),
        (
            "a person asks",
            seen(policy=policy(level=BY_PERSON, annotations={"leeboard.dev/retrain": "t1"})),
            [Fact("manual", "manual/t1", "asked for with the token t1")],
        ),
        (
            "a person asked before",
            seen(
                policy=policy(
                    level=BY_PERSON,
                    annotations={"leeboard.dev/retrain": "t1"},
                    status={"handledActions": [{"name": "retrain", "value": "t1"}]},
                )
            ),
            [],
        ),
        (
            "a person did something else with this word before",
            seen(
                policy=policy(
                    level=BY_PERSON,
                    annotations={"leeboard.dev/retrain": "t1"},
                    status={"handledActions": [{"name": "other", "value": "t1"}]},
                )
            ),
            [Fact("manual", "manual/t1", "asked for with the token t1")],
        ),
        ("a token that is none", seen(policy=policy(level=BY_PERSON, annotations={"leeboard.dev/retrain": "a b"})), []),
        (
            "drift",
            seen(policy=continual(DRIFT), monitors={"watch": watch(episode=EPISODE)}),
            [Fact("drift", "drift/watch/e1", "the DriftMonitor watch sees drift since 2026-01-05T09:00:00Z")],
        ),
        (
            "drift, and nobody knows of which version",
            seen(policy=continual(DRIFT), monitors={"watch": watch(episode=EPISODE | {"modelVersion": None})}),
            [Fact("drift", "drift/watch/e1", "the DriftMonitor watch sees drift since 2026-01-05T09:00:00Z")],
        ),
        (
            "drift from a version that serves no more",
            seen(policy=continual(DRIFT), monitors={"watch": watch(episode=EPISODE | {"modelVersion": "0"})}),
            [],
        ),
        (
            "drift while nothing serves",
            seen(policy=continual(DRIFT), monitors={"watch": watch(episode=EPISODE)}, model=deployment(stable=None)),
            [],
        ),
        ("a monitor that is gone", seen(policy=continual(DRIFT), monitors={"watch": None}), []),
        ("a monitor without an episode", seen(policy=continual(DRIFT)), []),
        (
            "worse answers",
            seen(
                policy=continual(QUALITY),
                monitors={"watch": watch(episode=EPISODE | {"checks": ["columns", "quality"]}, checks=MEASURES)},
            ),
            [
                Fact(
                    "quality",
                    "performance/watch/e1/quality",
                    "the check quality of the DriftMonitor watch finds worse answers, in its episode since "
                    "2026-01-05T09:00:00Z",
                )
            ],
        ),
        (
            "worse answers, by a check that measures no answers",
            seen(
                policy=continual(QUALITY),
                monitors={
                    "watch": watch(
                        episode=EPISODE | {"checks": ["quality"]}, checks=[{"name": "quality", "univariateTest": {}}]
                    )
                },
            ),
            [],
        ),
        (
            "drift that the trigger does not ask about",
            seen(policy=continual(QUALITY), monitors={"watch": watch(episode=EPISODE, checks=MEASURES)}),
            [],
        ),
        (
            "labels",
            seen(policy=continual({"name": "labels", "volume": {"newLabelledRows": 150}})),
            [Fact("labels", "volume/labels/0", "at least 150 labels have come since the 0 of the last run")],
        ),
        ("one label too few", seen(policy=continual({"name": "labels", "volume": {"newLabelledRows": 151}})), []),
        (
            "labels of a log that is not known",
            seen(policy=continual({"name": "labels", "volume": {"newLabelledRows": 1}}), tables=None),
            [],
        ),
        (
            "age",
            seen(policy=continual({"name": "age", "time": {"maxAge": "108h"}})),
            [
                Fact(
                    "age",
                    "time/age/1/2026-01-01T00:00:00Z",
                    "version 1 serves since 2026-01-01T00:00:00Z, longer than 108h",
                )
            ],
        ),
        ("youth", seen(policy=continual({"name": "age", "time": {"maxAge": "109h"}})), []),
        (
            "two ages, of which one has come",
            seen(
                policy=continual(
                    {"name": "young", "time": {"maxAge": "1d"}}, {"name": "old", "time": {"maxAge": "30d"}}
                )
            ),
            [
                Fact(
                    "young",
                    "time/young/1/2026-01-01T00:00:00Z",
                    "version 1 serves since 2026-01-01T00:00:00Z, longer than 1d",
                )
            ],
        ),
        (
            "the age of nothing",
            seen(policy=continual({"name": "age", "time": {"maxAge": "1d"}}), model=deployment(stable=None)),
            [],
        ),
    ],
)
def test_what_holds(sentence: str, what: Seen, found: list[Fact]):
    assert triggers.facts(what) == found, sentence


def test_labels_count_from_the_mark_of_the_last_run():
    marked = continual({"name": "labels", "volume": {"newLabelledRows": 50}})
    marked = marked.model_copy(update={"status": RetrainPolicyStatus(high_water_mark=100)})
    told = "at least 50 labels have come since the 100 of the last run"
    assert triggers.facts(seen(policy=marked)) == [Fact("labels", "volume/labels/100", told)]


def scheduled(status: dict[str, Any] | None = None, created: str = "2026-01-01T00:00:00Z") -> RetrainPolicy:
    made = policy(level={"scheduled": {"cron": "0 6 * * *"}}, status=status)
    metadata = made.metadata.model_copy(update={"creation_timestamp": created})
    return made.model_copy(update={"metadata": metadata})


def test_a_tick_holds_from_its_jittered_time_on():
    due = triggers.next_tick(seen(policy=scheduled(), now=datetime(2026, 1, 5, 6, 0, tzinfo=UTC)))
    assert due is not None
    assert datetime(2026, 1, 5, 6, 0, tzinfo=UTC) < due < datetime(2026, 1, 5, 8, 24, tzinfo=UTC)
    today = [Fact("schedule", "schedule/2026-01-05T06:00:00Z", "its schedule struck at 2026-01-05T06:00:00Z")]
    assert triggers.facts(seen(policy=scheduled(), now=due)) == today
    before = triggers.facts(seen(policy=scheduled(), now=due - timedelta(seconds=1)))
    assert [fact.id for fact in before] == ["schedule/2026-01-04T06:00:00Z"]


def test_two_policies_have_two_jitters():
    other = scheduled()
    other = other.model_copy(update={"metadata": other.metadata.model_copy(update={"name": "other"})})
    far = other.model_copy(update={"metadata": other.metadata.model_copy(update={"namespace": "far"})})

    assert len({triggers.next_tick(seen(policy=each)) for each in (scheduled(), other, far)}) == 3


@pytest.mark.parametrize(
    ("sentence", "made", "holds"),
    [
        ("made before the tick", scheduled(), True),
        ("made at the very tick", scheduled(created="DUE"), False),
        ("made after it", scheduled(created="2026-01-05T12:00:00Z"), False),
        ("a run began before it", scheduled({"lastStartTime": "2026-01-04T12:00:00Z"}), True),
        ("a run began since", scheduled({"lastStartTime": "2026-01-05T11:00:00Z"}), False),
    ],
)
def test_a_tick_from_before_the_policy_or_its_last_run_is_none(sentence: str, made: RetrainPolicy, *, holds: bool):
    due = triggers.next_tick(seen(policy=scheduled(), now=datetime(2026, 1, 5, 6, 0, tzinfo=UTC)))
    if made.metadata.creation_timestamp == "DUE":
        made = scheduled(created=iso(due))

    assert bool(triggers.facts(seen(policy=made))) is holds, sentence


@pytest.mark.parametrize("ticks", [{"cron": "0 0 31 2 *"}, {"cron": "0 6 * * *", "timeZone": "Nowhere/Here"}])
def test_a_schedule_that_cannot_be_read_strikes_never(ticks: dict[str, str]):
    what = seen(policy=policy(level={"scheduled": ticks}))

    assert triggers.next_tick(what) is None
    assert triggers.facts(what) == []


def test_without_a_schedule_there_is_no_tick():
    assert triggers.next_tick(seen()) is None


# what may come of a fact

DRIFTING = {"monitors": {"watch": watch(episode=EPISODE)}, "policy": continual(DRIFT)}
TOLD = "the DriftMonitor watch sees drift since 2026-01-05T09:00:00Z"
ONE = {"name": "drift", "id": "drift/watch/e1", "count": 1, "message": TOLD, "generation": 1}


def consumed(*entries: dict[str, Any], start: str = "2026-01-05T11:00:00Z") -> RetrainPolicyStatus:
    return RetrainPolicyStatus.model_validate(
        {"consumed": list(entries), **({"lastStartTime": start} if start else {})}
    )


def test_a_new_fact_fires():
    assert triggers.weigh(seen(**DRIFTING), consumed(start="")) == Asking(firing=(FiredTrigger.model_validate(ONE),))


def test_a_fact_that_started_a_run_rests_until_the_interval_is_over_and_counts_on():
    fact = Fact("drift", "drift/watch/e1", TOLD)
    assert triggers.weigh(seen(**DRIFTING), consumed(ONE)) == Asking(resting=(fact,))
    over = consumed(ONE, start="2026-01-05T06:00:00Z")
    again = FiredTrigger.model_validate(ONE | {"count": 2})
    assert triggers.weigh(seen(**DRIFTING), over) == Asking(firing=(again,))


def test_a_fact_that_started_so_many_runs_under_this_spec_is_given_up():
    twice = consumed(ONE | {"count": 2}, ONE)
    assert triggers.weigh(seen(**DRIFTING), twice) == Asking(given_up=(Fact("drift", "drift/watch/e1", TOLD),))
    other = consumed(ONE | {"count": 7, "generation": 0}, ONE, start="2026-01-05T06:00:00Z")
    assert [fired.count for fired in triggers.weigh(seen(**DRIFTING), other).firing] == [8]


@pytest.mark.parametrize(
    "made",
    [policy(level=BY_PERSON, annotations={"leeboard.dev/retrain": "t1"}), scheduled()],
    ids=["a token", "a tick"],
)
def test_a_token_and_a_tick_start_one_run(made: RetrainPolicy):
    what = seen(policy=made)
    [fired] = triggers.weigh(what, RetrainPolicyStatus()).firing
    assert fired.count == 1
    assert triggers.weigh(what, RetrainPolicyStatus(consumed=[fired])) == Asking()


def test_one_token_among_consumed_facts_hides_no_other():
    what = seen(
        policy=continual(DRIFT).model_copy(
            update={"metadata": policy(level=BY_PERSON, annotations={"leeboard.dev/retrain": "t1"}).metadata}
        ),
        monitors={"watch": watch(episode=EPISODE)},
    )
    asked = consumed({"name": "manual", "id": "manual/t1", "count": 1, "message": "asked", "generation": 1}, start="")
    assert [fired.name for fired in triggers.weigh(what, asked).firing] == ["drift"]
    assert [fired.name for fired in triggers.weigh(what, RetrainPolicyStatus()).firing] == ["manual", "drift"]


def test_a_run_is_named_by_what_it_consumes_in_whatever_order():
    expected = short_hash("u-1", [("drift/watch/e1", 1), ("manual/t1", 1)], length=16)
    assert triggers.run_id(seen(), [FIRED, BY_HAND]) == expected
    assert triggers.run_id(seen(), [BY_HAND, FIRED]) == expected
    assert triggers.run_id(seen(), [FIRED.model_copy(update={"count": 2}), BY_HAND]) != expected


def test_the_interval_counts_from_the_last_start():
    assert triggers.interval_end(seen(), STARTED) == NOW + timedelta(hours=5)
    assert triggers.interval_end(seen(), RetrainPolicyStatus()) is None
    assert triggers.interval_end(seen(policy=policy(level={"manual": {}})), STARTED) is None
