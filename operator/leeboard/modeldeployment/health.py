"""Checks that take a version out of the traffic: asked by a person, gone, measured to be bad, stuck. Pure."""

from datetime import timedelta

from leeboard.api.actions import ABORT
from leeboard.api.base import seconds
from leeboard.api.modeldeployment import Outcome, RolloutPhase
from leeboard.control.clock import instant
from leeboard.modeldeployment import actions, analysis, arms, versions
from leeboard.modeldeployment import route as routes
from leeboard.modeldeployment.transitions import give_back, roll_back
from leeboard.modeldeployment.view import Decision, View

UNAVAILABLE = timedelta(seconds=60)
"""So long a candidate with weight may have nothing available."""

_PROMOTED = (RolloutPhase.PROMOTING, RolloutPhase.BAKING)


def _take_out(view: View, outcome: Outcome, reason: str, message: str) -> Decision:
    turn = give_back if view.in_phase(*_PROMOTED) else roll_back
    return turn(view, outcome, reason, message)


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
    if view.in_phase(*_PROMOTED):
        previous = view.arm(rollout.previous.arm) if rollout.previous else None
        if previous is None or not previous.available:
            return None  # going back would help nobody
    arm = view.arm(view.incoming)
    why = arms.explain(arm) if arm is not None else f"the InferenceService {view.incoming} is gone"
    return _take_out(view, Outcome.ROLLED_BACK, "Unavailable", f"nothing of it was available for 60 s: {why}")


def check_analysis(view: View) -> Decision | None:
    """The analysis has failed."""
    rollout = view.rollout
    if rollout is None or view.contest is None:
        return None
    why = analysis.failed_run(view.subject.spec.rollout.analysis.metrics, rollout.analysis)
    return None if why is None else _take_out(view, Outcome.ROLLED_BACK, "AnalysisFailed", why)


def check_moved_back(view: View) -> Decision | None:
    """During the bake someone moves the champion, or the pin, back to the version that served before."""
    rollout, model = view.rollout, view.seen.registry.model
    if rollout is None or rollout.phase is not RolloutPhase.BAKING or rollout.previous is None or model is None:
        return None
    source, stable = view.subject.spec.model, view.status.stable
    named = source.version or versions.aliases_after(model, view.status.pending_registry_writes).get(
        source.stable_alias
    )
    if stable is None or named != rollout.previous.version or named == stable.version:
        return None
    return _take_out(view, Outcome.ABORTED, "MovedBack", f"a person moved back to version {named} during the bake")


def check_deadline(view: View) -> Decision | None:
    """No step has advanced for too long."""
    rollout, stable = view.rollout, view.status.stable
    if rollout is None or stable is None or view.subject.spec.suspend or view.in_phase(RolloutPhase.BAKING):
        return None
    limit = view.subject.spec.rollout.progress_deadline
    if view.now - instant(rollout.last_advance_time) <= timedelta(seconds=seconds(limit)):
        return None
    return _take_out(
        view, Outcome.ROLLED_BACK, "ProgressDeadlineExceeded", f"nothing advanced for {limit}: {_obstacle(view)}"
    )


def _obstacle(view: View) -> str:
    """Say what a rollout that does not advance waits for."""
    rollout = view.rollout
    if view.in_phase(RolloutPhase.PREPARING):
        arm = view.arm(view.incoming)
        if arm is None:
            return f"the arm {view.incoming} is not there"
        return arms.explain(arm) if not arm.rolled_out else f"the arm {arm.name} answered no prediction"
    if rollout is not None and rollout.step_start_time is None:
        return routes.explain(view.seen.route, view.gateway)
    lacking = analysis.lacking(view.subject.spec.rollout.analysis.metrics, rollout.analysis if rollout else ())
    return lacking or "the step did not end"
