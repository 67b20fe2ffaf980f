"""Whether a candidate does well: what is asked of Prometheus, what the answers say, when a run has failed. Pure.

    step begins ──── measurement ──── measurement ──── hold is over: a last measurement, with the most data
    (route taken up)      every `interval`; 10 s after an Error

Each measurement covers everything since the step began.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from leeboard.api.analysis import AnalysisMetric, NoData
from leeboard.api.modeldeployment import FrozenStable, MetricStatus, RolloutStatus, Verdict
from leeboard.control.clock import instant
from leeboard.control.conditions import cut
from leeboard.modeldeployment.confidence import wilson_lower, wilson_upper
from leeboard.modeldeployment.seen import Reading

ERROR_RETRY = timedelta(seconds=10)


@dataclass(frozen=True)
class Finding:
    """What a measurement says before limits and earlier measurements are looked at."""

    verdict: Verdict
    message: str
    value: float | None = None
    bound: float | None = None
    stable: float | None = None
    """The stable version's value, for a ratio."""


@dataclass(frozen=True)
class Assessment:
    """What one metric says now."""

    status: MetricStatus
    stable: float | None = None
    """The stable version's value, for a ratio."""


def due(rollout: RolloutStatus, interval: timedelta, hold: timedelta) -> datetime | None:
    """Return when the next measurement is due; None: the step's clock does not run yet.

    Args:
        rollout: The rollout under way.
        interval: Time between measurements.
        hold: How long the step lasts at least.
    """
    if rollout.step_start_time is None:
        return None
    start = instant(rollout.step_start_time)
    last = instant(rollout.last_measurement_time) if rollout.last_measurement_time else None
    failed = any(metric.verdict is Verdict.ERROR for metric in rollout.analysis)
    following = (last or start) + (min(ERROR_RETRY, interval) if failed else interval)
    ends = start + hold
    return min(following, ends) if last is None or last < ends else following


def assess(
    metric: AnalysisMetric, reading: Reading, before: MetricStatus | None, frozen: Mapping[str, float], *, last: bool
) -> Assessment:
    """Judge one measurement.

    Args:
        metric: What is measured.
        reading: What Prometheus answered.
        before: What the metric said in this step before.
        frozen: During the bake: stable values at the last step, by metric.
        last: Whether the hold is over: only then missing data count as a failure, where the metric says so.
    """
    found = _error(reading) or _too_few(metric, reading) or _judge(metric, reading, frozen.get(metric.name))
    failed = found.verdict is Verdict.FAILED or (
        last and metric.no_data is NoData.FAIL and found.verdict is Verdict.INCONCLUSIVE
    )
    failures = (before.failures if before else 0) + failed
    counts = found.verdict is Verdict.ERROR and not reading.away
    errors = (before.consecutive_errors if before else 0) + 1 if counts else 0
    if reading.away and before is not None:
        errors = before.consecutive_errors
    status = MetricStatus(
        name=metric.name,
        verdict=found.verdict,
        value=_rounded(found.value),
        bound=_rounded(found.bound),
        samples=round(reading.values.get("requests") or 0),
        failures=failures,
        consecutive_errors=errors,
        message=cut(found.message, 512),
    )
    return Assessment(status, found.stable)


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def _error(reading: Reading) -> Finding | None:
    return Finding(Verdict.ERROR, reading.error) if reading.error else None


def _too_few(metric: AnalysisMetric, reading: Reading) -> Finding | None:
    samples = reading.values.get("requests") or 0
    if round(samples) >= metric.min_samples:
        return None
    return Finding(
        Verdict.INCONCLUSIVE,
        f"{round(samples)} of at least {metric.min_samples} requests of the candidate since the step began",
    )


def _judge(metric: AnalysisMetric, reading: Reading, frozen: float | None) -> Finding:
    if metric.error_rate is not None:
        return _errors(metric.error_rate.max, reading.values, frozen)
    if metric.latency is not None:
        return _latency(metric, reading, frozen)
    if metric.out_of_distribution_rate is not None:
        return _strangers(metric, reading, frozen)
    return _query(metric, reading)


def _errors(bound: float, values: Mapping[str, float | None], frozen: float | None) -> Finding:
    """Judge errors of the server, and requests that the candidate refuses though the stable version takes the like."""
    total = values.get("requests") or 0.0
    refusals = frozen if frozen is not None else _stable_refusals(values)
    failed = _rate("errors", values.get("errors") or 0.0, total, bound, refusals)
    if refusals is None or failed.verdict is Verdict.FAILED:
        return failed
    refused = _rate("refused requests (HTTP 4xx)", values.get("refused") or 0.0, total, bound + refusals, refusals)
    if refused.verdict is Verdict.SUCCESSFUL:
        return failed
    told = f"{refused.message}: {bound:.2%} and the stable version's {refusals:.2%} at most; is its schema another one?"
    return replace(refused, message=told)


def _stable_refusals(values: Mapping[str, float | None]) -> float | None:
    """Return which share the stable version refuses at most, with 95 % confidence; None: it was asked nothing."""
    total = values.get("stableRequests") or 0.0
    return wilson_upper(values.get("stableRefused") or 0.0, total) if total > 0 else None


def _rate(what: str, hits: float, total: float, bound: float, stable: float | None = None) -> Finding:
    rate = min(hits / total, 1.0)
    lower = wilson_lower(hits, total)
    said = f"{what} {rate:.2%} of {round(total)} (at least {lower:.2%} with 95 % confidence), bound {bound:.2%}"
    return Finding(Verdict.FAILED if lower > bound else Verdict.SUCCESSFUL, said, rate, bound, stable)


