"""The walk of a version from the registry to all traffic, and what turns it back."""

import pytest

from tests.support.playeddeployment import PROMOTED, REJECTED, PlayedDeployment


@pytest.fixture
def played() -> PlayedDeployment:
    return PlayedDeployment()


@pytest.fixture
def canary() -> PlayedDeployment:
    """Version 1 serves, version 2 is in the first step of its canary."""
    played = PlayedDeployment()
    played.serve("1")
    played.register("2")
    played.alias("challenger", "2")
    played.settle()
    assert played.split() == {"1": 90, "2": 10}
    return played


def test_brings_the_first_version_in_at_once(played: PlayedDeployment):
    played.serve("1")

    assert played.split() == {"1": 100}
    assert played.known.last_rollout.reason == "FirstDeployment"
    assert PROMOTED in played.model.versions["1"].tags
    assert played.condition("Available") == ("True", "Answering")
    assert played.condition("RouteReady") == ("True", "Accepted")


def test_makes_no_route_before_an_arm_has_answered_a_real_prediction(played: PlayedDeployment):
    played.register("1")
    played.alias("champion", "1")
    played.arms_answer = False
    played.settle()

    assert played.route is None
    assert played.ready() == ("False", "ProvingArm")
    assert "503" in played.message()


def test_waits_for_an_arm_that_is_not_rolled_out(played: PlayedDeployment):
    played.register("1")
    played.alias("champion", "1")
    played.arms_start = False
    played.settle()

    assert played.ready() == ("False", "WaitingForArm")
    assert played.route is None


def test_asks_an_arm_for_a_prediction_only_until_it_has_answered(played: PlayedDeployment):
    played.serve("1")

    assert played.known.proven_arms == [played.known.stable.arm]
    assert not played.seen().proofs


def test_walks_through_the_steps_and_promotes(canary: PlayedDeployment):
    canary.run(60)
    assert canary.split() == {"1": 50, "2": 50}
    canary.run(60)
    assert canary.split() == {"2": 100}
    assert canary.model.aliases == {"champion": "2"}
    assert canary.ready() == ("False", "Baking")
    assert canary.known.candidate is None
    canary.run(120)
    assert canary.ready() == ("True", "Serving")
    assert canary.known.last_rollout.reason == "Baked"
    assert [entry.outcome.value for entry in canary.known.history] == ["Promoted", "Promoted"]


def test_keeps_the_old_arm_until_the_bake_and_its_delay_are_over(canary: PlayedDeployment):
    old = canary.known.stable.arm
    canary.run(120)
    assert old in canary.arms
    canary.run(120)
    assert old in canary.arms
    canary.run(70)
    assert old not in canary.arms
    assert canary.known.retiring == []


def test_starts_the_clock_of_a_step_when_the_route_is_taken_up(canary: PlayedDeployment):
    canary.gateway_follows = False
    canary.run(60)
    assert canary.split() == {"1": 50, "2": 50}
    canary.run(300)
    assert canary.known.rollout.step == 1
    assert canary.condition("RouteReady") == ("False", "NotTakenUp")
    canary.gateway_follows = True
    canary.follow()
    canary.run(50)
    assert canary.known.rollout.step == 1
    canary.run(20)
    assert canary.split() == {"2": 100}


def test_holds_the_weight_while_samples_are_too_few(canary: PlayedDeployment):
    canary.answers["requests"] = 20.0
    canary.run(600)

    assert canary.split() == {"1": 90, "2": 10}
    assert "20 of at least 100 requests" in canary.message()
    canary.answers["requests"] = 500.0
    canary.run(30)
    assert canary.split() == {"1": 50, "2": 50}


def test_rolls_back_at_once_when_the_analysis_fails(canary: PlayedDeployment):
    canary.answers["errors"] = 100.0
    canary.wait(20)
    canary.settle()

    assert canary.split() == {"1": 100}
    assert canary.known.last_rollout.outcome.value == "RolledBack"
    assert canary.known.last_rollout.reason == "AnalysisFailed"
    assert "errors" in canary.known.last_rollout.message
    assert canary.model.aliases == {"champion": "1"}
    assert "AnalysisFailed" in canary.model.versions["2"].tags[REJECTED]
    assert canary.ready() == ("True", "Serving")
    assert ("Warning", "RolloutRolledBack") in {(event.type, event.reason) for event in canary.events}


