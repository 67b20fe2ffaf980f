"""What a rollout can turn into: started, rolled back, promoted, given back, finished. Pure.

    start → Preparing → Stages → Promoting → Baking → finish
               │           │         │          │
               └─ roll_back ┘        └ give_back ┘      (weight first, then the reason, then the registry)

Writes to the registry stand in status before they are made: whoever is killed in between makes them later.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from leeboard.api.base import seconds
from leeboard.api.modeldeployment import (
    CandidateStatus,
    FinishedRollout,
    ModelDeploymentStatus,
    Outcome,
    RegistryWrite,
    RejectedVersion,
    Retiring,
    RolloutPhase,
    RolloutStatus,
    StableStatus,
)
from leeboard.contract import tags
from leeboard.control.clock import iso
from leeboard.control.conditions import RECONCILING, cut
from leeboard.control.steps import EmitEvent
from leeboard.modeldeployment import actions, versions
from leeboard.modeldeployment.versions import Wish
from leeboard.modeldeployment.view import Decision, Standing, View

AT_ONCE = 0.0
DRAIN = timedelta(seconds=30)
"""So long an arm without weight ends the requests that it has."""

_MAX_HISTORY = 10
_MAX_RETIRING = 8
_MAX_PENDING = 20
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
    model = view.seen.registry.model
    tag = _rejected_tag(view)
    tagged = model is not None and wish.version in model.versions and tag in model.versions[wish.version].tags
    writes = [RegistryWrite(tag=tag, version=wish.version)] if tagged else []
    message = f"version {wish.version} comes in by the arm {wish.arm}"
    return Decision(
        status.model_copy(
            update={
                "attempts": attempt,
                "rollout": rollout,
                "candidate": CandidateStatus(version=wish.version, arm=wish.arm),
                "handled_actions": actions.standing(view.subject),
                "rejected_versions": [entry for entry in status.rejected_versions if entry.version != wish.version],
                "pending_registry_writes": _queued(status.pending_registry_writes, writes),
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
        reject: Whether the version is not to be tried again unless asked.
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
    ending = _ending(view, candidate.version, outcome, reason, message, run_id=run_id)
    return _ended(status.model_copy(update=update), ending)


def promote(view: View, message: str) -> Decision:
    """Make the candidate the stable version: all traffic, then the registry."""
    status, candidate, rollout = view.status, view.status.candidate, view.rollout
    if candidate is None or rollout is None:
        raise ValueError("there is no candidate to promote")
    before = status.stable
    update: dict[str, object] = {
        "stable": StableStatus(version=candidate.version, arm=candidate.arm, since_time=iso(view.now)),
        "candidate": None,
        "detector_job": None,
        "pending_registry_writes": _queued(
            status.pending_registry_writes, _promotion(view, candidate.version, before.version if before else None)
        ),
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


def give_back(view: View, outcome: Outcome, reason: str, message: str) -> Decision:
    """Put traffic and champion back to the version that served before."""
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
    } | _rejected(view, candidate, stable, reason, message)
    return _ended(status.model_copy(update=update), _ending(view, failed.version, outcome, reason, message))


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
    view: View, version: str, outcome: Outcome, reason: str, message: str, *, run_id: str = ""
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
    )


def _ended(status: ModelDeploymentStatus, ended: FinishedRollout) -> Decision:
    good = ended.outcome in {Outcome.PROMOTED, Outcome.SUPERSEDED}
    said = f"version {ended.version}: {ended.message}"
    return Decision(
        status.model_copy(update={"last_rollout": ended, "history": [ended, *status.history][:_MAX_HISTORY]}),
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
    writes = [] if same else _rejection(view, candidate.version, stable, f"{reason}: {message}"[:_MAX_TAG])
    return {
        "rejected_versions": [*others, entry][-versions.MAX_REJECTED :],
        "pending_registry_writes": _queued(status.pending_registry_writes, writes),
    }


def _rejection(view: View, version: str, stable: StableStatus | None, why: str) -> list[RegistryWrite]:
    source, metadata = view.subject.spec.model, view.subject.metadata
    writes = [
        RegistryWrite(tag=_rejected_tag(view), tag_value=why, version=version),
        RegistryWrite(tag=tags.promoted(metadata.namespace, metadata.name), version=version),
    ]
    if source.version is None:
        writes.append(RegistryWrite(delete_alias=source.challenger_alias, version=version))
        if stable is not None and _is_champion(view, version):
            writes.append(RegistryWrite(set_alias=source.stable_alias, version=stable.version))
    return writes


def _is_champion(view: View, version: str) -> bool:
    model, alias = view.seen.registry.model, view.subject.spec.model.stable_alias
    if model is None:  # the registry does not answer: only our own promotion has made it the champion
        return view.in_phase(RolloutPhase.PROMOTING, RolloutPhase.BAKING)
    return versions.aliases_after(model, view.status.pending_registry_writes).get(alias) == version


def _promotion(view: View, version: str, before: str | None) -> list[RegistryWrite]:
    if version == before:
        return []
    source, metadata = view.subject.spec.model, view.subject.metadata
    tag = RegistryWrite(tag=tags.promoted(metadata.namespace, metadata.name), tag_value=iso(view.now), version=version)
    if source.version is not None:
        return [tag]
    return [
        RegistryWrite(set_alias=source.stable_alias, version=version),
        RegistryWrite(delete_alias=source.challenger_alias, version=version),
        tag,
    ]


def _rejected_tag(view: View) -> str:
    return tags.rejected(view.subject.metadata.namespace, view.subject.metadata.name)


def _queued(pending: Sequence[RegistryWrite], fresh: Sequence[RegistryWrite]) -> list[RegistryWrite]:
    """Put writes at the end of those that wait, instead of older ones that they contradict."""
    kept = [old for old in pending if not any(_contradicts(new, old) for new in fresh)]
    return [*kept, *fresh][-_MAX_PENDING:]


def _contradicts(new: RegistryWrite, old: RegistryWrite) -> bool:
    if new.tag is not None:
        return (new.tag, new.version) == (old.tag, old.version)
    if new.set_alias is not None:
        return new.set_alias == old.set_alias
    return (new.delete_alias, new.version) == (old.delete_alias, old.version)


def ask_again(view: View, version: str) -> list[RegistryWrite]:
    """Return the pending writes with the challenger alias set to a version that a person wants tried again."""
    source, pending = view.subject.spec.model, view.status.pending_registry_writes
    if source.version is not None or (view.status.stable is not None and view.status.stable.version == version):
        return list(pending)
    withdrawn = [
        write for write in pending if (write.delete_alias, write.version) != (source.challenger_alias, version)
    ]
    return _queued(withdrawn, [RegistryWrite(set_alias=source.challenger_alias, version=version)])
