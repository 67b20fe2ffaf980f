"""Which version is wanted: pins, aliases, owners, and what comes back after a loss."""

from dataclasses import replace

import pytest

from leeboard.contract import tags
from leeboard.settings import Settings
from tests.support.playeddeployment import PROMOTED, REJECTED, TWO_STEPS, PlayedDeployment


@pytest.fixture
def played() -> PlayedDeployment:
    return PlayedDeployment()


def pin(played: PlayedDeployment, version: str) -> None:
    played.change(model={"name": "flights", "version": version})


def test_claims_both_aliases_before_anything_starts(played: PlayedDeployment):
    played.serve("1")

    assert played.model.tags == {
        tags.owner("champion"): "default/default/flights",
        tags.owner("challenger"): "default/default/flights",
    }


def test_stalls_when_another_object_owns_the_alias(played: PlayedDeployment):
    played.model = replace(played.model, tags={tags.owner("champion"): "default/other/flights"})
    played.register("1")
    played.alias("champion", "1")
    played.settle()

    assert played.ready() == ("False", "AliasOwnedByOther")
    assert "default/other/flights" in played.message()
    assert not played.arms


def test_names_every_tag_that_would_have_to_go_at_once(played: PlayedDeployment):
    held = {tags.owner("champion"): "default/other/flights", tags.owner("challenger"): "east/other/old"}
    played.model = replace(played.model, tags=held)
    played.settle()

    assert played.message() == (
        "the alias champion of flights belongs to the ModelDeployment default/other/flights (cluster/namespace/name) "
        "and the alias challenger of flights belongs to the ModelDeployment east/other/old (cluster/namespace/name): "
        "follow other aliases, or, if their owners are gone, remove the tags leeboard.owner.champion and "
        "leeboard.owner.challenger from the model"
    )


def test_stalls_on_a_model_that_the_namespace_may_not_name(played: PlayedDeployment):
    played.settings = Settings(model_prefixes={"default": ("fraud-",)})
    played.register("1")
    played.alias("champion", "1")
    played.settle()

    assert played.ready() == ("False", "ModelNotAllowed")


def test_says_that_the_registry_has_no_such_model_and_heals(played: PlayedDeployment):
    model, played.model = played.model, None
    played.settle()
    assert played.ready() == ("False", "ModelNotFound")
    played.model = model
    played.serve("1")


def test_waits_for_an_alias(played: PlayedDeployment):
    played.register("1")
    played.settle()

    assert played.ready() == ("False", "NoVersion")
    assert "champion" in played.message()


def test_serves_a_challenger_when_there_is_no_champion_yet(played: PlayedDeployment):
    played.register("1")
    played.alias("challenger", "1")
    played.settle()

    assert played.split() == {"1": 100}
    assert played.model.aliases == {"champion": "1"}


def test_serves_the_champion_before_a_challenger_comes_in(played: PlayedDeployment):
    played.register("1")
    played.register("2")
    played.alias("champion", "1")
    played.alias("challenger", "2")
    played.settle()

    assert played.split() == {"1": 90, "2": 10}


def test_leaves_a_version_alone_that_the_registry_does_not_call_ready(played: PlayedDeployment):
    played.serve("1")
    played.register("2", ready=False)
    played.alias("challenger", "2")
    played.settle()
    assert played.split() == {"1": 100}
    played.register("2")
    played.settle()
    assert played.split() == {"1": 90, "2": 10}


@pytest.mark.parametrize("champion", ["2", None])
def test_recovers_the_stable_version_after_a_loss_of_status(played: PlayedDeployment, champion: str | None):
    played.serve("1")
    played.register("2")
    played.alias("challenger", "2")
    played.run(400)
    played.register("3")
    played.alias("challenger", "3")
    played.alias("champion", champion)
    played.run(70)
    assert played.split() == {"2": 50, "3": 50}
    played.status = {}
    played.settle()

    assert played.known.stable.version == "2"
    assert played.split() == {"2": 90, "3": 10}


def test_never_jumps_to_an_unproven_champion_after_a_loss_of_status(played: PlayedDeployment):
    played.serve("1")
    played.register("2")
    played.alias("champion", "2")
    played.settle()
    played.status = {}
    played.settle()

    assert played.known.stable.version == "1"
    assert played.split() == {"1": 90, "2": 10}


def test_deletes_nothing_after_a_loss_of_status_while_the_registry_is_away(played: PlayedDeployment):
    played.serve("1")
    played.status = {}
    played.registry_away = True
    played.run(120)

    assert len(played.arms) == 1
    assert played.split() == {"1": 100}
    played.registry_away = False
    played.settle()
    assert played.ready() == ("True", "Serving")


def test_remembers_a_rejection_over_a_loss_of_status(played: PlayedDeployment):
    played.serve("1")
    played.register("2", tags={REJECTED: "AnalysisFailed: errors", tags.TRAINING_DATA: "{}"})
    played.alias("challenger", "2")
    played.status = {}
    played.settle()

    assert played.split() == {"1": 100}


def test_pins_a_version_without_touching_aliases(played: PlayedDeployment):
    played.spec = {"model": {"name": "flights", "version": "1"}, "rollout": TWO_STEPS}
    played.register("1")
    played.settle()

    assert played.split() == {"1": 100}
    assert played.model.aliases == {}
    assert PROMOTED in played.model.versions["1"].tags
    assert played.model.tags == {}


def test_rolls_a_changed_pin_out(played: PlayedDeployment):
    test_pins_a_version_without_touching_aliases(played)
    played.register("2")
    pin(played, "2")
    played.settle()
    assert played.split() == {"1": 90, "2": 10}
    played.run(300)
    assert played.ready() == ("True", "Serving")
    assert PROMOTED in played.model.versions["2"].tags


def test_stalls_on_a_pin_that_was_rejected_until_it_moves(played: PlayedDeployment):
    test_pins_a_version_without_touching_aliases(played)
    played.register("2")
    pin(played, "2")
    played.answers["errors"] = 100.0
    played.run(60)
    assert played.ready() == ("False", "VersionRejected")
    assert "errors" in played.message()
    assert played.split() == {"1": 100}
    pin(played, "1")
    played.settle()
    assert played.ready() == ("True", "Serving")
    played.answers["errors"] = 0.0
    pin(played, "2")
    played.settle()
    assert played.split() == {"1": 90, "2": 10}


def test_tries_a_rejected_pin_again_when_a_person_says_so(played: PlayedDeployment):
    test_pins_a_version_without_touching_aliases(played)
    played.register("2")
    pin(played, "2")
    played.answers["errors"] = 100.0
    played.run(60)
    played.answers["errors"] = 0.0
    played.annotate("retry", "2")
    played.settle()

    assert played.split() == {"1": 90, "2": 10}


def test_stalls_on_a_pin_that_does_not_exist(played: PlayedDeployment):
    test_pins_a_version_without_touching_aliases(played)
    pin(played, "9")
    played.settle()

    assert played.ready() == ("False", "VersionNotFound")
    assert played.split() == {"1": 100}


def test_returns_at_once_to_a_pin_that_was_promoted_before(played: PlayedDeployment):
    test_rolls_a_changed_pin_out(played)
    pin(played, "1")
    played.settle()

    assert played.split() == {"1": 100}
    assert played.known.last_rollout.reason == "EmergencyReturn"
