"""What people ask: promote, abort, retry, suspend."""

import pytest

from tests.support.playeddeployment import REJECTED, PlayedDeployment


@pytest.fixture
def canary() -> PlayedDeployment:
    """Version 1 serves, version 2 is in the first step of its canary."""
    played = PlayedDeployment()
    played.serve("1")
    played.register("2")
    played.alias("challenger", "2")
    played.settle()
    return played


def test_promote_advances_the_step_once(canary: PlayedDeployment):
    canary.annotate("promote", "2/a")
    canary.settle()
    assert canary.split() == {"1": 50, "2": 50}
    canary.run(30)
    assert canary.split() == {"1": 50, "2": 50}
    canary.annotate("promote", "2/b")
    canary.settle()
    assert canary.split() == {"2": 100}


def test_promote_full_skips_the_remaining_stages(canary: PlayedDeployment):
    canary.annotate("promote", "2/full/now")
    canary.settle()

    assert canary.split() == {"2": 100}
    assert canary.ready() == ("False", "Baking")


def test_promote_full_never_skips_the_readiness_of_the_arm():
    played = PlayedDeployment()
    played.serve("1")
    played.register("2")
    played.alias("challenger", "2")
    played.arms_answer = False
    played.settle()
    played.annotate("promote", "2/full")
    played.run(60)
    assert played.split() == {"1": 100}
    played.arms_answer = True
    played.settle()
    assert played.split() == {"2": 100}


def test_promote_ends_the_bake(canary: PlayedDeployment):
    canary.run(130)
    canary.annotate("promote", "2")
    canary.settle()

    assert canary.ready() == ("True", "Serving")


def test_a_promotion_of_another_version_is_ignored(canary: PlayedDeployment):
    canary.annotate("promote", "7")
    canary.settle()

    assert canary.split() == {"1": 90, "2": 10}


@pytest.mark.parametrize("value", ["2/full/now/then", "02", "2 ", "v2"])
def test_a_value_that_the_command_line_would_not_write_asks_for_nothing(canary: PlayedDeployment, value: str):
    canary.annotate("promote", value)
    canary.annotate("abort", value)
    canary.settle()

    assert canary.split() == {"1": 90, "2": 10}


def test_an_action_that_was_there_before_the_attempt_is_stale(canary: PlayedDeployment):
    canary.annotate("promote", "3/full")
    canary.register("3")
    canary.alias("challenger", "3")
    canary.settle()

    assert canary.split() == {"1": 90, "3": 10}


@pytest.mark.parametrize("after", [0, 70, 150])
def test_abort_takes_a_version_out_in_any_phase(canary: PlayedDeployment, after: int):
    canary.run(after)
    canary.annotate("abort", "2")
    canary.settle()

    assert canary.split() == {"1": 100}
    assert canary.known.last_rollout.outcome.value == "Aborted"
    assert canary.model.aliases == {"champion": "1"}
    assert REJECTED in canary.model.versions["2"].tags


def test_suspend_starts_nothing():
    played = PlayedDeployment()
    played.serve("1")
    played.change(suspend=True)
    played.register("2")
    played.alias("challenger", "2")
    played.run(120)
    assert played.split() == {"1": 100}
    assert played.ready() == ("False", "Suspended")
    played.change(suspend=False)
    played.settle()
    assert played.split() == {"1": 90, "2": 10}


def test_suspend_advances_nothing_and_stops_the_deadline(canary: PlayedDeployment):
    canary.change(suspend=True)
    canary.run(7200, every=300)
    assert canary.split() == {"1": 90, "2": 10}
    canary.change(suspend=False)
    canary.run(30)
    assert canary.split() == {"1": 50, "2": 50}


def test_suspend_does_not_hold_back_a_rollback_for_health(canary: PlayedDeployment):
    canary.change(suspend=True)
    canary.settle()
    canary.answers["errors"] = 100.0
    canary.run(60)

    assert canary.split() == {"1": 100}
