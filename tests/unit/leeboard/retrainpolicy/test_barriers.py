"""What keeps a run from starting, and how it is told."""

from collections.abc import Callable
from typing import Any

import pytest

from leeboard.settings import Settings
from tests.support.playedmodel import MODEL
from tests.support.playedpolicy import (
    KIND,
    NAME,
    ask,
    change,
    drift,
    monitor_spec,
    no_version,
    policy_world,
    ready,
    settle,
    started,
    told,
)
from tests.support.playedworld import PlayedWorld


@pytest.fixture
def world() -> PlayedWorld:
    return policy_world()


def _sampled(world: PlayedWorld) -> None:
    world.objects["ModelDeployment", MODEL]["spec"]["logging"] = {"samplePercent": 50}


def _no_collector(world: PlayedWorld) -> None:
    world.settings = Settings()


def _collector_away(world: PlayedWorld) -> None:
    world.away = {"collector"}


@pytest.mark.parametrize(
    ("sentence", "play", "reason", "condition"),
    [
        (
            "the ModelDeployment is not there",
            lambda world: world.objects.pop(("ModelDeployment", MODEL)),
            "ModelDeploymentMissing",
            "Reconciling",
        ),
        ("no version serves", no_version, "NoStableVersion", "Reconciling"),
        ("half of the requests are logged", _sampled, "LoggingSampled", "Stalled"),
        ("there is no collector", _no_collector, "NoCollector", "Stalled"),
        ("the collector is away", _collector_away, "CollectorUnavailable", "Reconciling"),
        ("nothing was logged", lambda world: setattr(world, "tables", None), "NoLog", "Reconciling"),
        (
            "the monitor watches another model",
            lambda world: world.put("DriftMonitor", "watch", monitor_spec("other")),
            "MonitorOfAnotherModel",
            "Stalled",
        ),
    ],
)
async def test_says_what_stands_in_the_way(
    world: PlayedWorld, sentence: str, play: Callable[[PlayedWorld], Any], reason: str, condition: str
) -> None:
    drift(world, "e1")
    ask(world, "t1")
    play(world)
    plan = await settle(world)
    assert plan.steps == (), sentence
    assert ready(world) == ("False", reason)
    assert world.condition(KIND, NAME, condition) is not None


HIDING = {"drop": ["name"], "hash": ["tail"], "hashKeyRef": {"name": "keys", "key": "hash"}, "round": {"delay": 0}}


@pytest.mark.parametrize(
    ("examples", "named"),
    [
        ([{"delay": 1, "tail": "N1", "name": "Ann"}], "name, tail"),
        ([{"delay": 1, "tail": "N1"}], "tail"),
        ([[1.0, 2.0]], "name, tail"),
        ([], "name, tail"),
    ],
    ids=["takes both", "takes one", "takes columns without names", "does not say"],
)
async def test_columns_that_the_model_takes_and_the_log_hides_stall_by_name(
    world: PlayedWorld, examples: list[Any], named: str
) -> None:
    world.objects["ModelDeployment", MODEL]["spec"]["logging"] = {"columns": HIDING}
    world.examples = examples
    drift(world, "e1")
    await settle(world)
    assert ready(world) == ("False", "LoggingHidesColumns")
    assert f"drops or hashes {named} before logging" in told(world)
    assert not world.jobs
    change(world, data={"dataset": {"uri": "/t", "labelColumn": "late"}})
    await started(world)


async def test_columns_that_the_model_does_not_take_may_be_hidden(world: PlayedWorld) -> None:
    world.objects["ModelDeployment", MODEL]["spec"]["logging"] = {"columns": HIDING}
    world.examples = [{"delay": 1, "distance": 2}]
    drift(world, "e1")
    await started(world)
