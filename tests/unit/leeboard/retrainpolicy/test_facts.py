"""Each fact by itself: when it holds, what it is called, and what may come of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leeboard.api.retrainpolicy import FiredTrigger, RetrainPolicy, RetrainPolicyStatus
from leeboard.contract.documents import short_hash
from leeboard.control.clock import iso
from leeboard.retrainpolicy import triggers
from leeboard.retrainpolicy.seen import Seen
from leeboard.retrainpolicy.triggers import Asking, Fact
from tests.support.seenpolicy import BY_HAND, FIRED, NOW, deployment, policy, seen, watch

STARTED = RetrainPolicyStatus(last_start_time="2026-01-05T11:00:00Z", starts_today=4)
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
        ("made between the tick and its jittered time", scheduled(created="2026-01-05T06:00:01Z"), True),
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
