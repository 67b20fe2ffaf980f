"""Checks that take a version out of the traffic: asked by a person, gone, measured to be bad, stuck. Pure."""

from datetime import timedelta

from leeboard.api.actions import ABORT, PROMOTE
from leeboard.api.base import seconds
from leeboard.api.modeldeployment import Outcome, RolloutPhase
from leeboard.control.clock import instant
from leeboard.modeldeployment import actions, analysis, arms, versions
from leeboard.modeldeployment.obstacles import Obstacle, obstacle
from leeboard.modeldeployment.stepping import waiting
from leeboard.modeldeployment.transitions import give_back, roll_back
from leeboard.modeldeployment.view import Decision, View

UNAVAILABLE = timedelta(seconds=60)
"""So long a candidate with weight may have nothing available."""

_PROMOTED = (RolloutPhase.PROMOTING, RolloutPhase.BAKING)


def _take_out(view: View, outcome: Outcome, reason: str, message: str, *, reject: bool = True) -> Decision:
    turn = give_back if view.in_phase(*_PROMOTED) else roll_back
    return turn(view, outcome, reason, message, reject=reject)


def incoming_version(view: View) -> str | None:
    """Return the version that a rollout brings in."""
    status = view.status
    if view.in_phase(*_PROMOTED):
        return status.stable.version if status.stable else None
    return status.candidate.version if status.candidate else None


def check_abort(view: View) -> Decision | None:
    """A person asks to abort."""
    version = incoming_version(view)
    if view.rollout is None or version is None:
        return None
    if actions.asked(view.subject, view.status, ABORT, version) is None:
        return None
    return _take_out(view, Outcome.ABORTED, "AbortedByHand", f"a person aborted it ({ABORT})")


def check_available(view: View) -> Decision | None:
    """Nothing of the version that comes in answers any more, while it has traffic."""
    rollout = view.rollout
    if rollout is None or rollout.unavailable_since_time is None:
        return None
    if view.now - instant(rollout.unavailable_since_time) < UNAVAILABLE:
        return None
    if _stranded(view):
        return None  # going back would help nobody
    arm = view.arm(view.incoming)
    why = arms.explain(arm) if arm is not None else f"the InferenceService {view.incoming} is gone"
    message = f"nothing of it was available for 60 s: {why}"
    return _take_out(view, Outcome.ROLLED_BACK, "Unavailable", message, reject=arm is not None and not arm.blameless)


def check_analysis(view: View) -> Decision | None:
    """The analysis has failed."""
    failed, blind = _failed(view), _blind(view)
    if _stranded(view):
        return None
    if failed is not None:
        return _take_out(view, Outcome.ROLLED_BACK, "AnalysisFailed", failed)
    return _take_out(view, Outcome.ROLLED_BACK, "NoMeasurement", blind, reject=False) if blind is not None else None


def _failed(view: View) -> str | None:
    if view.rollout is None or view.contest is None:
        return None
    return analysis.failed_run(view.subject.spec.rollout.analysis.metrics, view.rollout.analysis)


def _blind(view: View) -> str | None:
    if view.rollout is None or view.contest is None:
        return None
    return analysis.blind_run(view.subject.spec.rollout.analysis.metrics, view.rollout.analysis)


def check_moved_back(view: View) -> Decision | None:
    """During the bake someone moves the champion, or the pin, back to the version that served before."""
    why = _moved_back(view)
    return None if why is None or _stranded(view) else _take_out(view, Outcome.ABORTED, "MovedBack", why)


def _moved_back(view: View) -> str | None:
    rollout, model = view.rollout, view.seen.registry.model
    if rollout is None or rollout.phase is not RolloutPhase.BAKING or rollout.previous is None or model is None:
        return None
    source, stable = view.subject.spec.model, view.status.stable
    named = source.version or versions.aliases_after(model, view.status.pending_registry_writes).get(
        source.stable_alias
    )
    if stable is None or named != rollout.previous.version or named == stable.version:
        return None
    return f"a person moved back to version {named} during the bake"


def check_deadline(view: View) -> Decision | None:
    """No step has advanced for too long."""
    found = _overdue(view)
    if found is None or _stranded(view):
        return None
    return _take_out(view, Outcome.ROLLED_BACK, "ProgressDeadlineExceeded", found.told, reject=found.own_fault)


def _overdue(view: View) -> Obstacle | None:
    rollout, stable = view.rollout, view.status.stable
    if rollout is None or stable is None or view.subject.spec.suspend or view.in_phase(RolloutPhase.BAKING):
        return None
    if rollout.approval_wanted_time is not None:
        return None
    limit = view.subject.spec.rollout.progress_deadline
    if view.now - instant(rollout.last_advance_time) <= timedelta(seconds=seconds(limit)):
        return None
    found = obstacle(view)
    return Obstacle(f"nothing advanced for {limit}: {found.told}", own_fault=found.own_fault)


def check_stranded(view: View) -> Decision | None:
    """A promoted version is to go, but the one before cannot take the traffic: it is held, and tried again."""
    rollout, stable = view.rollout, view.status.stable
    if rollout is None or rollout.previous is None or stable is None or not _stranded(view):
        return None
    if actions.asked(view.subject, view.status, PROMOTE, stable.version) is not None:
        return None  # a person ends the bake all the same
    # A person who moved back need not wait longer than the bake: then the version returns by a rollout of its own.
    over = view.hold_end is None or view.now >= view.hold_end
    why = _failed(view) or _blind(view) or (None if over else _moved_back(view))
    if why is None and rollout.step_start_time is None and (overdue := _overdue(view)) is not None:
        why = overdue.told
    if why is None:
        return None
    previous = rollout.previous
    arm = view.arm(previous.arm)
    lacking = arms.explain(arm) if arm is not None else f"the InferenceService {previous.arm} is gone"
    held = f"version {stable.version} keeps the traffic, for version {previous.version} cannot take it: {lacking}"
    return waiting(view, "WaitsToGoBack", f"{why}; {held}")


def _stranded(view: View) -> bool:
    """Say whether a version was promoted and nothing of the one before is available to go back to."""
    if view.rollout is None or not view.in_phase(*_PROMOTED):
        return False
    previous = view.arm(view.rollout.previous.arm) if view.rollout.previous else None
    return previous is None or not previous.available
