"""The status after a plan's steps."""

from datetime import UTC, datetime
from typing import Any

from leeboard.api.modeldeployment import RegistryWrite
from leeboard.control.afterwards import status_after
from leeboard.control.steps import Delete, Outcomes, Plan, StepFailure

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
BEFORE: dict[str, Any] = {"phase": "before"}
DONE: dict[str, Any] = {"phase": "done"}
INTENDED: dict[str, Any] = {"phase": "intended"}
FAILED = Outcomes(failure=StepFailure(Delete("RayJob", "j", "u"), "the API server is away", transient=True))


def after(plan: Plan, outcomes: Outcomes) -> dict[str, Any]:
    return status_after(BEFORE, plan, outcomes, 1, NOW)


def test_is_as_planned_when_every_step_succeeded() -> None:
    assert after(Plan(DONE, intent=INTENDED), Outcomes()) == DONE


def test_keeps_what_was_intended_and_says_what_failed() -> None:
    found = after(Plan(DONE, intent=INTENDED), FAILED)
    assert found["phase"] == "intended"
    assert [(entry["type"], entry["reason"]) for entry in found["conditions"]] == [
        ("Ready", "StepFailed"),
        ("Reconciling", "StepFailed"),
    ]
    assert found["conditions"][0]["message"] == "the API server is away"
    assert "conditions" not in INTENDED


def test_what_the_api_server_will_never_take_needs_a_person() -> None:
    refused = Outcomes(failure=StepFailure(Delete("RayJob", "j", "u"), "the name is wrong", transient=False))
    assert [(entry["type"], entry["reason"]) for entry in after(Plan(DONE), refused)["conditions"]] == [
        ("Ready", "StepRefused"),
        ("Stalled", "StepRefused"),
    ]


def test_without_an_intent_nothing_but_the_conditions_moves() -> None:
    assert after(Plan(DONE), FAILED)["phase"] == "before"


def test_a_registry_that_is_away_is_told_too() -> None:
    write = RegistryWrite(set_alias="challenger", version="2")
    found = after(Plan(DONE), Outcomes(registry_failures=(write,), registry_message="MLflow is away"))
    assert found["phase"] == "before"
    assert found["conditions"][0]["reason"] == "RegistryWritesPending"
