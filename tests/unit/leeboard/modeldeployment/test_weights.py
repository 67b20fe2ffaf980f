"""Shares of the traffic, and the arms that may get some."""

from leeboard.modeldeployment.view import weights
from tests.support.playeddeployment import PlayedDeployment


def test_one_arm_gets_everything_though_it_is_candidate_and_stable():
    played = PlayedDeployment()
    played.serve("1")
    played.register("2")
    played.alias("challenger", "2")
    played.settle()
    status = played.known
    same = status.candidate.model_copy(update={"arm": status.stable.arm})

    assert weights(status.model_copy(update={"candidate": same})) == {status.stable.arm: 100}


def test_remembers_as_proven_only_the_arms_that_the_status_speaks_of():
    played = PlayedDeployment()
    played.serve("1")
    arm = played.known.stable.arm
    played.register("2")
    played.alias("challenger", "2")
    played.settle()
    played.status |= {"candidate": None, "rollout": None, "retiring": []}
    played.step()

    assert played.known.proven_arms == [arm]
