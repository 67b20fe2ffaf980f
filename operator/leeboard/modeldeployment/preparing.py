"""Checks of a candidate before it gets traffic: its arm is made, rolled out, proven by one prediction. Pure."""

from leeboard.api.actions import PROMOTE
from leeboard.api.modeldeployment import Outcome, RolloutPhase
from leeboard.modeldeployment import actions, arms, provision, stepping, transitions
from leeboard.modeldeployment.stepping import waiting
from leeboard.modeldeployment.view import Decision, View

_PROOF_LOOK = 2.0
"""KServe calls an arm ready a second before its Service takes connections."""


def check_arm(view: View) -> Decision | None:
    """The candidate's arm is not there yet."""
    candidate = view.status.candidate
    if candidate is None or not view.in_phase(RolloutPhase.PREPARING):
        return None
    needed = provision.provide(view, candidate.version, candidate.arm)
    if needed.standing is None:
        return None
    if needed.failed and view.status.stable is not None:
        found = needed.job is None  # by a report, else its job could not do its work
        message = needed.standing.message
        return transitions.roll_back(view, Outcome.ROLLED_BACK, "DetectorFailed", message, reject=found)
    status = view.status.model_copy(update={"detector_job": needed.job})
    return Decision(status, needed.standing, steps=needed.steps, look=needed.look)


def check_proof(view: View) -> Decision | None:
    """The candidate's arm is there, but not rolled out, or has answered nothing yet."""
    arm = view.arm(view.incoming)
    if arm is None or not view.in_phase(RolloutPhase.PREPARING):
        return None
    if not arm.rolled_out:
        return waiting(view, "WaitingForArm", arms.explain(arm))
    if arm.name in view.status.proven_arms:
        return None
    return waiting(view, "ProvingArm", view.unproven(arm.name), _PROOF_LOOK)


def check_ready(view: View) -> Decision | None:
    """The candidate's arm may get traffic."""
    candidate, rollout, stable = view.status.candidate, view.rollout, view.status.stable
    if candidate is None or rollout is None or not view.in_phase(RolloutPhase.PREPARING):
        return None
    if stable is None or rollout.emergency_return:
        return transitions.promote(view, f"version {candidate.version} is ready and gets all traffic")
    if view.stable_lost:
        return transitions.promote(view, f"version {candidate.version} is ready, and version {stable.version} is lost")
    action = actions.asked(view.subject, view.status, PROMOTE, candidate.version)
    if action is not None and action.full:
        return stepping.promoted_by_hand(view, action)
    return stepping.enter(view, 0, 0)
