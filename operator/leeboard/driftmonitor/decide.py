"""Decides what a monitor does next: follow the job under way, take up the window that is due, or tidy up. Pure."""

from leeboard.api.driftmonitor import DriftMonitorStatus, MonitorJob, MonitorRun, WindowVerdict
from leeboard.control import attempts
from leeboard.control.attempts import Stand, Standing
from leeboard.control.clock import instant, iso
from leeboard.control.conditions import READY, true, waiting
from leeboard.control.steps import Create, Look, Plan, Step
from leeboard.driftmonitor import episodes, manifests
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
        }
    )
    return episodes.superseded(status, seen.stable.version if seen.stable else None, seen.now)


def _follow(seen: Seen, status: DriftMonitorStatus, job: MonitorJob) -> Plan:
    window = ScheduledWindow(instant(job.window_start_time), instant(job.window_end_time))
    if seen.report is not None:
        return _finished(seen, status, run_of_report(seen.report, window, seen))
    where = attempts.standing(seen.job(job.ray_job), job.ray_job, seen.now, observed=job.observed)
    if where.stand is Stand.FAILED:
        return _failed(seen, status, job, window, where)
    if where.stand is Stand.UNMADE:
        return _make(seen, status, job, window)
    doing = "waits in its queue" if where.stand is Stand.QUEUED else "scores"
    told = (
        f"the RayJob {job.ray_job} {doing} the window {job.window_start_time} to {job.window_end_time}, "
        f"since {job.started_time}"
    )
    running = status.model_copy(update={"active_job": job.model_copy(update={"observed": True})})
    return _plan(seen, running, (true(READY, "Scoring", told),), attempts.LOOK_WHILE_RUNNING)


def _failed(seen: Seen, status: DriftMonitorStatus, job: MonitorJob, window: ScheduledWindow, where: Standing) -> Plan:
    """Go on to the next attempt, or give the window up."""
    if not where.retryable or job.attempt >= seen.monitor.spec.job.retries:
        return _finished(seen, status, run_without_report(WindowVerdict.ERROR, where.message, window, seen))
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
    """Take up the window that is due."""
    tick = seen.due
    if tick is None or seen.monitor.spec.suspend or obstacle(seen) is not None:
        return None
    window = seen.window(tick)
    taken = status.model_copy(update={"last_tick_time": iso(tick)})
    request = manifests.desired_request(seen, window)
    if request is None:
        nothing = "nothing has been logged yet: send requests, and see whether the arms reach the collector"
        return _finished(seen, taken, run_without_report(WindowVerdict.INSUFFICIENT, nothing, window, seen))
    if seen.report is not None:
        return _finished(seen, taken, run_of_report(seen.report, window, seen))
    if not seen.room:
        return _plan(seen, status, _no_room(seen, window), _LOOK_FOR_ROOM)
    job = MonitorJob(
        ray_job=manifests.job_name(seen, request.request_hash, 0),
        window_start_time=iso(window.start),
        window_end_time=iso(window.end),
        attempt=0,
        request_hash=request.request_hash,
        started_time=iso(seen.now),
    )
    return _make(seen, taken, job, window)


def _finished(seen: Seen, status: DriftMonitorStatus, run: MonitorRun) -> Plan:
    """Record the outcome of a window, and say so when it is drift."""
    stable = seen.stable.version if seen.stable else None
    recorded = status.model_copy(
        update={"active_job": None, "last_run": run, "history": [run, *status.history][:MAX_HISTORY]}
    )
    judged = episodes.after_run(recorded, run, seen.monitor, stable, seen.now)
    event = episodes.alert(judged, run, seen.monitor, seen.now)
    if event is not None:
        judged = judged.model_copy(update={"last_alert_time": iso(seen.now)})
    return Plan(
        status=compose(seen, judged, resting(seen, judged)),
        steps=(event,) if event is not None else (),
        look=Look(0.0),  # the RayJobs that may go now
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
