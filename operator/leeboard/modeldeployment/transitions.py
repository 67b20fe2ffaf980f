"""What a rollout can turn into: started, rolled back, promoted, given back, finished. Pure.

    start → Preparing → Stages → Promoting → Baking → finish
               │           │         │          │
               └─ roll_back ┘        └ give_back ┘      (weight first, then the reason, then the registry)

Writes to the registry stand in status before they are made: whoever is killed in between makes them later.
"""

from datetime import datetime, timedelta

from leeboard.api.base import seconds
from leeboard.api.modeldeployment import (
    CandidateStatus,
    FinishedRollout,
    ModelDeploymentStatus,
    Outcome,
    RejectedVersion,
    Retiring,
    RolloutPhase,
    RolloutStatus,
    StableStatus,
)
from leeboard.control.clock import iso
from leeboard.control.conditions import RECONCILING, cut
from leeboard.control.steps import EmitEvent
from leeboard.modeldeployment import actions, journal, versions
from leeboard.modeldeployment.versions import Wish
from leeboard.modeldeployment.view import Decision, Standing, View

AT_ONCE = 0.0
DRAIN = timedelta(seconds=30)
"""So long an arm without weight ends the requests that it has."""

_MAX_HISTORY = 10
_MAX_RETIRING = 8
_MAX_TAG = 500


def start(view: View, wish: Wish) -> Decision:
    """Begin to bring a version in."""
    status, attempt = view.status, view.status.attempts + 1
    rollout = RolloutStatus(
        attempt=attempt,
        phase=RolloutPhase.PREPARING,
        hash=view.stages_hash,
        start_time=iso(view.now),
        last_advance_time=iso(view.now),
        emergency_return=wish.emergency_return,
    )
    writes = journal.acquittal(view, wish.version)
    message = f"version {wish.version} comes in by the arm {wish.arm}"
    return Decision(
        status.model_copy(
            update={
                "attempts": attempt,
                "rollout": rollout,
                "candidate": CandidateStatus(version=wish.version, arm=wish.arm),
                "handled_actions": actions.standing(view.subject),
                "rejected_versions": [entry for entry in status.rejected_versions if entry.version != wish.version],
                "pending_registry_writes": journal.queued(status.pending_registry_writes, writes),
                "setbacks": [
                    entry.model_copy(update={"retry_time": None}) if entry.arm == wish.arm else entry
                    for entry in status.setbacks
                ],
                "retiring": [entry for entry in status.retiring if entry.arm != wish.arm],
                "detector_job": None,
            }
        ),
        Standing(RECONCILING, "Preparing", message),
        (EmitEvent("Normal", "RolloutStarted", message),),
        look=AT_ONCE,
    )


def roll_back(
    view: View, outcome: Outcome, reason: str, message: str, *, reject: bool = True, run_id: str = ""
) -> Decision:
    """Take a candidate that was not promoted out of the route, and say why.

    Args:
        view: The view.
        outcome: RolledBack, Aborted or Superseded.
        reason: CamelCase reason.
        message: Why, in a sentence.
        reject: Whether this speaks against the version: it is not tried again unless asked. A version that was rolled
            back for other reasons is tried again later; one that nobody asks for is not.
        run_id: MLflow run that shows why; empty: none does.
    """
    status, candidate = view.status, view.status.candidate
    if candidate is None:
        raise ValueError("there is no candidate to roll back")
    served = any(entry.arm == candidate.arm and entry.percent > 0 for entry in status.traffic)
    retired = _retired(status, candidate, view.now + DRAIN, served=served)
    update: dict[str, object] = {"candidate": None, "rollout": None, "detector_job": None, "retiring": retired}
    if reject:
        update |= _rejected(view, candidate, status.stable, reason, message)
    elif outcome is Outcome.ROLLED_BACK:
        update |= {"setbacks": versions.set_back(status, candidate.version, candidate.arm, reason, view.now)}
    ending = _ending(view, candidate.version, outcome, reason, message, run_id=run_id, rejected=reject)
    return _ended(status.model_copy(update=update), ending)


def promote(view: View, message: str) -> Decision:
    """Make the candidate the stable version: all traffic, then the registry."""
    status, candidate, rollout = view.status, view.status.candidate, view.rollout
    if candidate is None or rollout is None:
        raise ValueError("there is no candidate to promote")
    before = status.stable
    writes = journal.promotion(view, candidate.version, before.version if before else None)
    update: dict[str, object] = {
        "stable": StableStatus(version=candidate.version, arm=candidate.arm, since_time=iso(view.now)),
        "candidate": None,
        "detector_job": None,
        "pending_registry_writes": journal.queued(status.pending_registry_writes, writes),
    }
    if before is None:
        update |= {"rollout": None}
        why = f"version {candidate.version} is the first that serves"
        ending = _ending(view, candidate.version, Outcome.PROMOTED, "FirstDeployment", why)
        return _ended(status.model_copy(update=update), ending)
    update["rollout"] = rollout.model_copy(
        update={
            "phase": RolloutPhase.PROMOTING,
            "stage": None,
            "step": None,
            "step_start_time": None,
            "job": None,
            "approval_wanted_time": None,
            "last_advance_time": iso(view.now),
            "weight": 100,
            "analysis": [],
            "last_measurement_time": None,
            "previous": CandidateStatus(version=before.version, arm=before.arm),
        }
    )
    return Decision(
        status.model_copy(update=update),
        Standing(RECONCILING, "Promoting", f"version {candidate.version} gets all traffic"),
        (EmitEvent("Normal", "Promoted", message),),
        look=AT_ONCE,
    )


