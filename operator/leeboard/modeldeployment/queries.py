"""PromQL for the analysis: the transformer's own counters, over everything since the step began. Pure.

The counters start at zero with the transformer, so their first increase is seen, and `increase` bears restarts.
"""

import math
from dataclasses import dataclass
from datetime import datetime

from leeboard.api.analysis import AnalysisMetric
from leeboard.api.modeldeployment import ModelDeployment
from leeboard.contract import serving
from leeboard.modeldeployment.confidence import Z_95

_REFUSED = f'code=~"4..",code!="{serving.STATUS_ALL_REFUSED}"'
"""A request whose rows are all out of distribution is answered, not refused."""


@dataclass(frozen=True)
class Contest:
    """Who is held against whom, and since when."""

    candidate: tuple[str, str]
    """Version and arm of the one that comes in."""
    stable: tuple[str, str]
    """Version and arm of the one that serves, or during the bake served before."""
    since: datetime
    """When the step began."""
    baking: bool = False
    """Whether ratios are held against frozen values."""


def questions(subject: ModelDeployment, metric: AnalysisMetric, contest: Contest, now: datetime) -> dict[str, str]:
    """Return what is asked of Prometheus for a metric: PromQL by the question's name."""
    seconds = max(1, math.ceil((now - contest.since).total_seconds()))
    window = f"{seconds}s"
    candidate = _selector(subject, contest.candidate[1])
    stable = _selector(subject, contest.stable[1])
    asked = {"requests": _increase(serving.METRIC_REQUESTS, candidate, window)}
    ratio = not contest.baking and any(
        bound is not None and bound.max_ratio_to_stable is not None
        for bound in (metric.latency, metric.out_of_distribution_rate)
    )
    if ratio or (metric.error_rate is not None and not contest.baking):
        asked["stableRequests"] = _increase(serving.METRIC_REQUESTS, stable, window)
    if metric.error_rate is not None:
        asked["errors"] = _increase(serving.METRIC_REQUESTS, f'{candidate},code=~"5.."', window)
        asked["refused"] = _increase(serving.METRIC_REQUESTS, f"{candidate},{_REFUSED}", window)
        if not contest.baking:
            asked["stableRefused"] = _increase(serving.METRIC_REQUESTS, f"{stable},{_REFUSED}", window)
    if metric.latency is not None:
        quantile = metric.latency.quantile
        asked["latency"] = _quantile(f"{quantile:g}", candidate, window)
        asked["latencyAtLeast"] = _quantile(_lower_rank(quantile, asked["requests"]), candidate, window)
        if ratio:
            asked["stableLatency"] = _quantile(f"{quantile:g}", stable, window)
    if metric.out_of_distribution_rate is not None:
        asked["strangers"] = _increase(serving.METRIC_OOD_ROWS, candidate, window)
        asked["rows"] = _increase(serving.METRIC_SCORED_ROWS, candidate, window)
        if ratio:
            asked["stableStrangers"] = _increase(serving.METRIC_OOD_ROWS, stable, window)
            asked["stableRows"] = _increase(serving.METRIC_SCORED_ROWS, stable, window)
    if metric.promql is not None:
        asked["value"] = _filled_in(metric.promql.query, subject, contest, window)
    return asked


def _selector(subject: ModelDeployment, arm: str) -> str:
    metadata = subject.metadata
    return f'model_namespace="{metadata.namespace}",modeldeployment="{metadata.name}",arm="{arm}"'


def _increase(metric: str, selector: str, window: str) -> str:
    return f"sum(increase({metric}{{{selector}}}[{window}]))"


def _quantile(quantile: str, selector: str, window: str) -> str:
    buckets = f"sum by (le) (rate({serving.METRIC_SECONDS}_bucket{{{selector}}}[{window}]))"
    return f"histogram_quantile({quantile}, {buckets})"


def _lower_rank(quantile: float, requests: str) -> str:
    """Return the rank whose latency is the one-sided 95 % lower bound of a quantile's, as PromQL.

    How many of n requests are quicker than the quantile is binomial; its normal approximation gives the rank.
    Source: W. J. Conover, Practical Nonparametric Statistics, 3rd edition, 3.2.
    """
    spread = Z_95 * math.sqrt(quantile * (1 - quantile))
    return f"scalar(clamp_min({quantile:g} - {spread:.6g} / sqrt({requests}), 0))"


def _filled_in(query: str, subject: ModelDeployment, contest: Contest, window: str) -> str:
    values = {
        "namespace": subject.metadata.namespace,
        "modelDeployment": subject.metadata.name,
        "stableArm": contest.stable[1],
        "candidateArm": contest.candidate[1],
        "stableVersion": contest.stable[0],
        "candidateVersion": contest.candidate[0],
        "interval": window,
    }
    for name, value in values.items():
        query = query.replace(f"{{{{{name}}}}}", value)
    return query
