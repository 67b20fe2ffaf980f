"""Each barrier by itself: what exactly is said, until when, and what goes before what."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leeboard.api.retrainpolicy import RetrainPolicyStatus
from leeboard.api.shared import ObjectMeta
from leeboard.control.conditions import Finding, stalled, true, waiting
from leeboard.retrainpolicy import barriers
from leeboard.retrainpolicy.barriers import Barrier
from leeboard.retrainpolicy.seen import Seen
from leeboard.retrainpolicy.triggers import Asking
from leeboard.settings import Settings
from tests.support.playedpolicy import SPEC
from tests.support.seenpolicy import ASKED, NOW, PERSON, deployment, policy, seen, watch

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
