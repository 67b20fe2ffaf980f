"""Decides what a policy does next: follow the run under way, start the one that is asked for, or rest. Pure.

facts ─ start ─ RayJob ─ report ─┬─ gates failed, error, …  ──────────────────────┐
                                 └─ version ─ candidate alias ─ rollout, bake ─────┴─ outcome
"""

from leeboard.api.modeldeployment import RegistryWrite
from leeboard.api.retrainpolicy import ActiveRun, FiredTrigger, RetrainPolicyStatus, RunOutcome
from leeboard.api.shared import HandledAction
from leeboard.contract.jobs import RetrainReport
from leeboard.contract.registry import ReportedRun
from leeboard.control import attempts
from leeboard.control.attempts import Stand, Standing
from leeboard.control.clock import instant, iso
from leeboard.control.conditions import STALLED, waiting
from leeboard.control.steps import Create, EmitEvent, Look, Plan, Step, WriteRegistry
from leeboard.retrainpolicy import barriers, manifests, rollouts, triggers
from leeboard.retrainpolicy.barriers import Findings
from leeboard.retrainpolicy.seen import Seen
from leeboard.retrainpolicy.status import compose, finished_run, finite, judge, resting
from leeboard.retrainpolicy.triggers import Asking

MAX_HISTORY = 10
POLL = 30.0
"""Seconds between counts of the labels."""
_LONGEST_LOOK = 300.0
_SUCCESSES = frozenset({RunOutcome.PROMOTED, RunOutcome.REGISTERED})


def decide(seen: Seen) -> Plan:
    """Return the next step."""
    status = _taken_note(seen)
    run = status.active_run
    if run is None:
        return _start_or_rest(seen, status)
    if run.version is not None:
        return _follow_rollout(seen, status, run)
    return _follow_job(seen, status, run)


def _taken_note(seen: Seen) -> RetrainPolicyStatus:
    """Return the status with what follows from looking alone."""
    policy, status = seen.policy, seen.policy.status
    changes: dict[str, object] = {
        "observed_generation": policy.metadata.generation,
        "live_arms": seen.live_arms,
        "next_run_time": None,
    }
    if seen.ledger and not status.consumed:
        changes["consumed"] = list(seen.ledger)[: triggers.MAX_CONSUMED]
    mark = status.high_water_mark
    if mark is not None and seen.tables is not None and seen.tables.label_rows < mark:
        changes["high_water_mark"] = seen.tables.label_rows  # another log, which counts anew
    if status.stopped_generation not in {None, policy.metadata.generation}:
        changes |= {"stopped_generation": None, "consecutive_rejections": 0}
    return status.model_copy(update=changes)


def _start_or_rest(seen: Seen, status: RetrainPolicyStatus) -> Plan:
    asking = triggers.weigh(seen, status)
    if asking.firing and barriers.lasting(seen, status, asking) is None:
        barrier = barriers.passing(seen, status, asking)
        if barrier is None:
            return _start(seen, status, asking)
        until = iso(barrier.until) if barrier.until is not None else None
        waits = status.model_copy(update={"next_run_time": until})
        look = barrier.look if barrier.look is not None else _look(seen, waits)
        return _plan(seen, waits, barrier.findings, look, attempts.surplus(seen.jobs, active=()))
    end = triggers.interval_end(seen, status) if asking.resting else triggers.next_tick(seen)
    rests = status.model_copy(update={"next_run_time": iso(end) if end is not None else None})
    return _plan(seen, rests, resting(seen, rests, asking), _look(seen, rests), attempts.surplus(seen.jobs, active=()))


def _start(seen: Seen, status: RetrainPolicyStatus, asking: Asking) -> Plan:
    """Consume what fires, and make the job: first in status, then in the cluster."""
    now, fired = iso(seen.now), list(asking.firing)
    run = ActiveRun(
        id=triggers.run_id(seen, fired),
        attempt=0,
        triggers=fired,
        started_time=now,
        cutoff_time=now,
        champion_version=seen.stable.version if seen.stable is not None else None,
        ray_job="unnamed",
        request_hash="",
        label_rows=seen.tables.label_rows if seen.tables is not None else None,
    )
    changes: dict[str, object] = {
        "last_start_time": now,
        "starts_today": barriers.starts_today(status, seen.now) + 1,
        "consumed": [*reversed(fired), *status.consumed][: triggers.MAX_CONSUMED],
        "handled_actions": _handled(seen, status, fired),
    }
    if asking.manual:  # a person starts a stopped policy again
        changes |= {"stopped_generation": None, "consecutive_rejections": 0}
    return _make(seen, status.model_copy(update=changes), run)


