"""What people ask by annotation: `leeboard.dev/promote|abort|retry: "<version>[/full][/<nonce>]"`. Pure.

A value is taken up once. One that is already there when an attempt begins is stale: it was meant for another.
"""

from dataclasses import dataclass

from leeboard.api import GROUP
from leeboard.api.modeldeployment import ModelDeployment, ModelDeploymentStatus
from leeboard.api.shared import HandledAction

PROMOTE = "promote"
ABORT = "abort"
RETRY = "retry"
ACTIONS = (ABORT, PROMOTE, RETRY)

_MAX_VALUE = 128
_FULL = "full"


@dataclass(frozen=True)
class Action:
    """Something that a person asks for."""

    name: str
    value: str

    @property
    def version(self) -> str:
        """The version that it is about."""
        return self.value.split("/")[0]

    @property
    def full(self) -> bool:
        """Whether all remaining stages are to be skipped."""
        return _FULL in self.value.split("/")[1:]


def annotation(name: str) -> str:
    """Return the annotation's key."""
    return f"{GROUP}/{name}"


def standing(subject: ModelDeployment) -> list[HandledAction]:
    """Return all actions that the annotations now hold, as if taken up."""
    found = subject.metadata.annotations
    return [
        HandledAction(name=name, value=found[annotation(name)][:_MAX_VALUE])
        for name in ACTIONS
        if annotation(name) in found
    ]


def asked(subject: ModelDeployment, status: ModelDeploymentStatus, name: str, version: str) -> Action | None:
    """Return the action about this version that was not taken up yet, or None."""
    fresh = next((entry for entry in standing(subject) if entry.name == name), None)
    if fresh is None or fresh in status.handled_actions:
        return None
    action = Action(name, fresh.value)
    return action if action.version == version else None


def retried_version(subject: ModelDeployment, status: ModelDeploymentStatus) -> str | None:
    """Return the version that a person asks to try again, or None."""
    fresh = next((entry for entry in standing(subject) if entry.name == RETRY), None)
    return None if fresh is None or fresh in status.handled_actions else Action(RETRY, fresh.value).version


def taken_up(status: ModelDeploymentStatus, action: Action) -> list[HandledAction]:
    """Return the handled actions with this one among them."""
    others = [entry for entry in status.handled_actions if entry.name != action.name]
    return sorted([*others, HandledAction(name=action.name, value=action.value)], key=lambda entry: entry.name)
