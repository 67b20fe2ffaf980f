"""What people ask by annotation, and what of it was taken up. Pure.

A value is taken up once. One that is already there when an attempt begins is stale: it was meant for another. One that
cannot be read asks for nothing.
"""

from leeboard.api.actions import ABORT, PROMOTE, RESTART, RETRY, Action, parse_action, parse_token
from leeboard.api.modeldeployment import ModelDeployment, ModelDeploymentStatus
from leeboard.api.shared import HandledAction

_ANNOTATIONS = (ABORT, PROMOTE, RETRY)


def restart_token(subject: ModelDeployment) -> tuple[str, ...]:
    """Return what tells the arm that a person wants from one of the same spec; empty: nobody asked for another."""
    value = subject.metadata.annotations.get(RESTART)
    try:
        return (parse_token(value),) if value is not None else ()
    except ValueError:
        return ()


def standing(subject: ModelDeployment) -> list[HandledAction]:
    """Return all actions that the annotations now hold, as if taken up."""
    found = ((annotation, _read(subject, annotation)) for annotation in _ANNOTATIONS)
    return [_handled(annotation, action) for annotation, action in found if action is not None]


def asked(
    subject: ModelDeployment, status: ModelDeploymentStatus, annotation: str, version: str | None = None
) -> Action | None:
    """Return the action that was not taken up yet, or None.

    Args:
        subject: The object with its annotations.
        status: Its status, with what was taken up.
        annotation: Key of the annotation.
        version: The version that it must be about; left out: any.
    """
    action = _read(subject, annotation)
    if action is None or _handled(annotation, action) in status.handled_actions:
        return None
    return action if version in {None, action.version} else None


def taken_up(status: ModelDeploymentStatus, annotation: str, action: Action) -> list[HandledAction]:
    """Return the handled actions with this one among them."""
    handled = _handled(annotation, action)
    others = [entry for entry in status.handled_actions if entry.name != handled.name]
    return sorted([*others, handled], key=lambda entry: entry.name)


def _handled(annotation: str, action: Action) -> HandledAction:
    return HandledAction(name=annotation.rpartition("/")[2], value=str(action))


def _read(subject: ModelDeployment, annotation: str) -> Action | None:
    value = subject.metadata.annotations.get(annotation)
    if value is None:
        return None
    try:
        return parse_action(value)
    except ValueError:
        return None