def test_takes_the_weight_before_it_tells_the_registry(canary: PlayedDeployment):
    canary.answers["errors"] = 100.0
    canary.wait(20)
    canary.step()

    assert canary.split() == {"1": 100}
    assert canary.model.aliases["challenger"] == "2"
    assert canary.known.pending_registry_writes


def test_lets_a_rolled_back_arm_end_its_requests_before_it_goes(canary: PlayedDeployment):
    canary.answers["errors"] = 100.0
    canary.wait(20)
    canary.settle()
    assert len(canary.arms) == 2
    canary.run(40)
    assert len(canary.arms) == 1


def test_does_not_try_a_rejected_version_again(canary: PlayedDeployment):
    canary.answers["errors"] = 100.0
    canary.run(120)
    canary.answers["errors"] = 0.0
    attempts = canary.known.attempts
    canary.run(600)

    assert canary.known.attempts == attempts


def test_tries_a_rejected_version_again_when_its_alias_went_and_came_back(canary: PlayedDeployment):
    canary.answers["errors"] = 100.0
    canary.run(120)
    canary.answers["errors"] = 0.0
    canary.alias("challenger", "2")
    canary.settle()

    assert canary.split() == {"1": 90, "2": 10}
    assert REJECTED not in canary.model.versions["2"].tags


def test_tries_a_rejected_version_again_when_a_person_says_retry(canary: PlayedDeployment):
    canary.answers["errors"] = 100.0
    canary.run(120)
    canary.answers["errors"] = 0.0
    canary.annotate("retry", "2/now")
    canary.settle()

    assert canary.model.aliases["challenger"] == "2"
    assert canary.split() == {"1": 90, "2": 10}


def test_gives_traffic_and_champion_back_when_the_bake_fails(canary: PlayedDeployment):
    canary.run(120)
    assert canary.model.aliases["champion"] == "2"
    canary.answers["errors"] = 500.0
    canary.run(30)

    assert canary.split() == {"1": 100}
    assert canary.model.aliases == {"champion": "1"}
    assert PROMOTED not in canary.model.versions["2"].tags
    assert REJECTED in canary.model.versions["2"].tags
    assert canary.known.stable.version == "1"
    assert canary.known.last_rollout.outcome.value == "RolledBack"


def test_holds_a_bad_version_while_the_one_before_cannot_take_the_traffic(canary: PlayedDeployment):
    canary.run(120)
    canary.arm_of("1").ready = False
    canary.answers["errors"] = 500.0
    canary.run(300)
    assert canary.split() == {"2": 100}
    assert canary.ready() == ("False", "WaitsToGoBack")
    assert "version 1 cannot take it" in canary.message()
    canary.arm_of("1").ready = True
    canary.run(10)

    assert canary.split() == {"1": 100}
    assert canary.known.last_rollout.reason == "AnalysisFailed"


def test_a_person_aborts_though_the_version_before_is_not_available(canary: PlayedDeployment):
    canary.run(120)
    canary.arm_of("1").ready = False
    canary.annotate("abort", "2")
    canary.settle()

    assert canary.split() == {"1": 100}


def test_a_person_ends_the_bake_of_a_version_that_cannot_go_back(canary: PlayedDeployment):
    canary.run(120)
    canary.arm_of("1").ready = False
    canary.answers["errors"] = 500.0
    canary.run(30)
    canary.annotate("promote", "2/now")
    canary.settle()

    assert canary.known.last_rollout.reason == "BakeEndedByHand"


def test_holds_ratios_in_the_bake_against_the_stable_values_of_the_last_step(played: PlayedDeployment):
    latency = {"name": "slow", "latency": {"maxRatioToStable": 1.5}}
    played.spec["rollout"]["analysis"]["metrics"] = [latency]
    played.serve("1")
    played.register("2")
    played.alias("challenger", "2")
    played.run(120)
    assert played.known.rollout.frozen_stable[0].value == 0.02
    played.answers |= {"stableLatency": None, "latency": 0.05, "latencyAtLeast": 0.04}
    played.run(20)

    assert played.split() == {"1": 100}
    assert "bound 0.03" in played.known.last_rollout.message


