"""Decides whether a challenger may come in: pure, on metrics of both models on the same rows."""

from collections.abc import Mapping, Sequence

from leeboard.api.training import Gate
from leeboard.contract.jobs import GateReport, GateVerdict
from leeboard_workers.retrain.metrics import metric_named

_ROUNDING = 1e-12


def check_gates(
    gates: Sequence[Gate],
    challenger: Mapping[str, float],
    champion: Mapping[str, float] | None,
    *,
    inconclusive: str = "",
) -> tuple[GateReport, ...]:
    """Hold the challenger against each gate.

    Args:
        gates: What must be proved.
        challenger: Its metrics on the holdout.
        champion: Its metrics on the same rows; none: there is no champion to beat.
        inconclusive: Why the holdout proves nothing; empty: it does.
    """
    return tuple(_check(gate, challenger, champion, inconclusive) for gate in gates)


def passed(gates: Sequence[GateReport]) -> bool:
    """Whether every gate passed."""
    return all(gate.verdict is GateVerdict.PASSED for gate in gates)


def _check(
    gate: Gate, challenger: Mapping[str, float], champion: Mapping[str, float] | None, inconclusive: str
) -> GateReport:
    metric = metric_named(gate.metric)
    mine, theirs = challenger.get(gate.metric), None if champion is None else champion.get(gate.metric)

    def report(verdict: GateVerdict, message: str, bound: float | None = None) -> GateReport:
        return GateReport(
            name=gate.name,
            metric=gate.metric,
            verdict=verdict,
            challenger=mine,
            champion=theirs,
            bound=bound,
            message=message,
        )

    if inconclusive:
        return report(GateVerdict.INCONCLUSIVE, inconclusive)
    if mine is None:
        return report(GateVerdict.INCONCLUSIVE, f"{gate.metric} of the challenger is not defined on the holdout")
    sign = 1 if metric.greater_is_better else -1
    if gate.min is not None:
        bound = gate.min
    elif champion is None:
        return report(GateVerdict.PASSED, "there is no champion to beat")
    elif theirs is None:
        return report(GateVerdict.INCONCLUSIVE, f"{gate.metric} of the champion is not defined on the holdout")
    elif gate.min_gain_over_champion is not None:
        bound = theirs + sign * gate.min_gain_over_champion
    else:
        bound = theirs - sign * (gate.max_drop_from_champion or 0.0)
    good = sign * (mine - bound) >= -_ROUNDING
    relation = "at least" if metric.greater_is_better else "at most"
    message = f"{gate.metric} is {mine:.4g}, {relation} {bound:.4g} is asked for"
    return report(GateVerdict.PASSED if good else GateVerdict.FAILED, message, bound)
