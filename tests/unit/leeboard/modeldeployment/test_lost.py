"""A stable version that cannot be brought back does not keep another from coming in; a restart brings it in anew."""

import pytest

from tests.support.playeddeployment import TWO_STEPS, PlayedDeployment


@pytest.fixture
def played() -> PlayedDeployment:
    played = PlayedDeployment(spec={"model": {"name": "flights"}, "rollout": TWO_STEPS})
    played.serve("1")
    return played


def lose(played: PlayedDeployment) -> None:
    """Take the stable arm away, and let none that is made again answer."""
    played.arms.clear()
    played.answered.clear()
    played.arms_answer = False
    played.settle()
    assert played.ready() == ("False", "StableNotProven")
    assert played.known.stable.unproven_since_time is not None


def challenge(played: PlayedDeployment) -> None:
    played.register("2")
    played.alias("challenger", "2")
    played.settle()
    played.arms_answer = True
    played.only = played.arm_of("2").manifest["metadata"]["name"]


def test_a_stable_arm_that_answers_again_is_waited_for(played: PlayedDeployment):
    lose(played)
    played.run(300)
    played.arms_answer = True
    played.settle()
    assert played.ready() == ("True", "Serving")
    assert played.known.stable.unproven_since_time is None


def test_no_stage_is_skipped_while_the_stable_arm_may_come_back(played: PlayedDeployment):
    lose(played)
    challenge(played)
    played.run(400)
    assert played.known.stable.version == "1"
    assert played.known.candidate.version == "2"


def test_a_version_that_is_ready_takes_the_place_of_one_that_is_lost(played: PlayedDeployment):
    lose(played)
    challenge(played)
    played.run(610)
    assert played.split() == {"2": 100}
    assert "Promoted" in [event.reason for event in played.events]
    played.run(600)
    assert played.known.last_rollout.version == "2"


def test_an_arm_that_can_never_be_made_again_blocks_nothing(played: PlayedDeployment):
    played.arms.clear()
    versions = {name: found for name, found in played.model.versions.items() if name != "1"}
    played.model = type(played.model)(played.model.name, {}, played.model.tags, versions)
    played.settle()
    assert played.ready() == ("False", "VersionNotFound")
    played.run(600)
    assert played.ready() == ("False", "VersionNotFound")
    played.register("2")
    played.alias("champion", "2")
    played.settle()
    assert played.split() == {"2": 100}


def test_a_lost_stable_version_does_not_excuse_a_verification(played: PlayedDeployment):
    lose(played)
    pack = {"dataset": {"uri": "/pack", "labelColumn": "late"}, "metrics": [{"name": "accuracy", "min": 0.8}]}
    played.change(verification=pack)
    challenge(played)
    played.run(700)
    assert played.ready() == ("False", "Verifying")
    played.verify()
    played.settle()
    assert played.split() == {"2": 100}


# restart


def test_a_restart_brings_the_stable_version_in_anew_by_a_rollout(played: PlayedDeployment):
    before = played.known.stable.arm
    played.annotate("restart", "2026-01-05T12:00:00Z")
    played.settle()
    assert played.ready() == ("False", "Canary")
    assert played.known.candidate.version == "1"
    assert played.known.candidate.arm != before
    played.run(400)
    assert played.ready() == ("True", "Serving")
    assert played.known.stable.arm != before
    arm = played.known.stable.arm
    played.annotate("restart", "again")
    played.run(500)
    assert played.known.stable.arm not in {arm, before}


def test_a_restart_that_does_badly_is_rolled_back(played: PlayedDeployment):
    before = played.known.stable.arm
    played.annotate("restart", "now")
    played.settle()
    played.answers["errors"] = 500.0
    played.run(60)
    assert played.ready() == ("False", "SpecRejected")
    assert played.known.stable.arm == before


def test_a_token_that_is_none_restarts_nothing(played: PlayedDeployment):
    before = played.known.stable.arm
    played.annotate("restart", "$(reboot)")
    played.settle()
    assert played.ready() == ("True", "Serving")
    assert played.known.stable.arm == before
