"""What a monitor's status says: runs read from reports, and conditions that tell what to do next. Pure."""

import math
from typing import Any

from leeboard.api.driftmonitor import CheckStatus, DriftMonitorStatus, MonitorRun, WindowVerdict
from leeboard.contract.jobs import CheckReport, DriftReport, JobOutcome
from leeboard.contract.registry import ReportedRun
from leeboard.control.afterwards import status_after
from leeboard.control.clock import iso
from leeboard.control.conditions import (
    READY,
    Finding,
    cut,
    false,
    merge,
    stalled,
    true,
    unknown,
    waiting,
)
from leeboard.control.steps import Outcomes, Plan
from leeboard.driftmonitor import episodes
from leeboard.driftmonitor.seen import ScheduledWindow, Seen

DRIFT_DETECTED = "DriftDetected"
Findings = tuple[Finding, ...]


def obstacle(seen: Seen) -> Findings | None:
    """Return why no window can be scored at all, or None."""
    spec = seen.monitor.spec
    name = spec.model_deployment_ref.name
    if seen.model is None:
        return waiting(
            "ModelDeploymentMissing",
            f"waits for the ModelDeployment {name} in this namespace: apply it, or name another",
        )
    if seen.settings.collector_url is None:
        return stalled(
            "NoCollector", "predictions are not logged: set LEEBOARD_COLLECTOR_URL of the operator to the collector"
        )
    rated = [check.name for check in spec.checks if check.out_of_distribution_rate is not None]
    if rated and seen.model.spec.out_of_distribution is None:
        return stalled(
            "NoDetector",
            f"the check {rated[0]} needs a detector: set spec.outOfDistribution of the ModelDeployment {name}, "
            "or remove the check",
        )
    if seen.stable is None:
        return waiting("NoStableVersion", f"waits until a version of the ModelDeployment {name} serves")
    return None


def run_of_report(found: ReportedRun, window: ScheduledWindow, seen: Seen) -> MonitorRun:
    """Read a scored window."""
    report = found.report
    if not isinstance(report, DriftReport):  # the registry reads reports by kind
        raise TypeError(f"a {type(report).__name__} does not answer a drift request")
    verdicts = {JobOutcome.INSUFFICIENT: WindowVerdict.INSUFFICIENT, JobOutcome.ERROR: WindowVerdict.ERROR}
    measured = WindowVerdict.DRIFTED if report.drifted else WindowVerdict.STABLE
    return MonitorRun(
        window_start_time=iso(window.start),
        window_end_time=iso(window.end),
        verdict=verdicts.get(report.outcome, measured),
        rows=report.rows,
        model_version=report.version or (seen.stable.version if seen.stable else None),
        checks=[_check(check) for check in report.checks],
        message=cut(report.message),
        report_uri=found.report_uri,
        run_id=found.run_id,
        finished_time=iso(seen.now),
    )


def run_without_report(verdict: WindowVerdict, message: str, window: ScheduledWindow, seen: Seen) -> MonitorRun:
    """Record a window of which there is no report."""
    return MonitorRun(
        window_start_time=iso(window.start),
        window_end_time=iso(window.end),
        verdict=verdict,
        model_version=seen.stable.version if seen.stable else None,
        message=cut(message),
        finished_time=iso(seen.now),
    )


def resting(seen: Seen, status: DriftMonitorStatus) -> Findings:
    """Say how the monitor stands while no job is under way."""
    if seen.monitor.spec.suspend:
        return (true(READY, "Suspended", "no window is scored until spec.suspend is false"),)
    hindered = obstacle(seen)
    if hindered is not None:
        return hindered
    then = f"the next window is scored at {status.next_run_time}"
    last = status.last_run
    if last is not None and last.verdict is WindowVerdict.ERROR:
        window = f"{last.window_start_time} to {last.window_end_time}"
        return stalled("RunFailed", f"the window {window} could not be scored: {last.message}; {then}")
    return (true(READY, "Scheduled", then),)


def drift(seen: Seen, status: DriftMonitorStatus) -> Finding:
    """Say whether there is drift. True is bad; it never enters Ready."""
    alerting, episode, last = seen.monitor.spec.alerting, status.episode, status.last_run
    if episode is not None:
        drifted = next((run for run in status.history if run.verdict is WindowVerdict.DRIFTED), None)
        told = episodes.tell_checks(drifted) if drifted is not None else ", ".join(episode.checks)
        return true(
            DRIFT_DETECTED,
            "DriftLasts",
            f"drift since {episode.started_time}: {told}; {status.quiet_runs} of {alerting.clear_after} quiet windows "
            "that end it; retrain, or look at what feeds the model",
        )
    if last is None:
        return unknown(DRIFT_DETECTED, "NotMeasured", "no window has been scored yet")
    if last.verdict is WindowVerdict.DRIFTED:
        raising = alerting.raise_after
        return false(
            DRIFT_DETECTED,
            "WindowDrifted",
            f"the last window drifted: {episodes.tell_checks(last)}; an episode begins at {raising.breaches} of "
            f"{raising.of} windows",
        )
    if last.verdict is WindowVerdict.INSUFFICIENT:
        reason = "WaitsForLabels" if _waits(last, status) else "TooFewRows"
        return false(DRIFT_DETECTED, reason, f"the last window tells nothing: {last.message or 'too few rows'}")
    if last.verdict is WindowVerdict.ERROR:
        return false(DRIFT_DETECTED, "NotMeasured", "the last window could not be scored; Ready tells why")
    return false(DRIFT_DETECTED, "Quiet", f"the window {last.window_start_time} to {last.window_end_time} is quiet")


def _waits(run: MonitorRun, status: DriftMonitorStatus) -> bool:
    return any(entry.window_end_time == run.window_end_time for entry in status.pending_labels)


def compose(seen: Seen, status: DriftMonitorStatus, findings: Findings) -> dict[str, Any]:
    """Return the status document with its conditions."""
    document = status.document()
    before = [condition.document() for condition in seen.monitor.status.conditions]
    said = (*findings, drift(seen, status))
    document["conditions"] = merge(before, said, seen.monitor.metadata.generation, seen.now)
    return document


def status_of(seen: Seen, plan: Plan, outcomes: Outcomes) -> dict[str, Any]:
    """Return the whole status after the steps."""
    monitor = seen.monitor
    return status_after(monitor.status.document(), plan, outcomes, monitor.metadata.generation, seen.now)


def _check(check: CheckReport) -> CheckStatus:
    return CheckStatus(
        name=check.name,
        statistic=_number(check.statistic),
        threshold=_number(check.threshold),
        drifted=check.drifted,
        worst_columns=list(dict.fromkeys(check.worst_columns))[:5],
        message=cut(check.message),
    )


def _number(value: float | None) -> float | None:
    """Return what JSON can hold."""
    return value if value is not None and math.isfinite(value) else None
