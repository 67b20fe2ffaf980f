"""Decides whether a deployed arm does what its version promises: pure, on metrics of the same rows for both."""

from collections.abc import Mapping, Sequence

from leeboard.api.verification import VerificationMetric
from leeboard.contract.examinations import VerifiedMetric
from leeboard.contract.jobs import GateVerdict
from leeboard_workers.retrain.answers import metric_named

_ROUNDING = 1e-12


def check_metrics(
    wanted: Sequence[VerificationMetric], candidate: Mapping[str, float], stable: Mapping[str, float] | None
) -> tuple[VerifiedMetric, ...]:
    """Hold the candidate against each metric.

    Args:
        wanted: What must be proved.
        candidate: Its metrics.
        stable: The stable version's on the same rows; None: there is none yet.
    """
    return tuple(_check(metric, candidate.get(metric.name), stable) for metric in wanted)


def _check(metric: VerificationMetric, mine: float | None, stable: Mapping[str, float] | None) -> VerifiedMetric:
    theirs = None if stable is None else stable.get(metric.name)

    def said(verdict: GateVerdict, message: str, bound: float | None = None) -> VerifiedMetric:
        return VerifiedMetric(
            name=metric.name, verdict=verdict, candidate=mine, stable=theirs, bound=bound, message=message
        )

    if mine is None:
        return said(GateVerdict.INCONCLUSIVE, f"{metric.name} is not defined for what the arm answers")
    if metric.max_drop_from_stable is not None and stable is not None and theirs is None:
        return said(GateVerdict.INCONCLUSIVE, f"{metric.name} is not defined for what the stable version answers")
    sign = 1 if metric_named(metric.name).greater_is_better else -1
    bounds = [] if metric.min is None else [(metric.min, "is asked for")]
    if metric.max_drop_from_stable is not None and theirs is not None:
        why = f"is what the stable version's {theirs:.4g} allows"
        bounds.append((theirs - sign * metric.max_drop_from_stable, why))
    if not bounds:
        return said(GateVerdict.PASSED, f"{metric.name} is {mine:.4g}; there is no stable version to compare with")
    bound, why = max(bounds, key=lambda entry: sign * entry[0])
    good = sign * (mine - bound) >= -_ROUNDING
    relation = "at least" if sign > 0 else "at most"
    message = f"{metric.name} is {mine:.4g}, {relation} {bound:.4g} {why}"
    return said(GateVerdict.PASSED if good else GateVerdict.FAILED, message, bound)
