"""The status after a plan's steps: as planned if all went well, else as intended, with what failed. Pure."""

from datetime import datetime
from typing import Any

from leeboard.control.conditions import Finding, merge, stalled, waiting
from leeboard.control.steps import Outcomes, Plan, StepFailure


def failed(failure: StepFailure) -> tuple[Finding, ...]:
    """Say that a step failed: it is tried again, or the API server will never take it."""
    say, reason = (waiting, "StepFailed") if failure.transient else (stalled, "StepRefused")
    return say(reason, failure.message)


def registry_writes_pending(message: str) -> tuple[Finding, ...]:
    """Say that the registry could not be written yet."""
    return waiting("RegistryWritesPending", message)


def status_after(
    before: dict[str, Any], plan: Plan, outcomes: Outcomes, generation: int, now: datetime
) -> dict[str, Any]:
    """Return the whole status.

    Args:
        before: The status that was read.
        plan: The plan.
        outcomes: What became of its steps.
        generation: Generation of the spec that was looked at.
        now: The present instant.
    """
    if outcomes.ok:
        return plan.status
    document = dict(plan.intent if plan.intent is not None else before)
    failure = outcomes.failure
    said = failed(failure) if failure is not None else registry_writes_pending(outcomes.registry_message)
    document["conditions"] = merge(document.get("conditions", []), said, generation, now)
    return document
