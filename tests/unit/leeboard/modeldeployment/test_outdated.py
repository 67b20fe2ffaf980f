"""A stable arm that is deleted after its spec has changed cannot be made again: the present spec must prove itself."""

import pytest

from tests.support.playeddeployment import TWO_STEPS, PlayedDeployment

PACK = {"dataset": {"uri": "/pack", "labelColumn": "late"}, "metrics": [{"name": "accuracy", "min": 0.8}]}
BIGGER = {"resources": {"limits": {"cpu": "2"}}}


@pytest.fixture
def played() -> PlayedDeployment:
    played = PlayedDeployment(spec={"model": {"name": "flights"}, "rollout": TWO_STEPS, "verification": PACK})
    played.register("1")
    played.alias("champion", "1")
    played.settle()
    played.verify()
    played.settle()
    assert played.ready() == ("True", "Serving")
    return played


@pytest.mark.parametrize("first", ["spec", "arm"])
def test_the_changed_spec_gets_traffic_only_when_it_is_verified(played: PlayedDeployment, first: str):
    if first == "spec":
        played.change(serving=BIGGER)
        played.settle()
    else:
        played.spec["serving"] = BIGGER
        played.generation += 1
    old = played.known.stable.arm
    del played.arms[old]
    played.settle()
    assert played.ready() == ("False", "Verifying")
    assert played.condition("Available") == ("False", "ArmMissing")
    assert played.known.stable.arm == old
    assert list(played.split()) == [old], "the route is left as it is"

    played.verify()
    played.settle()
    assert played.split() == {"1": 100}, "there is nothing to compare it with, so no stage is walked"
    assert played.known.stable.arm != old
    played.run(400)
    assert played.ready() == ("True", "Serving")


def test_a_spec_that_was_rejected_never_serves_and_the_one_before_does_at_once(played: PlayedDeployment):
    old = played.known.stable.arm
    played.change(serving=BIGGER)
    played.settle()
    played.verify(passed=False)
    played.settle()
    assert played.ready() == ("False", "SpecRejected")
    del played.arms[old]
    played.run(900)
    assert played.ready() == ("False", "SpecRejected")
    assert "nothing serves" in played.message()
    assert list(played.split()) == [old]

    played.change(serving={})
    played.settle()
    assert played.ready() == ("True", "Serving")
    assert played.split() == {"1": 100}
    assert played.known.stable.arm == old


def test_another_version_comes_in_verified_and_without_stages(played: PlayedDeployment):
    played.change(serving=BIGGER)
    played.register("2")
    played.alias("challenger", "2")
    played.settle()
    played.arms.pop(played.known.stable.arm)
    played.settle()
    assert played.ready() == ("False", "Verifying")
    played.verify()
    played.settle()
    assert played.split() == {"2": 100}


def test_a_pin_that_was_rejected_does_not_keep_the_stable_version_away(played: PlayedDeployment):
    played.register("2")
    played.change(model={"name": "flights", "version": "2"})
    played.settle()
    played.verify(passed=False)
    played.settle()
    assert played.ready() == ("False", "VersionRejected")
    played.change(serving=BIGGER)
    played.arms.pop(played.known.stable.arm)
    played.settle()
    played.verify()
    played.settle()
    assert played.split() == {"1": 100}


def test_nothing_is_made_while_the_registry_is_away(played: PlayedDeployment):
    played.change(serving=BIGGER)
    played.registry_away = True
    played.arms.clear()
    played.settle()
    assert played.ready() == ("False", "RegistryUnavailable")
    assert not played.arms
