"""When drifted windows become an episode, and when an episode ends. Pure.

A run counts as quiet only if it measured the checks that raised the episode: nobody is told that the quality is well
again because no labels came.

windows   S  D  S  D  D  I  S  S  S       S stable, D drifted, I insufficient
(2 of 3)           ▲                      raised: two of the last three measured windows
                   └──── episode ──┘      cleared after three quiet windows in a row; I counts for nothing
"""

from datetime import datetime

from leeboard.api.base import seconds
from leeboard.api.driftmonitor import (
    DriftMonitor,
    DriftMonitorStatus,
    Episode,
    MonitorRun,
    Severity,
    WindowVerdict,
)
from leeboard.contract.documents import short_hash
from leeboard.control.clock import instant, iso
from leeboard.control.steps import EmitEvent

MEASURED = frozenset({WindowVerdict.STABLE, WindowVerdict.DRIFTED})
MAX_CHECKS = 16


def superseded(status: DriftMonitorStatus, stable_version: str | None, now: datetime) -> DriftMonitorStatus:
    """End the episode when another version serves: what drifted from the old one says nothing of the new one."""
    episode = status.episode
    if episode is None or stable_version is None or episode.model_version in {None, stable_version}:
        return status
    return _ended(status, now)


def news(before: DriftMonitorStatus, after: DriftMonitorStatus, window_end_time: str) -> MonitorRun | None:
    """Return the run of a window if it tells more than it did before: it is new, or labels changed what it says."""
    run = next((run for run in after.history if run.window_end_time == window_end_time), None)
    old = next((run for run in before.history if run.window_end_time == window_end_time), None)
    if run is None or old is None:
        return run
    found = {check.name for check in run.checks if check.drifted} - {c.name for c in old.checks if c.drifted}
    checks = before.episode.checks if before.episode is not None else []
    quieted = _is_quiet(run, checks) and not _is_quiet(old, checks)
    return run if found or quieted else None


def after_run(
    status: DriftMonitorStatus, run: MonitorRun, monitor: DriftMonitor, stable_version: str | None, now: datetime
) -> DriftMonitorStatus:
    """Raise, go on with or clear the episode.

    Args:
        status: With the run in its history.
        run: The run that ended; counts if it was measured, against the version that serves.
        monitor: The monitor.
        stable_version: The version that serves; None: unknown.
        now: The present instant.
    """
    if run.verdict not in MEASURED or stable_version not in {None, run.model_version}:
        return status
    if status.episode is not None:
        return _gone_on(status, status.episode, run, monitor.spec.alerting.clear_after, now)
    raising = monitor.spec.alerting.raise_after
    until = [old for old in status.history if old.window_end_time <= run.window_end_time]
    recent = [old for old in until if _counts(old, run, status.last_episode_end_time)][: raising.of]
    breaches = [old for old in recent if old.verdict is WindowVerdict.DRIFTED]
    if run.verdict is not WindowVerdict.DRIFTED or len(breaches) < raising.breaches:
        return status
    episode = Episode(
        id=short_hash(monitor.metadata.uid, run.window_end_time, length=16),
        started_time=iso(now),
        checks=_drifted_checks(run, []),
        model_version=run.model_version,
    )
    return status.model_copy(update={"episode": episode, "quiet_runs": 0})


def evidence(
    before: DriftMonitorStatus, after: DriftMonitorStatus, run: MonitorRun | None
) -> tuple[tuple[str, str], ...]:
    """Return the MLflow runs that speak for an episode, with its id: this run, and those that helped to raise it."""
    episode = after.episode
    if episode is None or run is None or run.verdict is not WindowVerdict.DRIFTED:
        return ()
    new = before.episode is None or before.episode.id != episode.id
    runs = [old for old in after.history if old.verdict is WindowVerdict.DRIFTED] if new else [run]
    return tuple((old.run_id, episode.id) for old in runs if old.run_id is not None)


def alert(status: DriftMonitorStatus, run: MonitorRun, monitor: DriftMonitor, now: datetime) -> EmitEvent | None:
    """Return the Event about a drifted window of an episode, at most one per cooldown."""
    alerting = monitor.spec.alerting
    if status.episode is None or run.verdict is not WindowVerdict.DRIFTED:
        return None
    if status.last_alert_time is not None:
        age = (now - instant(status.last_alert_time)).total_seconds()
        if age < seconds(alerting.cooldown):
            return None
    kind = "Normal" if alerting.severity is Severity.INFO else "Warning"
    return EmitEvent(
        kind,
        "DriftDetected",
        f"[{alerting.severity.value}] the window {run.window_start_time} to {run.window_end_time} drifted: "
        f"{tell_checks(run)}; see {run.report_uri or 'the report in MLflow'}",
    )


def tell_checks(run: MonitorRun) -> str:
    """Tell which checks drifted and by which columns."""
    told = []
    for check in run.checks:
        if check.drifted:
            columns = f" ({', '.join(check.worst_columns)})" if check.worst_columns else ""
            told.append(f"{check.name}{columns}")
    return ", ".join(told) or "no check is named in the report"


def _gone_on(
    status: DriftMonitorStatus, episode: Episode, run: MonitorRun, clear_after: int, now: datetime
) -> DriftMonitorStatus:
    if run.verdict is WindowVerdict.DRIFTED:
        grown = episode.model_copy(update={"checks": _drifted_checks(run, episode.checks)})
        return status.model_copy(update={"episode": grown, "quiet_runs": 0})
    if not _is_quiet(run, episode.checks):
        return status
    if status.quiet_runs + 1 >= clear_after:
        return _ended(status, now)
    return status.model_copy(update={"quiet_runs": status.quiet_runs + 1})


def _is_quiet(run: MonitorRun, checks: list[str]) -> bool:
    """Say whether a run speaks against an episode: it measured what raised it, and found nothing."""
    measured = all(check.statistic is not None for check in run.checks if check.name in checks)
    return run.verdict is WindowVerdict.STABLE and measured


def _ended(status: DriftMonitorStatus, now: datetime) -> DriftMonitorStatus:
    return status.model_copy(update={"episode": None, "quiet_runs": 0, "last_episode_end_time": iso(now)})


def _counts(old: MonitorRun, run: MonitorRun, last_end: str | None) -> bool:
    """Say whether a run counts for raising: measured, of the same version, after the last episode."""
    after = last_end is None or old.finished_time is None or old.finished_time > last_end
    return old.verdict in MEASURED and old.model_version == run.model_version and after


def _drifted_checks(run: MonitorRun, before: list[str]) -> list[str]:
    named = [check.name for check in run.checks if check.drifted]
    return [*before, *(name for name in named if name not in before)][:MAX_CHECKS]
