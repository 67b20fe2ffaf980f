"""Checks that carry a candidate through the stages, step by step, each held while the analysis looks. Pure."""

from leeboard.api.actions import PROMOTE, Action
from leeboard.api.modeldeployment import RolloutPhase
from leeboard.api.rollout import Approval
from leeboard.control.clock import instant, iso
from leeboard.control.conditions import RECONCILING
from leeboard.control.steps import EmitEvent
from leeboard.modeldeployment import actions, analysis, route, stages, transitions
from leeboard.modeldeployment.transitions import AT_ONCE
from leeboard.modeldeployment.view import Decision, Standing, View

_LOOK = 10.0


def waiting(view: View, reason: str, message: str, look: float | None = _LOOK) -> Decision:
    """Say what a rollout waits for; the status stays."""
    return Decision(view.status, Standing(RECONCILING, reason, message), look=look)


def check_stages(view: View) -> Decision | None:
    """The stages were changed, so the rollout restarts at the first; or there are none for an emergency return."""
    rollout = view.rollout
    if rollout is None or rollout.phase is not RolloutPhase.STAGES:
        return None
    if rollout.emergency_return:
        return transitions.promote(view, "the version returns, past the remaining stages")
    if view.stable_lost and view.weights is None and view.incoming in view.status.proven_arms:
        return transitions.promote(view, "nothing of the stable version answers any more, so no stage can be walked")
    return enter(view, 0, 0) if view.stage is None or rollout.hash != view.stages_hash else None


def check_promoted(view: View) -> Decision | None:
    """A person advances the step, or skips the remaining stages."""
    candidate = view.status.candidate
    if candidate is None or not view.in_phase(RolloutPhase.STAGES):
        return None
    action = actions.asked(view.subject, view.status, PROMOTE, candidate.version)
    if action is None:
        return None
    return promoted_by_hand(view, action) if action.full else _advance(_after(view, action))


def check_held(view: View) -> Decision | None:
    """The step is held until its time is over and every metric is good."""
    candidate, rollout, stage, end = view.status.candidate, view.rollout, view.stage, view.hold_end
    if candidate is None or rollout is None or stage is None or rollout.step is None:
        return None
    where = f"version {candidate.version}, stage {rollout.stage}, {stage.describe(rollout.step)}"
    if end is None:
        return waiting(view, stage.reason, f"{where}: {route.explain(view.seen.route, view.gateway)}")
    if view.now < end:
        return waiting(view, stage.reason, f"{where}, until {iso(end)}", (end - view.now).total_seconds())
    lacking = "nothing of it is available" if rollout.unavailable_since_time is not None else _lacking(view)
    if lacking is not None:
        return waiting(view, stage.reason, f"{where}: {lacking}", None)
    return None


def check_approval(view: View) -> Decision | None:
    """A person has the last word after the last stage."""
    candidate, rollout = view.status.candidate, view.rollout
    if candidate is None or rollout is None or view.stage is None or not view.in_phase(RolloutPhase.STAGES):
        return None
    if view.subject.spec.rollout.approval is not Approval.MANUAL or _following(view) is not None:
        return None
    since = rollout.approval_wanted_time or iso(view.now)
    reports = [
        f"{what} {found.report_uri}"
        for what, found in (("verification", rollout.verification), ("comparison", rollout.comparison))
        if found is not None
    ]
    look = f"look at {' and '.join(reports)}, then " if reports else ""
    name = view.subject.metadata.name
    message = (
        f"version {candidate.version} has passed all stages and waits for approval since {since}: {look}run "
        f"`leeboard promote {name}` or `leeboard abort {name}`"
    )
    status = view.status.model_copy(update={"rollout": rollout.model_copy(update={"approval_wanted_time": since})})
    asked = (EmitEvent("Normal", "ApprovalWanted", message),) if rollout.approval_wanted_time is None else ()
    return Decision(status, Standing(RECONCILING, "WaitingForApproval", message), asked)


def check_passed(view: View) -> Decision | None:
    """Nothing is lacking any more, so the rollout goes on."""
    return _advance(view) if view.in_phase(RolloutPhase.STAGES) and view.stage is not None else None


def _lacking(view: View) -> str | None:
    """Return what the analysis lacks before the step may end; the last measurement comes when the hold is over."""
    rollout, end = view.rollout, view.hold_end
    wanted = view.subject.spec.rollout.analysis.metrics
    if rollout is None or end is None or not wanted:
        return None
    if rollout.last_measurement_time is None or instant(rollout.last_measurement_time) < end:
        return "the last measurement of the step is due"
    return analysis.lacking(wanted, rollout.analysis)


def _after(view: View, action: Action) -> View:
    """Return the view with the promotion taken up."""
    handled = actions.taken_up(view.status, PROMOTE, action)
    return View(view.seen, view.status.model_copy(update={"handled_actions": handled}))


def _advance(view: View) -> Decision:
    """Go on to the next step, or stage, or to promotion."""
    candidate, following = view.status.candidate, _following(view)
    if candidate is None:
        raise ValueError("there is no candidate that could advance")
    if following is not None:
        return enter(view, *following)
    return transitions.promote(view, f"version {candidate.version} has passed all stages")


def _following(view: View) -> tuple[int, int] | None:
    """Return the position of the next step's stage, and the step; None: there is none."""
    rollout, stage = view.rollout, view.stage
    if rollout is None or stage is None or rollout.step is None:
        raise ValueError("there is no step to advance from")
    position = [entry.name for entry in view.subject.spec.rollout.stages].index(rollout.stage or "")
    if rollout.step + 1 < stage.steps:
        return position, rollout.step + 1
    return (position + 1, 0) if position + 1 < len(view.subject.spec.rollout.stages) else None


def promoted_by_hand(view: View, action: Action) -> Decision:
    """Promote at once because a person says so."""
    message = f"a person promotes version {action.version}, past the remaining stages"
    return transitions.promote(_after(view, action), message)


def enter(view: View, position: int, step: int) -> Decision:
    """Begin a step of a stage; its clock starts when the route has taken up the weight."""
    rollout, candidate = view.rollout, view.status.candidate
    if rollout is None or candidate is None:
        raise ValueError("there is no rollout that could enter a stage")
    stage = view.subject.spec.rollout.stages[position]
    behaviour = stages.of(stage)
    changed = rollout.model_copy(
        update={
            "phase": RolloutPhase.STAGES,
            "hash": view.stages_hash,
            "stage": stage.name,
            "step": step,
            "step_start_time": None,
            "last_advance_time": iso(view.now),
            "weight": behaviour.weight(step),
            "analysis": [],
            "last_measurement_time": None,
            "job": None,
            "comparisons": 0,
            "approval_wanted_time": None,
        }
        | ({"comparison": None} if behaviour.shadow is not None else {})
    )
    message = f"version {candidate.version}, stage {stage.name}, {behaviour.describe(step)}"
    return Decision(
        view.status.model_copy(update={"rollout": changed}),
        Standing(RECONCILING, behaviour.reason, message),
        (EmitEvent("Normal", "StepStarted", message),),
        look=AT_ONCE,
    )
