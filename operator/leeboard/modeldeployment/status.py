"""The whole status: who gets how much, what the conditions say, and what it is when a step has failed. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from leeboard.api.modeldeployment import RegistryWrite, RolloutPhase, TrafficStatus
from leeboard.control.afterwards import failed, registry_writes_pending
from leeboard.control.clock import iso
from leeboard.control.conditions import (
    READY,
    RECONCILING,
    STALLED,
    Finding,
    false,
    holds,
    merge,
    true,
)
from leeboard.control.steps import Apply, Outcomes, Plan, StepFailure, WriteRegistry
from leeboard.modeldeployment import arms, detector, route
from leeboard.modeldeployment.seen import Seen
from leeboard.modeldeployment.view import Standing, View

AVAILABLE = "Available"
ROUTE_READY = "RouteReady"
DETECTOR_READY = "DetectorReady"


def document(after: View, standing: Standing, writes: Sequence[RegistryWrite]) -> dict[str, Any]:
    """Return the status as it stands when every step has succeeded.

    Args:
        after: What was seen, and the status that was decided.
        standing: What Ready says.
        writes: Registry writes that are made in this pass.
    """
    metadata = after.subject.metadata
    said = [*_ready(standing), _available(after), _route_ready(after), *_detector_ready(after)]
    before = [
        condition.document()
        for condition in after.status.conditions
        if condition.type != DETECTOR_READY or after.subject.spec.out_of_distribution is not None
    ]
    whole = after.status.model_copy(
        update={
            "observed_generation": metadata.generation,
            "url": route.url(after.subject, after.seen.settings),
            "traffic": _traffic(after),
            "pending_registry_writes": [write for write in after.status.pending_registry_writes if write not in writes],
        }
    )
    return whole.document() | {"conditions": merge(before, said, metadata.generation, after.now)}


def _traffic(after: View) -> list[TrafficStatus]:
    if after.weights is None:
        return after.status.traffic
    stable, candidate = after.status.stable, after.status.candidate
    version = {entry.arm: entry.version for entry in (stable, candidate) if entry is not None}
    since = {entry.arm: entry.routed_since_time for entry in after.status.traffic}
    return [
        TrafficStatus(
            version=version[arm], arm=arm, percent=percent, routed_since_time=since.get(arm) or iso(after.now)
        )
        for arm, percent in after.weights.items()
    ]


def _ready(standing: Standing) -> list[Finding]:
    if standing.condition == READY:
        return [true(READY, standing.reason, standing.message)]
    return [
        false(READY, standing.reason, standing.message),
        true(standing.condition, standing.reason, standing.message),
    ]


def _available(after: View) -> Finding:
    stable = after.status.stable
    if stable is None:
        return false(AVAILABLE, "NoStableVersion", "no version serves yet")
    arm = after.arm(stable.arm)
    if arm is None:
        told = ", and the spec has changed since it was made" if after.stable_outdated else ""
        return false(AVAILABLE, "ArmMissing", f"the InferenceService {stable.arm} is not there{told}")
    if not arm.available:
        return false(AVAILABLE, "StableUnavailable", arms.explain(arm))
    if stable.arm not in after.status.proven_arms:
        return false(AVAILABLE, "StableNotProven", f"the arm {stable.arm} has not answered a real prediction yet")
    return true(AVAILABLE, "Answering", f"version {stable.version} answers by the arm {stable.arm}")


def _route_ready(after: View) -> Finding:
    if after.weights is None and after.seen.route is None:
        return false(ROUTE_READY, "NothingToRoute", "there is no route before an arm has proven itself")
    if after.routed:
        return true(ROUTE_READY, "Accepted", f"the Gateway {after.gateway} follows the HTTPRoute")
    return false(ROUTE_READY, "NotTakenUp", route.explain(after.seen.route, after.gateway))


def _detector_ready(after: View) -> list[Finding]:
    if after.subject.spec.out_of_distribution is None:
        return []
    prepared = after.status.candidate if after.in_phase(RolloutPhase.PREPARING) else after.status.stable
    if prepared is None:
        return [false(DETECTOR_READY, "NoVersion", "there is no version to fit a detector for")]
    arm = after.arm(prepared.arm)
    if arm is not None and arm.detector_uri:
        return [true(DETECTOR_READY, "Fitted", f"the detector lies at {arm.detector_uri}")]
    found = detector.provide(after.seen, after.status, prepared.version)
    said = true if found.need is detector.Need.READY else false
    return [said(DETECTOR_READY, found.need.value, found.message)]


def status_of(seen: Seen, plan: Plan, outcomes: Outcomes) -> dict[str, Any]:
    """Return the whole status after the steps.

    What was decided stands even when a step has failed: what is wanted follows from the status, so the next pass tries
    again. Only what the failed step would have brought about is taken back.
    """
    status = dict(plan.status)
    failure = outcomes.failure
    unwritten = (*_unreached(plan, failure), *outcomes.registry_failures)
    if unwritten:
        left = [write.document() for write in unwritten]
        status["pendingRegistryWrites"] = [*left, *status.get("pendingRegistryWrites", ())]
    if failure is not None and isinstance(failure.step, Apply):
        status["traffic"] = seen.subject.status.document().get("traffic", [])
    said = _trouble(status, failure, outcomes.registry_message if unwritten else "")
    if said:
        status["conditions"] = _replaced(seen, status["conditions"], said)
    return status


def _replaced(seen: Seen, decided: Sequence[Mapping[str, Any]], said: Sequence[Finding]) -> list[dict[str, Any]]:
    """Say something else than was decided, as if nothing else had been: times move only with what was there before."""
    others = [
        Finding(condition["type"], condition["status"], condition["reason"], condition["message"])
        for condition in decided
        if condition["type"] not in {READY, RECONCILING, STALLED}
    ]
    known = {finding.type for finding in (*others, *said)}
    before = [condition.document() for condition in seen.subject.status.conditions if condition.type in known]
    return merge(before, [*others, *said], seen.subject.metadata.generation, seen.now)


def _unreached(plan: Plan, failure: StepFailure | None) -> tuple[RegistryWrite, ...]:
    """Return the registry writes that the failure of an earlier step kept from being made."""
    if failure is None:
        return ()
    reached = plan.steps[: plan.steps.index(failure.step)]
    return tuple(
        write for step in plan.steps if isinstance(step, WriteRegistry) and step not in reached for write in step.writes
    )


def _trouble(status: dict[str, Any], failure: StepFailure | None, registry_message: str) -> tuple[Finding, ...]:
    if failure is not None:
        return failed(failure)
    if registry_message and holds(status["conditions"], READY):
        return registry_writes_pending(registry_message)
    return ()