def _follow_job(seen: Seen, status: RetrainPolicyStatus, run: ActiveRun) -> Plan:
    if seen.report is not None:
        return _judged(seen, status, run, seen.report)
    where = attempts.standing(seen.job(run.ray_job), run.ray_job, seen.now, observed=run.observed)
    if where.stand is Stand.FAILED:
        return _failed(seen, status, run, where)
    if where.stand is Stand.UNMADE:
        return _make(seen, status, run)
    doing = attempts.doing(where, "trains", seen.held_up)
    told = f"the RayJob {run.ray_job} {doing} since {run.started_time}: {_why(run)}"
    running = status.model_copy(update={"active_run": run.model_copy(update={"observed": True})})
    reason = "NotTakenUp" if where.stand is Stand.UNCLAIMED else "Training"
    return _plan(seen, running, waiting(reason, told), attempts.LOOK_WHILE_RUNNING)


def _failed(seen: Seen, status: RetrainPolicyStatus, run: ActiveRun, where: Standing) -> Plan:
    """Go on to the next attempt at the same run, or give it up."""
    if not where.retryable or run.attempt >= seen.policy.spec.job.retries:
        return _finished(seen, status, run, RunOutcome.ERROR, where.message)
    name = manifests.job_name(seen, run.request_hash, run.attempt + 1)
    again = run.model_copy(update=attempts.next_attempt(run.attempt, name, where.message, seen.now))
    return _plan(seen, status.model_copy(update={"active_run": again}), _retrying(seen, again), 0.0)


def _make(seen: Seen, status: RetrainPolicyStatus, run: ActiveRun) -> Plan:
    """Make the RayJob, once its name stands in status."""
    strays = attempts.surplus(seen.jobs, active={run.ray_job})
    if seen.policy.spec.suspend:
        return _plan(seen, status, resting(seen, status, Asking()), _LONGEST_LOOK, strays)
    if run.retry_time is not None and instant(run.retry_time) > seen.now:
        wait = (instant(run.retry_time) - seen.now).total_seconds()
        return _plan(seen, status, _retrying(seen, run), wait, strays)
    request = manifests.desired_request(seen, run)
    if request is None or not seen.room:
        what = _lacking(seen)
        return _plan(seen, status, waiting("WaitsForData" if request is None else "WaitsForRoom", what), POLL, strays)
    name = manifests.job_name(seen, request.request_hash, run.attempt)
    named = run.model_copy(update={"ray_job": name, "request_hash": request.request_hash})
    told = f"makes the RayJob {name}, since {run.started_time}: {_why(run)}"
    document = compose(seen, status.model_copy(update={"active_run": named}), waiting("Training", told))
    create = Create(manifests.desired_job(seen, named, request))
    return Plan(document, (*strays, create), intent=document, look=Look(attempts.LOOK_WHILE_RUNNING))


def _judged(seen: Seen, status: RetrainPolicyStatus, run: ActiveRun, found: ReportedRun) -> Plan:
    """Read the report: the run is over, or its version is to be rolled out."""
    report = found.report
    if not isinstance(report, RetrainReport):  # the registry reads reports by kind
        raise TypeError(f"a {type(report).__name__} does not answer a retrain request")
    # The report counts the table's rows, the trigger the labels that the collector acknowledged: only these compare.
    mark = run.label_rows if run.label_rows is not None else status.high_water_mark
    newest = report.ingest_mark or status.newest_ingest_time
    read = status.model_copy(update={"high_water_mark": mark, "newest_ingest_time": newest})
    told = run.model_copy(
        update={
            "run_id": found.run_id,
            "version": report.version if report.passed else None,
            "metrics": finite(report.metrics),
            "champion_metrics": finite(report.champion_metrics),
        }
    )
    verdict = judge(report)
    if verdict is not None:
        kept = read if verdict[0] is not RunOutcome.ERROR else status
        return _finished(seen, kept, told, *verdict, rejected=verdict[0] is RunOutcome.GATE_FAILED)
    return _follow_rollout(seen, read, told)


