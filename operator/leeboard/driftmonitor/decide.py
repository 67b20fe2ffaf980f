"""Decides what a monitor does next: follow the job under way, take up the window that is due, or tidy up. Pure."""

from leeboard.api.driftmonitor import DriftMonitorStatus, MonitorJob, MonitorRun, WindowVerdict
from leeboard.contract.jobs import DriftReport, JobOutcome, experiment_name
from leeboard.control import attempts
from leeboard.control.attempts import Stand, Standing
from leeboard.control.clock import instant, iso
from leeboard.control.conditions import READY, true, waiting
from leeboard.control.steps import Create, KeepRuns, Look, Plan, Step
from leeboard.driftmonitor import episodes, labels, manifests
from leeboard.driftmonitor.seen import ScheduledWindow, Seen
from leeboard.driftmonitor.status import (
    Findings,
    compose,
    obstacle,
    resting,
    run_of_report,
    run_without_report,
)

MAX_HISTORY = 10
_LOOK_FOR_ROOM = 10.0
_LONGEST_LOOK = 300.0


def decide(seen: Seen) -> Plan:
    """Return the next step. Raises SpecError for a schedule nobody can read."""
    status = _taken_note(seen)
    if status.active_job is not None:
        return _follow(seen, status, status.active_job)
    return _start(seen, status) or _tidy(seen, status)


def _taken_note(seen: Seen) -> DriftMonitorStatus:
    """Return the status with what follows from looking alone."""
    monitor = seen.monitor
    status = monitor.status.model_copy(
        update={
            "observed_generation": monitor.metadata.generation,
            "next_run_time": None if monitor.spec.suspend else iso(seen.next_start),
            "live_arms": seen.live_arms,
            "pending_labels": labels.still_wanted(monitor.status.pending_labels, seen),
        }
    )
    return episodes.superseded(status, seen.stable.version if seen.stable else None, seen.now)


def _follow(seen: Seen, status: DriftMonitorStatus, job: MonitorJob) -> Plan:
    window = ScheduledWindow.of_job(job)
    if seen.report is not None:
        return _finished(seen, status, window, run_of_report(seen.report, window, seen))
    where = attempts.standing(seen.job(job.ray_job), job.ray_job, seen.now, observed=job.observed)
    if where.stand is Stand.FAILED:
        return _failed(seen, status, job, window, where)
    if where.stand is Stand.UNMADE:
        return _make(seen, status, job, window)
    doing = attempts.doing(where, "scores", seen.held_up)
    told = (
        f"the RayJob {job.ray_job} {doing} the window {job.window_start_time} to {job.window_end_time}, "
        f"since {job.started_time}"
    )
    running = status.model_copy(update={"active_job": job.model_copy(update={"observed": True})})
    findings: Findings = (true(READY, "Scoring", told),)
    if where.stand is Stand.UNCLAIMED:
        findings = waiting("NotTakenUp", told)
    return _plan(seen, running, findings, attempts.LOOK_WHILE_RUNNING)


def _failed(seen: Seen, status: DriftMonitorStatus, job: MonitorJob, window: ScheduledWindow, where: Standing) -> Plan:
    """Go on to the next attempt, or give the window up."""
    if not where.retryable or job.attempt >= seen.monitor.spec.job.retries:
        return _finished(seen, status, window, run_without_report(WindowVerdict.ERROR, where.message, window, seen))
    name = manifests.job_name(seen, job.request_hash, job.attempt + 1)
    again = job.model_copy(update=attempts.next_attempt(job.attempt, name, where.message, seen.now))
    return _plan(seen, status.model_copy(update={"active_job": again}), _retrying(seen, again), 0.0)


def _make(seen: Seen, status: DriftMonitorStatus, job: MonitorJob, window: ScheduledWindow) -> Plan:
    """Make the RayJob, once its name stands in status."""
    strays = attempts.surplus(seen.jobs, active={job.ray_job})
    if seen.monitor.spec.suspend:
        return _plan(seen, status, resting(seen, status), _LONGEST_LOOK, strays)
    if job.retry_time is not None and instant(job.retry_time) > seen.now:
        wait = (instant(job.retry_time) - seen.now).total_seconds()
        return _plan(seen, status, _retrying(seen, job), wait, strays)
    request = manifests.desired_request(seen, window)
    if request is None:
        return _plan(seen, status, obstacle(seen) or _no_log(seen), _LOOK_FOR_ROOM)
    if not seen.room:
        return _plan(seen, status, _no_room(seen, window), _LOOK_FOR_ROOM)
    name = manifests.job_name(seen, request.request_hash, job.attempt)
    named = job.model_copy(update={"ray_job": name, "request_hash": request.request_hash})
    told = (
        f"makes the RayJob {name} for the window {job.window_start_time} to {job.window_end_time}, "
        f"since {job.started_time}"
    )
    document = compose(seen, status.model_copy(update={"active_job": named}), (true(READY, "Scoring", told),))
    create = Create(manifests.desired_job(seen, named, request))
    return Plan(status=document, steps=(*strays, create), intent=document, look=Look(attempts.LOOK_WHILE_RUNNING))


