"""The status after a plan's steps: as planned if all went well, else as intended, with what failed. Pure."""

from datetime import datetime
from typing import Any

from leeboard.control.conditions import READY, RECONCILING, false, merge, true
from leeboard.control.steps import Outcomes, Plan


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
    message = outcomes.failure.message if outcomes.failure is not None else outcomes.registry_message
    reason = "WriteFailed" if outcomes.failure is not None else "RegistryWriteFailed"
    findings = false(READY, reason, message), true(RECONCILING, reason, message)
    document["conditions"] = merge(document.get("conditions", []), findings, generation, now)
    return document
