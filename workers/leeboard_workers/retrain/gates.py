"""Decides whether a challenger may come in: pure, on metrics of both models on the same rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leeboard.api.training import Gate
from leeboard.contract.jobs import GateReport, GateVerdict
from leeboard_workers.retrain.answers import metric_named

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Evidence:
    """What both models are worth on the rows of a gate."""

    challenger: Mapping[str, float]
    champion: Mapping[str, float] | None
    """On the same rows; none: there is no champion to beat."""
    rows: int
    inconclusive: str = ""
    """Why the rows prove nothing; empty: they do."""
    where: str | None = None
    """Which rows; none: the holdout."""


def check_gates(gates: Sequence[Gate], evidence: Sequence[Evidence]) -> tuple[GateReport, ...]:
    """Hold the challenger against each gate.

    Args:
        gates: What must be proved.
        evidence: What was measured for each gate, in the same order.
    """
    return tuple(_check(gate, found) for gate, found in zip(gates, evidence, strict=True))


def passed(gates: Sequence[GateReport]) -> bool:
    """Whether every gate passed."""
    return all(gate.verdict is GateVerdict.PASSED for gate in gates)


def _check(gate: Gate, found: Evidence) -> GateReport:
    metric = metric_named(gate.metric)
    mine = found.challenger.get(gate.metric)
    theirs = None if found.champion is None else found.champion.get(gate.metric)
    where = found.where or "the holdout"

    def report(verdict: GateVerdict, message: str, bound: float | None = None) -> GateReport:
        return GateReport(
            name=gate.name,
            metric=gate.metric,
            verdict=verdict,
            challenger=mine,
            champion=theirs,
            bound=bound,
            message=message,
            rows=found.rows,
            where=found.where,
        )

    if found.inconclusive:
        return report(GateVerdict.INCONCLUSIVE, found.inconclusive)
    if mine is None:
        return report(GateVerdict.INCONCLUSIVE, f"{gate.metric} of the challenger is not defined on {where}")
    sign = 1 if metric.greater_is_better else -1
    if gate.min is not None:
        bound = gate.min
    elif found.champion is None:
        return report(GateVerdict.PASSED, "there is no champion to beat")
    elif theirs is None:
        return report(GateVerdict.INCONCLUSIVE, f"{gate.metric} of the champion is not defined on {where}")
    elif gate.min_gain_over_champion is not None:
        bound = theirs + sign * gate.min_gain_over_champion
    else:
        bound = theirs - sign * (gate.max_drop_from_champion or 0.0)
    good = sign * (mine - bound) >= -_ROUNDING
    relation = "at least" if metric.greater_is_better else "at most"
    message = f"{gate.metric} is {mine:.4g}, {relation} {bound:.4g} is asked for"
    if found.where is not None:
        message = f"{message}, on {found.where}"
    return report(GateVerdict.PASSED if good else GateVerdict.FAILED, message, bound)
