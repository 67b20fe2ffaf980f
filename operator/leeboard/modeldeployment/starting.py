"""Checks that begin: an arm for what serves, a version to bring in, another one instead, one to try again. Pure."""

from leeboard.api.actions import RETRY
from leeboard.api.modeldeployment import ModelDeploymentStatus, Outcome, RolloutStatus
from leeboard.control.clock import iso
from leeboard.control.conditions import RECONCILING
from leeboard.control.steps import EmitEvent
from leeboard.modeldeployment import actions, journal, provision, transitions
from leeboard.modeldeployment.transitions import AT_ONCE
from leeboard.modeldeployment.view import Decision, Standing, View


def check_retry(view: View) -> Decision | None:
    """A person asks to try a version again."""
    status = view.status
    action = actions.asked(view.subject, status, RETRY)
    if action is None:
        return None
    version, handled = action.version, actions.taken_up(status, RETRY, action)
    message = f"a person asks to try version {version} again"
    update: dict[str, object]
    if any(entry.version == version for entry in status.rejected_versions):
        kept = [entry for entry in status.rejected_versions if entry.version != version]
        update = {"rejected_versions": kept, "pending_registry_writes": journal.ask_again(view, version)}
    elif any(entry.version == version for entry in status.setbacks):
        update = {"setbacks": [entry for entry in status.setbacks if entry.version != version]}
    elif _has_failed_job(status) and version in _prepared(status):
        # Another number makes other names for the jobs.
        update = {"detector_job": None, "attempts": status.attempts + 1, "rollout": _anew(view)}
    else:
        return None
    return Decision(
        status.model_copy(update=update | {"handled_actions": handled}),
        Standing(RECONCILING, "Retrying", message),
        (EmitEvent("Normal", "Retrying", message),),
        look=AT_ONCE,
    )


def _has_failed_job(status: ModelDeploymentStatus) -> bool:
    jobs = (status.detector_job, status.rollout.job if status.rollout else None)
    return any(job is not None and job.failed for job in jobs)


def _prepared(status: ModelDeploymentStatus) -> set[str]:
    return {entry.version for entry in (status.candidate, status.stable) if entry is not None}


def _anew(view: View) -> RolloutStatus | None:
    if view.rollout is None:
        return None
    anew = {"attempt": view.status.attempts + 1, "job": None, "last_advance_time": iso(view.now)}
    return view.rollout.model_copy(update=anew)


def check_stable_arm(view: View) -> Decision | None:
    """The stable version's arm is not there: it is made, again after a loss."""
    stable = view.status.stable
    if view.stable_lost and (view.status.candidate is not None or view.wish is not None):
        return None  # it cannot be brought back, and another version, or the present spec, is to come in
    if view.stable_outdated and view.seen.registry.answers:
        return None  # the present spec was rejected, so nothing may be made by it
    needed = provision.provide(view, stable.version, stable.arm) if stable else None
    if needed is None or needed.standing is None:
        return None
    status = view.status.model_copy(update={"detector_job": needed.job})
    return Decision(status, needed.standing, steps=needed.steps, look=needed.look)


def check_superseded(view: View) -> Decision | None:
    """Another version is asked for than the one that comes in, or none any more."""
    candidate, rollout, wish = view.status.candidate, view.rollout, view.wish
    if candidate is None or rollout is None or not view.seen.registry.answers:
        return None
    if wish is None:
        message = f"nobody asks for version {candidate.version} any more"
        return transitions.roll_back(view, Outcome.ABORTED, "Withdrawn", message, reject=False)
    if (wish.version, wish.arm) != (candidate.version, candidate.arm):
        other = f"version {wish.version}" if wish.version != candidate.version else "another spec of the same version"
        return transitions.roll_back(
            view, Outcome.SUPERSEDED, "Superseded", f"{other} is asked for instead", reject=False
        )
    if wish.emergency_return and not rollout.emergency_return:
        status = view.status.model_copy(update={"rollout": rollout.model_copy(update={"emergency_return": True})})
        message = f"version {wish.version} was promoted before and is made the stable one by hand: it returns at once"
        return Decision(status, Standing(RECONCILING, "EmergencyReturn", message), look=AT_ONCE)
    return None


def check_start(view: View) -> Decision | None:
    """A version is to come in."""
    return transitions.start(view, view.wish) if view.rollout is None and view.wish is not None else None