def _follow_rollout(seen: Seen, status: RetrainPolicyStatus, run: ActiveRun) -> Plan:
    """Give the version the candidate alias, and wait until its rollout ends."""
    ended = rollouts.outcome(seen, run)
    if ended is not None:
        return _finished(seen, status, run, ended.outcome, ended.message, rejected=ended.rejected)
    name = seen.policy.spec.model_deployment_ref.name
    told = f"version {run.version} passed its gates; its rollout by the ModelDeployment {name} is waited for"
    if seen.model is None:
        told = f"version {run.version} waits for the ModelDeployment {name}: apply it again"
    findings = waiting("RollingOut", f"{told}, since {run.started_time}")
    done = status.model_copy(update={"active_run": run.model_copy(update={"challenger_set": True})})
    if run.challenger_set or seen.model is None or rollouts.is_under_way(seen.model, str(run.version)):
        kept = done if seen.model is not None else status.model_copy(update={"active_run": run})
        return _plan(seen, kept, findings, attempts.LOOK_WHILE_RUNNING)
    source = seen.model.spec.model
    write = RegistryWrite(set_alias=source.challenger_alias, version=str(run.version))
    before = compose(seen, status.model_copy(update={"active_run": run}), findings)
    return Plan(
        status=compose(seen, done, findings),
        steps=(WriteRegistry(model=source.name, writes=(write,)),),
        intent=before,
        look=Look(attempts.LOOK_WHILE_RUNNING),
    )


def _finished(
    seen: Seen,
    status: RetrainPolicyStatus,
    run: ActiveRun,
    outcome: RunOutcome,
    message: str,
    *,
    rejected: bool = False,
) -> Plan:
    """Record the outcome; so many rejections in a row stop the policy."""
    ended = finished_run(seen, run, outcome, message)
    rejections = status.consecutive_rejections + rejected
    if outcome in _SUCCESSES:
        rejections = 0
    stops = rejections >= seen.policy.spec.budget.stop_after_rejections
    recorded = status.model_copy(
        update={
            "active_run": None,
            "last_run": ended,
            "history": [ended, *status.history][:MAX_HISTORY],
            "consecutive_rejections": rejections,
            "stopped_generation": seen.policy.metadata.generation if stops else None,
        }
    )
    asking = triggers.weigh(seen, recorded)
    findings = resting(seen, recorded, asking)
    kind = "Normal" if outcome in _SUCCESSES else "Warning"
    events = [EmitEvent(kind, f"Run{outcome.value}", f"the run {run.id} ({_why(run)}): {ended.message}")]
    events += [
        EmitEvent("Warning", finding.reason, finding.message)
        for finding in findings
        if finding.type == STALLED and stops
    ]
    return _plan(seen, recorded, findings, 0.0, tuple(events))


def _handled(seen: Seen, status: RetrainPolicyStatus, fired: list[FiredTrigger]) -> list[HandledAction]:
    if not any(trigger.name == triggers.MANUAL for trigger in fired):
        return status.handled_actions
    others = [action for action in status.handled_actions if action.name != triggers.ACTION]
    return [*others, HandledAction(name=triggers.ACTION, value=triggers.token(seen) or "")]


def _lacking(seen: Seen) -> str:
    name = seen.policy.spec.model_deployment_ref.name
    if seen.model is None:
        return f"waits for the ModelDeployment {name}: apply it again"
    if seen.tables is None and seen.data_length is not None:
        return f"waits for the log of the ModelDeployment {name}: {seen.collector_away or 'the collector knows none'}"
    return f"waits for a free place: LEEBOARD_MAX_JOBS_AT_ONCE is {seen.settings.max_jobs_at_once}"


def _look(seen: Seen, status: RetrainPolicyStatus) -> float:
    """Return the seconds until something may have changed that nobody announces."""
    continual = seen.policy.spec.level.continual
    counted = continual is not None and any(trigger.volume is not None for trigger in continual.triggers)
    times = [due for _, due in triggers.ages(seen)]
    if status.next_run_time is not None:
        times.append(instant(status.next_run_time))
    waits = [(time - seen.now).total_seconds() for time in times if time > seen.now]
    return min([*waits, POLL if counted else _LONGEST_LOOK])


def _plan(
    seen: Seen, status: RetrainPolicyStatus, findings: Findings, look: float, steps: tuple[Step, ...] = ()
) -> Plan:
    return Plan(status=compose(seen, status, findings), steps=steps, look=Look(look))


def _retrying(seen: Seen, run: ActiveRun) -> Findings:
    most = seen.policy.spec.job.retries + 1
    return waiting("Retrying", f"{run.message}; attempt {run.attempt + 1} of {most} begins at {run.retry_time}")


def _why(run: ActiveRun) -> str:
    return "; ".join(trigger.message for trigger in run.triggers)