def _latency(metric: AnalysisMetric, reading: Reading, frozen: float | None) -> Finding:
    latency = metric.latency
    value, least = reading.values.get("latency"), reading.values.get("latencyAtLeast")
    if latency is None or value is None or least is None:
        return Finding(Verdict.INCONCLUSIVE, "no latency of the candidate was measured")
    what = f"latency at quantile {latency.quantile:g} is {value:.4g} s (at least {least:.4g} s with 95 % confidence)"
    if latency.max_seconds is not None:
        bad = least > latency.max_seconds
        said = f"{what}, bound {latency.max_seconds:g} s"
        return Finding(Verdict.FAILED if bad else Verdict.SUCCESSFUL, said, value, latency.max_seconds)
    stable = frozen if frozen is not None else reading.values.get("stableLatency")
    short = None if frozen is not None else _stable_too_few(metric, reading)
    if stable is None or short is not None:
        return Finding(Verdict.INCONCLUSIVE, short or "no latency of the stable version was measured", value)
    bound = stable * (latency.max_ratio_to_stable or 1.0)
    said = f"{what}, bound {bound:.4g} s ({latency.max_ratio_to_stable:g} times the stable version's {stable:.4g} s)"
    return Finding(Verdict.FAILED if least > bound else Verdict.SUCCESSFUL, said, value, bound, stable)


def _strangers(metric: AnalysisMetric, reading: Reading, frozen: float | None) -> Finding:
    bounds = metric.out_of_distribution_rate
    hits, rows = reading.values.get("strangers") or 0.0, reading.values.get("rows") or 0.0
    if bounds is None or rows <= 0:
        return Finding(Verdict.INCONCLUSIVE, "no row of the candidate was scored")
    if bounds.max is not None:
        return _rate("rows out of distribution", hits, rows, bounds.max)
    stable = frozen
    if stable is None:
        stable_rows = reading.values.get("stableRows") or 0.0
        short = _stable_too_few(metric, reading)
        if short is not None or stable_rows <= 0:
            return Finding(Verdict.INCONCLUSIVE, short or "no row of the stable version was scored", hits / rows)
        # When nothing was seen, 3/n is the 95 % upper bound (rule of three): a ratio to 0 decides nothing.
        stable = (reading.values.get("stableStrangers") or 0.0) / stable_rows or 3.0 / stable_rows
    bound = min(stable * (bounds.max_ratio_to_stable or 1.0), 1.0)
    return _rate("rows out of distribution", hits, rows, bound, stable)


def _stable_too_few(metric: AnalysisMetric, reading: Reading) -> str | None:
    samples = round(reading.values.get("stableRequests") or 0)
    if samples >= metric.min_samples:
        return None
    return f"{samples} of at least {metric.min_samples} requests of the stable version since the step began"


def _query(metric: AnalysisMetric, reading: Reading) -> Finding:
    query, value = metric.promql, reading.values.get("value")
    if query is None or value is None:
        return Finding(Verdict.INCONCLUSIVE, "the query answers nothing")
    if query.min is not None and value < query.min:
        return Finding(Verdict.FAILED, f"the query answers {value:.6g}, below {query.min:g}", value, query.min)
    if query.max is not None and value > query.max:
        return Finding(Verdict.FAILED, f"the query answers {value:.6g}, above {query.max:g}", value, query.max)
    bound = query.min if query.min is not None else query.max
    return Finding(Verdict.SUCCESSFUL, f"the query answers {value:.6g}", value, bound)


def failed_run(metrics: Iterable[AnalysisMetric], statuses: Iterable[MetricStatus]) -> str | None:
    """Return what was measured to be bad, in a sentence; None: nothing was."""
    for metric, status in _measured(metrics, statuses):
        if status.failures > metric.failure_limit:
            return f"{metric.name}: {status.message}"
    return None


def blind_run(metrics: Iterable[AnalysisMetric], statuses: Iterable[MetricStatus]) -> str | None:
    """Return what could not be measured for too long, in a sentence; None: everything could."""
    for metric, status in _measured(metrics, statuses):
        if status.consecutive_errors > metric.consecutive_error_limit:
            return f"{metric.name} could not be measured {status.consecutive_errors} times in a row: {status.message}"
    return None


def _measured(
    metrics: Iterable[AnalysisMetric], statuses: Iterable[MetricStatus]
) -> Iterator[tuple[AnalysisMetric, MetricStatus]]:
    by_name = {status.name: status for status in statuses}
    yield from ((metric, by_name[metric.name]) for metric in metrics if metric.name in by_name)


def lacking(metrics: Iterable[AnalysisMetric], statuses: Iterable[MetricStatus]) -> str | None:
    """Return what the analysis still lacks before a step may advance; None: every verdict is good."""
    by_name = {status.name: status for status in statuses}
    for metric in metrics:
        status = by_name.get(metric.name)
        if status is None:
            return f"{metric.name} was not measured yet"
        ignored = metric.no_data is NoData.PASS and status.verdict is Verdict.INCONCLUSIVE
        if status.verdict is not Verdict.SUCCESSFUL and not ignored:
            return f"{metric.name} is {status.verdict.value}: {status.message}"
    return None


def frozen(assessments: Mapping[str, Assessment]) -> list[FrozenStable]:
    """Return the stable version's values, to hold ratios against during the bake."""
    return [
        FrozenStable(name=name, value=found.stable)
        for name, found in sorted(assessments.items())
        if found.stable is not None and math.isfinite(found.stable)
    ]