def test_rolls_back_a_candidate_of_which_nothing_is_available_for_a_minute(canary: PlayedDeployment):
    canary.arm_of("2").ready = False
    canary.run(50)
    assert canary.split() == {"1": 90, "2": 10}
    canary.run(20)

    assert canary.split() == {"1": 100}
    assert canary.known.last_rollout.reason == "Unavailable"


def test_bears_a_candidate_that_is_away_for_less_than_a_minute(canary: PlayedDeployment):
    canary.arm_of("2").ready = False
    canary.run(50)
    canary.arm_of("2").ready = True
    canary.run(30)

    assert canary.known.last_rollout.reason == "FirstDeployment"
    assert canary.known.rollout.weight == 50


def test_leaves_the_stable_arm_its_weight_though_it_is_unavailable(canary: PlayedDeployment):
    canary.arm_of("1").ready = False
    canary.run(30)

    assert canary.split() == {"1": 90, "2": 10}
    assert canary.condition("Available")[0] == "False"


def test_goes_back_when_a_promoted_version_dies_in_the_bake(canary: PlayedDeployment):
    canary.run(120)
    canary.arm_of("2").ready = False
    canary.run(70)

    assert canary.split() == {"1": 100}
    assert canary.model.aliases["champion"] == "1"


def test_rolls_back_a_rollout_that_does_not_advance(canary: PlayedDeployment):
    canary.answers["requests"] = None
    canary.run(3600, every=60)
    assert canary.known.candidate is not None
    canary.run(120)

    assert canary.known.last_rollout.reason == "ProgressDeadlineExceeded"
    assert "0 of at least 100 requests" in canary.known.last_rollout.message


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("nothing advanced for 1h: the Deployment flights-v3", {"arms_start": False}),
        ("has not answered a real prediction yet: it answers 503", {"arms_answer": False}),
        ("has not looked at the HTTPRoute", {"gateway_follows": False}),
    ],
)
def test_says_what_a_rollout_waited_for_when_its_deadline_is_over(sentence: str, fault: dict[str, bool]):
    played = PlayedDeployment()
    played.serve("1")
    for name, value in fault.items():
        setattr(played, name, value)
    played.register("3")
    played.alias("challenger", "3")
    played.run(3700, every=60)

    assert played.known.last_rollout.reason == "ProgressDeadlineExceeded"
    assert sentence in played.known.last_rollout.message


def test_a_version_that_was_promoted_before_skips_the_rest_when_a_person_makes_it_champion(canary: PlayedDeployment):
    canary.run(400)
    canary.alias("champion", "1")
    canary.run(400)
    canary.alias("challenger", "2")
    canary.run(20)
    assert canary.split() == {"1": 90, "2": 10}
    canary.alias("champion", "2")
    canary.settle()

    assert canary.split() == {"2": 100}
    assert canary.known.last_rollout.reason == "EmergencyReturn"


def test_supersedes_a_running_rollout_by_a_newer_candidate(canary: PlayedDeployment):
    canary.run(70)
    canary.register("3")
    canary.alias("challenger", "3")
    canary.settle()

    assert canary.split() == {"1": 90, "3": 10}
    assert canary.known.last_rollout.outcome.value == "Superseded"
    assert REJECTED not in canary.model.versions["2"].tags


def test_lets_a_newer_candidate_wait_during_the_bake(canary: PlayedDeployment):
    canary.run(130)
    canary.register("3")
    canary.alias("challenger", "3")
    canary.run(60)
    assert canary.split() == {"2": 100}
    canary.run(60)
    assert canary.split() == {"2": 90, "3": 10}


def test_withdraws_a_candidate_that_nobody_asks_for_any_more(canary: PlayedDeployment):
    canary.alias("challenger", None)
    canary.settle()

    assert canary.split() == {"1": 100}
    assert (canary.known.last_rollout.outcome.value, canary.known.last_rollout.reason) == ("Aborted", "Withdrawn")


def test_takes_a_champion_that_was_moved_by_hand_through_all_stages(played: PlayedDeployment):
    played.serve("1")
    played.register("2")
    played.alias("champion", "2")
    played.settle()

    assert played.split() == {"1": 90, "2": 10}


