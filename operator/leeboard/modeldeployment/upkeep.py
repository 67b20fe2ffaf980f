"""What follows from the status, whatever was decided: route, registry writes, sizes, old arms, the next look. Pure."""

from collections.abc import Sequence
from datetime import timedelta

from leeboard.api.base import seconds
from leeboard.api.modeldeployment import CandidateStatus, ModelDeploymentStatus, RegistryWrite, Retiring, StableStatus
from leeboard.control import attempts, children
from leeboard.control.clock import instant, iso
from leeboard.control.steps import Adjust, Apply, Delete, Look, Step, WriteRegistry
from leeboard.modeldeployment import manifests, route, versions
from leeboard.modeldeployment.health import UNAVAILABLE
from leeboard.modeldeployment.transitions import AT_ONCE, DRAIN
from leeboard.modeldeployment.view import Decision, View

_MAX_RETIRING = 8


def tidied(view: View, status: ModelDeploymentStatus) -> ModelDeploymentStatus:
    """Forget old arms that are gone, and let those go that nothing in the status speaks of."""
    arms = view.seen.arms
    retiring = [entry for entry in status.retiring if entry.arm in arms]
    if status.stable is None:  # perhaps only because the status was lost and the registry does not answer
        return status.model_copy(update={"retiring": retiring})
    kept = {entry.arm for entry in _kept(status)}
    known = kept | {entry.arm for entry in retiring}
    strays = [
        Retiring(version=arm.version, arm=arm.name, delete_time=iso(view.now + DRAIN))
        for arm in arms.values()
        if arm.usable and arm.version and arm.name not in known
    ]
    retiring = [entry for entry in retiring if entry.arm not in kept]
    return status.model_copy(update={"retiring": [*retiring, *strays][:_MAX_RETIRING]})


def _kept(status: ModelDeploymentStatus) -> list[StableStatus | CandidateStatus]:
    previous = status.rollout.previous if status.rollout else None
    return [entry for entry in (status.stable, status.candidate, previous) if entry is not None]


def route_steps(after: View) -> tuple[Step, ...]:
    """Return the apply of the route, when it differs."""
    wanted, now = after.wanted_route, after.seen.route
    if wanted is None or (now is not None and now.ours and not now.deleting and now.shape == route.shape(wanted)):
        return ()
    return (Apply(wanted),)


def due_writes(after: View) -> tuple[RegistryWrite, ...]:
    """Return the registry writes to make now: those that stood in status before this pass, so none is ever lost."""
    if not after.seen.registry.answers:
        return ()
    journal = after.subject.status.pending_registry_writes
    return tuple(write for write in after.status.pending_registry_writes if write in journal)


def registry_steps(after: View, writes: tuple[RegistryWrite, ...]) -> tuple[Step, ...]:
    """Return the step that makes the writes."""
    return (WriteRegistry(after.subject.spec.model.name, writes),) if writes else ()


def adjust_steps(after: View) -> tuple[Step, ...]:
    """Return what of the arms changes in place: their size, and labels that somebody took away."""
    wanted = manifests.replica_range(after.subject)
    steps = []
    for entry in _kept(after.status):
        arm = after.arm(entry.arm)
        labels = children.labels(after.subject.metadata.name, {children.LABEL_VERSION: entry.version})
        if arm is not None and (
            (arm.min_replicas, arm.max_replicas) != wanted or not labels.items() <= arm.labels.items()
        ):
            steps.append(Adjust(arm.name, *wanted, labels))
    return tuple(steps)


def delete_steps(after: View) -> tuple[Step, ...]:
    """Return the deletions of arms whose time has come and which get no traffic, and of surplus jobs."""
    mentioned = after.seen.route.mentioned if after.seen.route is not None else frozenset()
    arms = [
        Delete("InferenceService", arm.name, arm.uid)
        for entry in after.status.retiring
        if instant(entry.delete_time) <= after.now
        and (arm := after.arm(entry.arm)) is not None
        and arm.name not in mentioned
    ]
    jobs = (after.status.detector_job, after.rollout.job if after.rollout else None)
    return (*arms, *attempts.surplus(after.seen.jobs, {job.ray_job for job in jobs if job is not None}))


def look(after: View, decision: Decision, writes: Sequence[RegistryWrite]) -> Look:
    """Return when to look again, if nothing happens before."""
    status, rollout = after.status, after.rollout
    if len(status.pending_registry_writes) > len(writes) and after.seen.registry.answers:
        return Look(AT_ONCE)
    times = [after.measurement_time, after.lost_time if rollout is not None or after.wish else None] + [
        instant(entry.delete_time) for entry in status.retiring if (arm := after.arm(entry.arm)) and not arm.deleting
    ]
    if rollout is not None and rollout.unavailable_since_time is not None:
        times.append(instant(rollout.unavailable_since_time) + UNAVAILABLE)
    if rollout is not None and status.stable is not None and rollout.approval_wanted_time is None:
        limit = timedelta(seconds=seconds(after.subject.spec.rollout.progress_deadline) + 1)
        times.append(instant(rollout.last_advance_time) + limit)
    times += [instant(entry.retry_time or "") for entry in status.setbacks if versions.waits(entry, after.now)]
    waits = [(time - after.now).total_seconds() for time in times if time is not None]
    # What lies in the past waits for something that brings a pass itself, such as the gateway.
    waits = [max(wait, 1.0) for wait in waits]
    if decision.look is not None:
        waits.append(decision.look)
    if after.subject.spec.model.version is None:
        waits.append(after.seen.settings.registry_poll_seconds)
    return Look(min(waits)) if waits else Look.never()