def give_back(view: View, outcome: Outcome, reason: str, message: str, *, reject: bool = True) -> Decision:
    """Put traffic and champion back to the version that served before.

    Args:
        view: The view.
        outcome: RolledBack or Aborted.
        reason: CamelCase reason.
        message: Why, in a sentence.
        reject: Whether this speaks against the version: else it is the challenger again, and is tried again later.
    """
    status, rollout, failed = view.status, view.rollout, view.status.stable
    if rollout is None or rollout.previous is None or failed is None:
        raise ValueError("there is no version to give back to")
    previous = rollout.previous
    stable = StableStatus(version=previous.version, arm=previous.arm, since_time=iso(view.now))
    candidate = CandidateStatus(version=failed.version, arm=failed.arm)
    update: dict[str, object] = {
        "stable": stable,
        "rollout": None,
        "detector_job": None,
        "retiring": _retired(status, candidate, view.now + DRAIN),
    }
    if reject:
        update |= _rejected(view, candidate, stable, reason, message)
    else:
        update |= _returned(view, candidate, stable, reason)
    ending = _ending(view, failed.version, outcome, reason, message, rejected=reject)
    return _ended(status.model_copy(update=update), ending)


def finish(view: View, reason: str, message: str) -> Decision:
    """End a rollout well: the old arm goes after its delay."""
    status, rollout, stable = view.status, view.rollout, view.status.stable
    if rollout is None or stable is None:
        raise ValueError("there is no rollout to finish")
    delay = timedelta(seconds=seconds(view.subject.spec.rollout.scale_down_delay))
    retired = _retired(status, rollout.previous, view.now + delay) if rollout.previous else status.retiring
    decided = status.model_copy(update={"rollout": None, "retiring": retired})
    return _ended(decided, _ending(view, stable.version, Outcome.PROMOTED, reason, message))


def _ending(
    view: View,
    version: str,
    outcome: Outcome,
    reason: str,
    message: str,
    *,
    run_id: str = "",
    rejected: bool = False,
) -> FinishedRollout:
    rollout = view.rollout
    examined = (rollout.comparison, rollout.verification) if rollout is not None else ()
    return FinishedRollout(
        version=version,
        outcome=outcome,
        reason=reason,
        message=cut(message),
        finished_time=iso(view.now),
        run_ids=[run for run in (run_id, *(found.run_id for found in examined if found is not None)) if run],
        rejected=rejected,
    )


def _ended(status: ModelDeploymentStatus, ended: FinishedRollout) -> Decision:
    good = ended.outcome in {Outcome.PROMOTED, Outcome.SUPERSEDED}
    said = f"version {ended.version}: {ended.message}"
    changed: dict[str, object] = {"last_rollout": ended, "history": [ended, *status.history][:_MAX_HISTORY]}
    if ended.rejected or ended.outcome is Outcome.PROMOTED:
        changed["setbacks"] = [entry for entry in status.setbacks if entry.version != ended.version]
    return Decision(
        status.model_copy(update=changed),
        Standing(RECONCILING, ended.reason, said),
        (EmitEvent("Normal" if good else "Warning", f"Rollout{ended.outcome.value}", said),),
        look=AT_ONCE,
    )


def _retired(
    status: ModelDeploymentStatus, arm: CandidateStatus, when: datetime, *, served: bool = True
) -> list[Retiring]:
    others = [entry for entry in status.retiring if entry.arm != arm.arm]
    return [*others, Retiring(version=arm.version, arm=arm.arm, delete_time=iso(when), served=served)][-_MAX_RETIRING:]


def _rejected(
    view: View, candidate: CandidateStatus, stable: StableStatus | None, reason: str, message: str
) -> dict[str, object]:
    """Remember the rejection in status and, when it is about the version and not only its arm, in the registry."""
    status = view.status
    same = stable is not None and stable.version == candidate.version
    entry = RejectedVersion(version=candidate.version, reason=reason, arm=candidate.arm if same else None)
    others = [other for other in status.rejected_versions if other.version != candidate.version]
    writes = [] if same else journal.rejection(view, candidate.version, stable, f"{reason}: {message}"[:_MAX_TAG])
    return {
        "rejected_versions": [*others, entry][-versions.MAX_REJECTED :],
        "pending_registry_writes": journal.queued(status.pending_registry_writes, writes),
    }


def _returned(view: View, candidate: CandidateStatus, stable: StableStatus, reason: str) -> dict[str, object]:
    """Remember that a promoted version is tried again, and make it the challenger that it was."""
    status, version = view.status, candidate.version
    update: dict[str, object] = {"setbacks": versions.set_back(status, version, candidate.arm, reason, view.now)}
    if stable.version != version:
        before = View(view.seen, status.model_copy(update={"stable": stable}))
        asked = journal.ask_again(before, version)
        update["pending_registry_writes"] = journal.queued(asked, journal.return_of_champion(view, version, stable))
    return update