def test_puts_the_champion_back_when_one_that_was_moved_by_hand_fails(played: PlayedDeployment):
    played.serve("1")
    played.register("2")
    played.alias("champion", "2")
    played.answers["errors"] = 100.0
    played.run(60)

    assert played.model.aliases == {"champion": "1"}
    assert played.split() == {"1": 100}
    assert played.ready() == ("True", "Serving")


def test_returns_at_once_to_a_version_that_was_promoted_before(canary: PlayedDeployment):
    canary.run(240)
    canary.alias("champion", "1")
    canary.settle()

    assert canary.split() == {"1": 100}
    assert canary.known.last_rollout.reason == "EmergencyReturn"
    assert canary.ready() == ("True", "Serving")


def test_goes_back_when_a_person_moves_the_champion_back_during_the_bake(canary: PlayedDeployment):
    canary.run(150)
    canary.alias("champion", "1")
    canary.settle()

    assert canary.split() == {"1": 100}
    assert canary.known.last_rollout.reason == "MovedBack"


def test_restarts_at_the_first_stage_when_the_stages_change(canary: PlayedDeployment):
    canary.run(70)
    assert canary.known.rollout.weight == 50
    steps = [{"weight": 20, "hold": "1m"}, {"weight": 60, "hold": "1m"}]
    canary.change(rollout=canary.spec["rollout"] | {"stages": [{"name": "slow", "canary": {"steps": steps}}]})
    canary.settle()

    assert canary.split() == {"1": 80, "2": 20}
    assert canary.known.rollout.stage == "slow"


def test_applies_changed_thresholds_at_once(canary: PlayedDeployment):
    canary.answers["errors"] = 20.0
    canary.change(
        rollout=canary.spec["rollout"]
        | {"analysis": {"interval": "20s", "metrics": [{"name": "errors", "errorRate": {"max": 0.1}}]}}
    )
    canary.run(60)

    assert canary.known.rollout.step == 1


def test_brings_a_changed_template_in_by_a_rollout_of_the_same_version(played: PlayedDeployment):
    played.serve("1")
    old = played.known.stable.arm
    played.change(serving={"resources": {"limits": {"cpu": "2"}}})
    played.settle()

    assert played.known.candidate.version == "1"
    assert sorted(entry.percent for entry in played.known.traffic) == [10, 90]
    played.run(300)
    assert played.known.stable.arm != old
    assert played.model.aliases == {"champion": "1"}
    assert played.ready() == ("True", "Serving")


def test_stalls_on_a_template_that_was_rolled_back_but_not_on_the_version(played: PlayedDeployment):
    played.serve("1")
    played.change(serving={"resources": {"limits": {"cpu": "2"}}})
    played.settle()
    played.answers["errors"] = 100.0
    played.run(60)

    assert played.ready() == ("False", "SpecRejected")
    assert played.condition("Stalled")[0] == "True"
    assert REJECTED not in played.model.versions["1"].tags
    assert PROMOTED in played.model.versions["1"].tags
    played.answers["errors"] = 0.0
    played.change(serving={"resources": {"limits": {"cpu": "3"}}})
    played.run(400)
    assert played.ready() == ("True", "Serving")


def test_changes_the_range_of_replicas_in_place(played: PlayedDeployment):
    played.serve("1")
    arm = played.known.stable.arm
    played.change(serving={"replicas": {"min": 2, "max": 5}})
    played.settle()

    assert played.known.stable.arm == arm
    assert played.arms[arm].manifest["spec"]["transformer"]["maxReplicas"] == 5
    assert played.known.rollout is None


def test_makes_an_arm_anew_that_someone_deleted(played: PlayedDeployment):
    played.serve("1")
    played.arms.clear()
    played.settle()

    assert list(played.arms) == [played.known.stable.arm]
    assert played.split() == {"1": 100}
    assert played.ready() == ("True", "Serving")


def test_waits_for_an_older_namesake_to_go(played: PlayedDeployment):
    played.serve("1")
    arm = played.arms[played.known.stable.arm]
    arm.ours = False
    played.settle()

    assert played.ready() == ("False", "ChildNotOurs")
    assert played.split() == {"1": 100}
