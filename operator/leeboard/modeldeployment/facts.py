"""Takes what was seen into the status, before anything is decided: proofs, clocks, measurements. Pure."""

from leeboard.api.modeldeployment import (
    MetricStatus,
    ModelDeploymentStatus,
    RolloutPhase,
    Verdict,
)
from leeboard.control import conditions
from leeboard.control.clock import iso
from leeboard.control.steps import EmitEvent
from leeboard.modeldeployment import analysis, versions
from leeboard.modeldeployment.seen import Seen
from leeboard.modeldeployment.view import View

SUSPENDED = "Suspended"


def take_in(seen: Seen) -> View:
    """Return the view on which a decision is made."""
    status = seen.subject.status
    if status.stable is None and status.rollout is None:
        status = _recovered(seen, status)
    if seen.registry.answers and seen.registry.model is not None:
        rejected, setbacks = versions.note_absence(seen, status), versions.still_asked(seen, status)
        status = status.model_copy(update={"rejected_versions": rejected, "setbacks": setbacks})
    status = _job_seen(seen, _proven(seen, status))
    view = View(seen, _resumed(seen, status))
    for clock in (_availability, _step_clock, _measured):
        view = View(seen, clock(view))
    return view


def verdict_events(before: ModelDeploymentStatus, after: ModelDeploymentStatus) -> tuple[EmitEvent, ...]:
    """Return an Event for each metric of the analysis whose verdict changed within a step."""
    if before.rollout is None or after.rollout is None:
        return ()
    old = {metric.name: metric.verdict for metric in before.rollout.analysis}
    return tuple(
        _verdict_event(metric)
        for metric in after.rollout.analysis
        if old.get(metric.name, Verdict.SUCCESSFUL) is not metric.verdict
        and (metric.name in old or metric.verdict is Verdict.FAILED)
    )


def _verdict_event(metric: MetricStatus) -> EmitEvent:
    kind = "Warning" if metric.verdict in {Verdict.FAILED, Verdict.ERROR} else "Normal"
    return EmitEvent(kind, f"Analysis{metric.verdict.value}", f"{metric.name}: {metric.message}")


def _recovered(seen: Seen, status: ModelDeploymentStatus) -> ModelDeploymentStatus:
    stable = versions.recover_stable(seen) if seen.registry.answers else None
    if stable is None:
        return status
    known = {entry.version for entry in status.rejected_versions}
    found = [entry for entry in versions.recover_rejections(seen) if entry.version not in known]
    rejected = [*status.rejected_versions, *found][: versions.MAX_REJECTED]
    return status.model_copy(update={"stable": stable, "rejected_versions": rejected})


def _proven(seen: Seen, status: ModelDeploymentStatus) -> ModelDeploymentStatus:
    """Remember which arms have answered; forget those that are gone or strays."""
    standing = {name for name, arm in seen.arms.items() if arm.usable}
    fresh = {name for name, proof in seen.proofs.items() if not proof.complaint}
    previous = status.rollout.previous if status.rollout else None
    kept = {entry.arm for entry in (status.stable, status.candidate, previous, *status.retiring) if entry is not None}
    proven = sorted((set(status.proven_arms) | fresh) & standing & kept)
    stable = status.stable
    if stable is not None:
        since = None if stable.arm in proven else stable.unproven_since_time or iso(seen.now)
        stable = stable.model_copy(update={"unproven_since_time": since})
    return status.model_copy(update={"proven_arms": proven, "stable": stable})


def _job_seen(seen: Seen, status: ModelDeploymentStatus) -> ModelDeploymentStatus:
    there = {raw["metadata"]["name"] for raw in seen.jobs}
    update: dict[str, object] = {}
    if (job := status.detector_job) is not None and not job.observed and job.ray_job in there:
        update["detector_job"] = job.model_copy(update={"observed": True})
    rollout = status.rollout
    if rollout is not None and (job := rollout.job) is not None and not job.observed and job.ray_job in there:
        seen_job = job.model_copy(update={"observed": True})
        update["rollout"] = rollout.model_copy(update={"job": seen_job})
    return status.model_copy(update=update)


def _resumed(seen: Seen, status: ModelDeploymentStatus) -> ModelDeploymentStatus:
    """Let the progress deadline count anew after a suspension."""
    ready = conditions.find([condition.document() for condition in status.conditions], conditions.READY)
    was_suspended = ready is not None and ready["reason"] == SUSPENDED
    if status.rollout is None or seen.subject.spec.suspend or not was_suspended:
        return status
    return status.model_copy(update={"rollout": status.rollout.model_copy(update={"last_advance_time": iso(seen.now)})})


def _availability(view: View) -> ModelDeploymentStatus:
    """Note since when nothing of the arm that comes in is available, while it has weight."""
    rollout = view.rollout
    if rollout is None:
        return view.status
    arm = view.arm(view.incoming)
    if rollout.weight == 0 or (arm is not None and arm.available):
        since = None
    else:
        since = rollout.unavailable_since_time or iso(view.now)
    return view.status.model_copy(update={"rollout": rollout.model_copy(update={"unavailable_since_time": since})})


def _step_clock(view: View) -> ModelDeploymentStatus:
    """Start the step's clock when the route has taken up its weight."""
    rollout = view.rollout
    if rollout is None or rollout.phase is RolloutPhase.PREPARING or rollout.step_start_time or not view.routed:
        return view.status
    return view.status.model_copy(update={"rollout": rollout.model_copy(update={"step_start_time": iso(view.now)})})


def _measured(view: View) -> ModelDeploymentStatus:
    rollout, readings, end = view.rollout, view.seen.readings, view.hold_end
    if rollout is None or end is None or not readings:
        return view.status
    before = {metric.name: metric for metric in rollout.analysis}
    frozen = {entry.name: entry.value for entry in rollout.frozen_stable}
    baking = rollout.phase is RolloutPhase.BAKING
    found = {
        metric.name: analysis.assess(
            metric,
            readings[metric.name],
            before.get(metric.name),
            frozen if baking else {},
            last=view.now >= end,
        )
        for metric in view.subject.spec.rollout.analysis.metrics
        if metric.name in readings
    }
    changed = {
        "analysis": [assessment.status for assessment in found.values()],
        "last_measurement_time": iso(view.now),
    }
    if not baking:
        changed["frozen_stable"] = analysis.frozen(found)
    return view.status.model_copy(update={"rollout": rollout.model_copy(update=changed)})
