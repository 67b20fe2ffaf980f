"""Conditions by the rules of kstatus: `Reconciling` and `Stalled` stand only while true; times move with the status."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leeboard.control.clock import iso

MAX_MESSAGE = 1024
ONLY_WHILE_TRUE = ("Reconciling", "Stalled")

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"


@dataclass(frozen=True)
class Finding:
    """What a pass has to say about one condition."""

    type: str
    status: str
    """True, False or Unknown."""
    reason: str
    message: str


def true(kind: str, reason: str, message: str) -> Finding:
    """Say that a condition holds."""
    return Finding(kind, "True", reason, message)


def false(kind: str, reason: str, message: str) -> Finding:
    """Say that a condition does not hold."""
    return Finding(kind, "False", reason, message)


def unknown(kind: str, reason: str, message: str) -> Finding:
    """Say that it cannot be told whether a condition holds."""
    return Finding(kind, "Unknown", reason, message)


def stalled(reason: str, message: str) -> tuple[Finding, ...]:
    """Say that nothing goes on until someone acts."""
    return false(READY, reason, message), true(STALLED, reason, message)


def waiting(reason: str, message: str) -> tuple[Finding, ...]:
    """Say that something else must come first, and is waited for."""
    return false(READY, reason, message), true(RECONCILING, reason, message)


def cut(message: str, limit: int = MAX_MESSAGE) -> str:
    """Shorten a message to what a status field holds."""
    return message if len(message) <= limit else message[: limit - 1].rstrip() + "…"


def merge(
    before: Iterable[Mapping[str, Any]], findings: Iterable[Finding], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """Return the conditions that now hold.

    A condition's `lastTransitionTime` moves only when its status does. Conditions of which nothing is said stay as
    they were, except `Reconciling` and `Stalled`, which go when nobody says that they are true.

    Args:
        before: Conditions in the object's status.
        findings: What the pass says; the last word on a type counts.
        generation: Generation of the spec that was looked at.
        now: The present instant.
    """
    old = {condition["type"]: condition for condition in before}
    said = {finding.type: finding for finding in findings}
    kept = [dict(condition) for name, condition in old.items() if name not in said and name not in ONLY_WHILE_TRUE]
    new = [
        _condition(finding, old.get(name), generation, now)
        for name, finding in said.items()
        if name not in ONLY_WHILE_TRUE or finding.status == "True"
    ]
    return sorted(kept + new, key=lambda condition: (condition["type"] != READY, condition["type"]))


def _condition(finding: Finding, old: Mapping[str, Any] | None, generation: int, now: datetime) -> dict[str, Any]:
    unmoved = old is not None and old["status"] == finding.status
    return {
        "type": finding.type,
        "status": finding.status,
        "observedGeneration": generation,
        "lastTransitionTime": old["lastTransitionTime"] if old is not None and unmoved else iso(now),
        "reason": finding.reason,
        "message": cut(finding.message),
    }


def find(conditions: Iterable[Mapping[str, Any]], kind: str) -> Mapping[str, Any] | None:
    """Return the condition of a type, or None."""
    return next((condition for condition in conditions if condition.get("type") == kind), None)


def holds(conditions: Iterable[Mapping[str, Any]], kind: str) -> bool:
    """Say whether a condition is True."""
    condition = find(conditions, kind)
    return condition is not None and condition.get("status") == "True"
