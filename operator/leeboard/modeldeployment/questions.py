"""What has to be asked of the neighbours before a decision can be made, worked out from what was seen so far. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from leeboard.contract.jobs import JobRequest
from leeboard.modeldeployment import comparison, detector, facts, queries, verification
from leeboard.modeldeployment.seen import Seen


@dataclass(frozen=True)
class Questions:
    """What has to be asked."""

    versions: tuple[str, ...] = ()
    """Versions whose arm has to be made: where do their files lie?"""
    requests: tuple[JobRequest, ...] = ()
    """Requests whose finished report is looked for."""
    proofs: Mapping[str, str] = field(default_factory=dict)
    """Version by arm that has to answer one real prediction."""
    measurements: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By metric: PromQL by the question's name."""


def wants_log(seen: Seen) -> bool:
    """Say whether it has to be known where the prediction log lies."""
    return comparison.is_due(facts.take_in(seen))


def ask(seen: Seen) -> Questions:
    """Return what has to be asked."""
    view = facts.take_in(seen)
    status = view.status
    served = [entry for entry in (status.stable, status.candidate) if entry is not None]
    missing = tuple(
        sorted({entry.version for entry in served if entry.arm not in seen.arms and _known(seen, entry.version)})
    )
    requests: list[JobRequest | None] = [detector.request(seen, version) for version in missing]
    requests += [verification.awaited(view), comparison.awaited(view)]
    unproven = {
        entry.arm: entry.version
        for entry in served
        if entry.arm not in status.proven_arms and (arm := view.arm(entry.arm)) is not None and arm.rolled_out
    }
    due, contest = view.measurement_time, view.contest
    measurements: dict[str, Mapping[str, str]] = {}
    if due is not None and contest is not None and due <= seen.now:
        measurements = {
            metric.name: queries.questions(seen.subject, metric, contest, seen.now)
            for metric in seen.subject.spec.rollout.analysis.metrics
        }
    return Questions(
        versions=missing,
        requests=tuple(request for request in requests if request is not None),
        proofs=unproven,
        measurements=measurements,
    )


def _known(seen: Seen, version: str) -> bool:
    return seen.registry.model is not None and version in seen.registry.model.versions
