"""Windows that too few labels had come for: when they are scored again, and what becomes of the run. Pure.

    scored, 31 % labelled ── pending ── labels came, labelDelay later ── scored again ── enough: the run is amended
                                ▲                                             │
                                └────────────── still short, at most three times

A window is scored again only when the log has grown by at least the labels that it lacked.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from leeboard.api.base import seconds
from leeboard.api.driftmonitor import CheckStatus, DriftMonitor, MonitorRun, PendingWindow, WindowVerdict
from leeboard.contract.jobs import DriftReport
from leeboard.control.clock import instant, iso
from leeboard.driftmonitor.seen import ScheduledWindow, Seen

MAX_PASSES = 3
MAX_PENDING = 10


def ripe(seen: Seen) -> list[PendingWindow]:
    """Return the windows that may be scored again if their labels have come, oldest first."""
    monitor = seen.monitor
    if monitor.spec.suspend or seen.stable is None or monitor.status.active_job is not None:
        return []
    waiting = [entry for entry in monitor.status.pending_labels if instant(entry.not_before_time) <= seen.now]
    return sorted(still_wanted(waiting, seen), key=lambda entry: entry.window_end_time)


def due(seen: Seen) -> ScheduledWindow | None:
    """Return the oldest window whose labels have come, or None."""
    held = seen.tables.label_rows if seen.tables is not None else 0
    for entry in ripe(seen):
        if held >= entry.wanted_label_rows:
            start, end = instant(entry.window_start_time), instant(entry.window_end_time)
            return ScheduledWindow(start, end, entry.labels_pass, tuple(entry.checks))
    return None


def still_wanted(entries: Sequence[PendingWindow], seen: Seen) -> list[PendingWindow]:
    """Return the windows that still tell something: of the version that serves, by checks that are still asked for."""
    asked = {check.name for check in seen.monitor.spec.checks if check.performance is not None}
    version = seen.stable.version if seen.stable is not None else None
    found = []
    for entry in entries:
        checks = [name for name in entry.checks if name in asked]
        if checks and version in {None, entry.model_version}:
            found.append(entry.model_copy(update={"checks": checks}))
    return found


def pending_after(
    before: Sequence[PendingWindow],
    window: ScheduledWindow,
    report: DriftReport | None,
    *,
    monitor: DriftMonitor,
    label_rows: int,
    now: datetime,
) -> list[PendingWindow]:
    """Return what waits for labels once a window was scored.

    Args:
        before: What waited until now.
        window: The window, and for which time it was scored again.
        report: What was found; none: it could not be scored.
        monitor: The monitor.
        label_rows: Labels that the log held when the job was made.
        now: The present instant.
    """
    others = [entry for entry in before if entry.window_end_time != iso(window.end)]
    short = [check for check in report.checks if check.labels_wanted is not None] if report is not None else []
    names = [check.name for check in short]
    wanted = min((check.labels_wanted or 0 for check in short), default=0)
    if report is None and window.labels_pass:  # nobody can tell what is lacking: try again with any new label
        names, wanted = list(window.checks), 1
    if not names or window.labels_pass >= MAX_PASSES:
        return others
    delays = [seconds(c.performance.label_delay) for c in monitor.spec.checks if c.name in names and c.performance]
    found = PendingWindow(
        window_start_time=iso(window.start),
        window_end_time=iso(window.end),
        checks=names,
        labels_pass=window.labels_pass + 1,
        wanted_label_rows=label_rows + wanted,
        not_before_time=iso(now + timedelta(seconds=max(delays, default=0))),
        model_version=report.version if report is not None else _version(before, window),
    )
    return sorted([found, *others], key=lambda entry: entry.window_end_time, reverse=True)[:MAX_PENDING]


def amended(old: MonitorRun, again: MonitorRun, checks: Sequence[str]) -> MonitorRun:
    """Return a run with what was found when its window was scored again.

    Args:
        old: The run.
        again: The same window, scored again for some checks.
        checks: Which.
    """
    found = {check.name: check for check in again.checks if check.name in checks}
    if again.verdict is WindowVerdict.ERROR:
        found = {
            check.name: check.model_copy(update={"message": f"could not be scored again: {again.message}"[:1024]})
            for check in old.checks
            if check.name in checks
        }
    told = [found.get(check.name, check) for check in old.checks]
    told += [check for name, check in found.items() if name not in {one.name for one in old.checks}]
    verdict = _verdict(told, old.verdict)
    update: dict[str, object] = {"checks": told[:16], "verdict": verdict}
    if verdict is not old.verdict:  # the later report tells why
        update |= {"message": again.message, "report_uri": again.report_uri, "run_id": again.run_id}
        update |= {"rows": max(old.rows, again.rows)}
    return old.model_copy(update=update)


def _verdict(checks: Sequence[CheckStatus], before: WindowVerdict) -> WindowVerdict:
    if any(check.drifted for check in checks):
        return WindowVerdict.DRIFTED
    if any(check.statistic is not None for check in checks):
        return WindowVerdict.STABLE
    return before


def _version(before: Sequence[PendingWindow], window: ScheduledWindow) -> str:
    return next((entry.model_version for entry in before if entry.window_end_time == iso(window.end)), "")