def _start(seen: Seen, status: DriftMonitorStatus) -> Plan | None:
    """Take up the window that is due, or one whose labels have come."""
    if seen.monitor.spec.suspend or obstacle(seen) is not None:
        return None
    tick = seen.due
    window = seen.window(tick) if tick is not None else labels.due(seen)
    if window is None:
        return None
    taken = status.model_copy(update={"last_tick_time": iso(tick)}) if tick is not None else status
    request = manifests.desired_request(seen, window)
    if request is None:
        nothing = "nothing has been logged yet: send requests, and see whether the arms reach the collector"
        return _finished(seen, taken, window, run_without_report(WindowVerdict.INSUFFICIENT, nothing, window, seen))
    if seen.report is not None:
        return _finished(seen, taken, window, run_of_report(seen.report, window, seen))
    if not seen.room:
        return _plan(seen, status, _no_room(seen, window), _LOOK_FOR_ROOM)
    job = MonitorJob(
        ray_job=manifests.job_name(seen, request.request_hash, 0),
        window_start_time=iso(window.start),
        window_end_time=iso(window.end),
        attempt=0,
        request_hash=request.request_hash,
        started_time=iso(seen.now),
        labels_pass=window.labels_pass or None,
        checks=list(window.checks),
        label_rows=seen.tables.label_rows if seen.tables is not None else 0,
    )
    return _make(seen, taken, job, window)


def _finished(seen: Seen, status: DriftMonitorStatus, window: ScheduledWindow, run: MonitorRun) -> Plan:
    """Record the outcome of a window, and say so when it is drift."""
    stable = seen.stable.version if seen.stable else None
    recorded = _recorded(seen, status, window, run)
    news = episodes.news(status, recorded, iso(window.end))
    judged = episodes.after_run(recorded, news, seen.monitor, stable, seen.now) if news is not None else recorded
    event = episodes.alert(judged, news, seen.monitor, seen.now) if news is not None else None
    if event is not None:
        judged = judged.model_copy(update={"last_alert_time": iso(seen.now)})
    kept = KeepRuns(
        experiment=experiment_name(seen.monitor.metadata.namespace, seen.monitor.spec.model_deployment_ref.name),
        subject=f"{seen.monitor.metadata.namespace}/{seen.monitor.metadata.name}",
        keep=seen.settings.kept_runs,
        episodes=episodes.evidence(status, judged, news),
    )
    return Plan(
        status=compose(seen, judged, resting(seen, judged)),
        steps=((event, kept) if event is not None else (kept,)) if run.run_id is not None else (),
        look=Look(0.0),  # the RayJobs that may go now
    )


def _recorded(seen: Seen, status: DriftMonitorStatus, window: ScheduledWindow, run: MonitorRun) -> DriftMonitorStatus:
    """Put the run at the head of the history, or amend the one that stands there for the same window."""
    report, job = seen.report.report if seen.report is not None else None, status.active_job
    held = seen.tables.label_rows if seen.tables is not None else 0
    told = report if isinstance(report, DriftReport) and report.outcome is not JobOutcome.ERROR else None
    pending = labels.pending_after(
        status.pending_labels,
        window,
        told,
        monitor=seen.monitor,
        label_rows=job.label_rows if job is not None else held,
        now=seen.now,
    )
    if window.labels_pass:
        history = [
            labels.amended(old, run, window.checks) if old.window_end_time == run.window_end_time else old
            for old in status.history
        ]
    else:
        history = [run, *status.history][:MAX_HISTORY]
    last = history[0] if history else status.last_run
    return status.model_copy(
        update={"active_job": None, "last_run": last, "history": history, "pending_labels": pending}
    )


def _tidy(seen: Seen, status: DriftMonitorStatus) -> Plan:
    look = min((seen.next_start - seen.now).total_seconds(), _LONGEST_LOOK)
    return Plan(
        status=compose(seen, status, resting(seen, status)),
        steps=attempts.surplus(seen.jobs, active=()),
        look=Look(look),
    )


def _plan(
    seen: Seen, status: DriftMonitorStatus, findings: Findings, look: float, steps: tuple[Step, ...] = ()
) -> Plan:
    return Plan(status=compose(seen, status, findings), steps=steps, look=Look(look))


def _retrying(seen: Seen, job: MonitorJob) -> Findings:
    most = seen.monitor.spec.job.retries + 1
    return waiting("Retrying", f"{job.message}; attempt {job.attempt + 1} of {most} begins at {job.retry_time}")


def _no_room(seen: Seen, window: ScheduledWindow) -> Findings:
    told = (
        f"the window that ended at {iso(window.end)} waits for a free place: LEEBOARD_MAX_JOBS_AT_ONCE is "
        f"{seen.settings.max_jobs_at_once}"
    )
    return (true(READY, "WaitsForRoom", told),)


def _no_log(seen: Seen) -> Findings:
    name = seen.monitor.spec.model_deployment_ref.name
    return waiting("NoLog", f"waits until the collector knows the log of the ModelDeployment {name}")
