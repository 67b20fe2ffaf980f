"""Neighbours that are away, crashes at any step, and a system that rests."""

import copy
from datetime import timedelta

import pytest

from leeboard.control.steps import Apply
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


def test_an_idle_deployment_writes_nothing():
    played = PlayedDeployment()
    played.serve("1")
    played.run(600)
    before = copy.deepcopy(played.status)
    for _ in range(20):
        played.wait(30)
        assert played.step().steps == ()
        assert played.status == before


def test_a_registry_that_is_away_is_named_and_harms_no_traffic():
    played = PlayedDeployment()
    played.serve("1")
    before = copy.deepcopy(played.status)
    played.registry_away = True
    played.run(60)
    assert played.ready() == ("False", "RegistryUnavailable")
    assert played.condition("Available")[0] == "True"
    assert played.split() == {"1": 100}
    played.registry_away = False
    played.settle()
    assert played.ready() == ("True", "Serving")
    assert played.status["stable"] == before["stable"]


def test_a_canary_goes_on_while_the_registry_is_away(canary: PlayedDeployment):
    canary.registry_away = True
    canary.run(130)
    assert canary.split() == {"2": 100}
    assert len(canary.known.pending_registry_writes) == 3
    canary.run(300)
    assert canary.known.rollout is None
    canary.registry_away = False
    canary.settle()
    assert canary.model.aliases == {"champion": "2"}
    assert canary.known.pending_registry_writes == []
    assert canary.ready() == ("True", "Serving")


def test_registry_writes_that_fail_are_tried_again(canary: PlayedDeployment):
    canary.registry_refuses = True
    canary.run(300)
    assert canary.split() == {"2": 100}
    assert canary.model.aliases == {"champion": "1", "challenger": "2"}
    assert canary.ready() == ("False", "RegistryWritesPending")
    canary.registry_refuses = False
    canary.settle()
    assert canary.model.aliases == {"champion": "2"}
    assert canary.ready() == ("True", "Serving")


def test_a_rollback_replaces_the_promotion_that_still_waits_to_be_written(canary: PlayedDeployment):
    canary.registry_refuses = True
    canary.run(130)
    canary.answers["errors"] = 500.0
    canary.run(40)
    assert canary.split() == {"1": 100}
    canary.registry_refuses = False
    canary.settle()

    assert canary.model.aliases == {"champion": "1"}
    assert REJECTED in canary.model.versions["2"].tags


def test_the_weight_holds_while_prometheus_is_away(canary: PlayedDeployment):
    canary.prometheus = "away"
    canary.run(900)
    assert canary.split() == {"1": 90, "2": 10}
    assert "Prometheus" in canary.message()
    canary.prometheus = ""
    canary.run(30)
    assert canary.split() == {"1": 50, "2": 50}


def test_a_bake_that_was_not_measured_is_not_said_to_be_passed(canary: PlayedDeployment):
    canary.run(120)
    canary.prometheus = "away"
    canary.run(150)
    assert canary.known.last_rollout.reason == "Baked"
    assert "was not measured" in canary.known.last_rollout.message


def test_a_query_that_fails_five_times_in_a_row_rolls_back(canary: PlayedDeployment):
    canary.prometheus = "bad_data: parse error"
    canary.wait(20)
    canary.settle()
    canary.run(30)
    assert canary.known.rollout.analysis[0].consecutive_errors == 4
    canary.run(10)

    assert canary.split() == {"1": 100}
    assert "parse error" in canary.known.last_rollout.message


def test_a_route_that_is_refused_is_tried_again(canary: PlayedDeployment):
    canary.refused = "HTTPRoute"
    canary.run(60)
    assert canary.split() == {"1": 90, "2": 10}
    assert canary.ready() == ("False", "StepFailed")
    assert [entry.percent for entry in canary.known.traffic] == [90, 10]
    canary.refused = ""
    canary.settle()
    assert canary.split() == {"1": 50, "2": 50}


def test_a_refusal_that_lasts_moves_no_field_of_the_status(canary: PlayedDeployment):
    canary.refused = "HTTPRoute"
    canary.run(70)
    before = copy.deepcopy(canary.status)
    canary.step()
    assert canary.status == before


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_crash_in_any_pass_leads_to_the_same_end(steps: int):
    played = PlayedDeployment()
    played.register("1")
    played.alias("champion", "1")
    for second in range(60):
        played.step(crash_after=steps)
        played.step()
        if second == 20:
            played.register("2")
            played.alias("challenger", "2")
        played.wait(10)
    played.settle()

    assert played.split() == {"2": 100}
    assert played.model.aliases == {"champion": "2"}
    assert [entry.version for entry in played.known.history] == ["2", "1"]
    assert played.ready() == ("True", "Serving")


def test_a_route_that_someone_changed_is_put_right():
    played = PlayedDeployment()
    played.serve("1")
    played.route["spec"]["hostnames"] = ["elsewhere.example.com"]
    plan = played.step()

    assert any(isinstance(step, Apply) for step in plan.steps)
    assert played.route["spec"]["hostnames"] == ["flights.default.models.local"]


@pytest.mark.parametrize("minutes", [-24 * 60, -60, 10])
def test_a_clock_that_jumps_skips_no_step_and_gives_nothing_away(minutes: int):
    played = PlayedDeployment()
    played.serve("1")
    played.register("2")
    played.alias("challenger", "2")
    played.run(30)
    seen = [played.split()]
    played.now += timedelta(minutes=minutes)
    played.run(20)
    seen.append(played.split())
    played.now -= timedelta(minutes=minutes)
    for _ in range(40):
        played.run(30)
        seen.append(played.split())

    walked = [split for number, split in enumerate(seen) if number == 0 or split != seen[number - 1]]
    assert walked == [{"1": 90, "2": 10}, {"1": 50, "2": 50}, {"2": 100}]
    assert played.ready() == ("True", "Serving")
    assert played.known.rejected_versions == []


def test_a_clock_that_jumps_past_the_deadline_rejects_nothing():
    played = PlayedDeployment(answers={"requests": 0.0})
    played.serve("1")
    played.register("2")
    played.alias("challenger", "2")
    played.run(30)
    played.now += timedelta(days=1)
    played.settle()

    assert played.split() == {"1": 100}
    assert played.known.last_rollout.reason == "ProgressDeadlineExceeded"
    assert played.ready() == ("False", "TriedAgainLater")
