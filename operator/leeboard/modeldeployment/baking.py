"""Checks after promotion: the route takes it up, the old version waits at the ready until the bake is over. Pure."""

from leeboard.api.actions import PROMOTE
from leeboard.api.modeldeployment import RolloutPhase, RolloutStatus, Verdict
from leeboard.control.clock import instant, iso
from leeboard.control.conditions import RECONCILING
from leeboard.modeldeployment import actions, route, transitions
from leeboard.modeldeployment.stepping import waiting
from leeboard.modeldeployment.transitions import AT_ONCE
from leeboard.modeldeployment.view import Decision, Standing, View


def check_promoting(view: View) -> Decision | None:
    """The route takes up that the new stable version gets everything."""
    rollout, stable = view.rollout, view.status.stable
    if rollout is None or stable is None or rollout.phase is not RolloutPhase.PROMOTING:
        return None
    if rollout.step_start_time is None:
        why = route.explain(view.seen.route, view.gateway)
        return waiting(view, "Promoting", f"version {stable.version} gets all traffic: {why}")
    if rollout.emergency_return:
        return transitions.finish(view, "EmergencyReturn", f"version {stable.version} serves again")
    baking = rollout.model_copy(update={"phase": RolloutPhase.BAKING, "last_advance_time": iso(view.now)})
    message = f"version {stable.version} has all traffic and bakes"
    status = view.status.model_copy(update={"rollout": baking})
    return Decision(status, Standing(RECONCILING, "Baking", message), look=AT_ONCE)


def check_baking(view: View) -> Decision | None:
    """The old version waits at the ready, until the bake is over."""
    rollout, stable, end = view.rollout, view.status.stable, view.hold_end
    if rollout is None or stable is None or end is None or rollout.phase is not RolloutPhase.BAKING:
        return None
    action = actions.asked(view.subject, view.status, PROMOTE, stable.version)
    if action is not None:
        handled = actions.taken_up(view.status, PROMOTE, action)
        view = View(view.seen, view.status.model_copy(update={"handled_actions": handled}))
        return transitions.finish(view, "BakeEndedByHand", "a person ended the bake")
    if view.now < end:
        message = f"version {stable.version} has all traffic; the one before waits until {iso(end)}"
        return waiting(view, "Baking", message, (end - view.now).total_seconds())
    last = rollout.last_measurement_time
    measured = last is not None and instant(last) >= end
    if view.measurement_time is not None and not measured:
        return waiting(view, "Baking", "the last measurement of the bake is due", None)
    told = " and the bake" if _was_measured(rollout) else "; the bake is over, but was not measured"
    return transitions.finish(view, "Baked", f"version {stable.version} passed all stages{told}")


def _was_measured(rollout: RolloutStatus) -> bool:
    """Say whether a metric could be judged; the last measurement stands for all, as each covers the whole bake."""
    judged = {Verdict.SUCCESSFUL, Verdict.FAILED}
    return not rollout.analysis or any(metric.verdict in judged for metric in rollout.analysis)
