"""What a policy's status says: outcomes read from reports, and conditions that tell what to do next. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from leeboard.api.retrainpolicy import ActiveRun, FinishedRun, RetrainPolicyStatus, RunOutcome
from leeboard.contract.jobs import GateVerdict, JobOutcome, RetrainReport
from leeboard.control.afterwards import status_after
from leeboard.control.clock import iso
from leeboard.control.conditions import READY, cut, merge, stalled, true, waiting
from leeboard.control.steps import Outcomes, Plan
from leeboard.retrainpolicy import barriers, triggers
from leeboard.retrainpolicy.barriers import Findings
from leeboard.retrainpolicy.seen import Seen
from leeboard.retrainpolicy.triggers import Asking

MAX_METRICS = 40


def judge(report: RetrainReport) -> tuple[RunOutcome, str] | None:
    """Return how a run ended by its report, and why; None: it registered a version, and the rollout decides."""
    if report.outcome is JobOutcome.ERROR:
        return RunOutcome.ERROR, report.message or "the job reports an error without a word; see its MLflow run"
    if report.outcome is JobOutcome.INSUFFICIENT:
        return RunOutcome.INCONCLUSIVE, report.message or "there were too few rows to train and compare on"
    if report.passed and report.version is not None:
        return None
    if report.passed:
        return RunOutcome.ERROR, "the gates passed, but the report names no registered version"
    failed = [gate for gate in report.gates if gate.verdict is GateVerdict.FAILED]
    open_ones = [gate for gate in report.gates if gate.verdict is GateVerdict.INCONCLUSIVE]
    told = "; ".join(f"{gate.name}: {gate.message or gate.verdict.value}" for gate in (failed or open_ones))
    outcome = RunOutcome.INCONCLUSIVE if open_ones and not failed else RunOutcome.GATE_FAILED
    return outcome, told or report.message or "the challenger is no better than the champion"


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that JSON can hold, as many as status can hold."""
    kept = [(name, value) for name, value in sorted(metrics.items()) if math.isfinite(value)]
    return dict(kept[:MAX_METRICS])


def finished_run(seen: Seen, run: ActiveRun, outcome: RunOutcome, message: str) -> FinishedRun:
    """Record a run that ended."""
    return FinishedRun(
        id=run.id,
        triggers=run.triggers,
        outcome=outcome,
        version=run.version,
        metrics=run.metrics,
        champion_metrics=run.champion_metrics,
        message=cut(message),
        run_id=run.run_id,
        started_time=run.started_time,
        finished_time=iso(seen.now),
    )


def resting(seen: Seen, status: RetrainPolicyStatus, asking: Asking) -> Findings:
    """Say how the policy stands while no run is under way and none is about to start."""
    hindered = barriers.lasting(seen, status, asking)
    if hindered is not None:
        return hindered
    return _trouble(seen, status) or _held_back(seen, status, asking) or _watching(seen)


def compose(seen: Seen, status: RetrainPolicyStatus, findings: Findings) -> dict[str, Any]:
    """Return the status document with its conditions."""
    document = status.document()
    before = [condition.document() for condition in seen.policy.status.conditions]
    document["conditions"] = merge(before, findings, seen.policy.metadata.generation, seen.now)
    return document


def status_of(seen: Seen, plan: Plan, outcomes: Outcomes) -> dict[str, Any]:
    """Return the whole status after the steps."""
    policy = seen.policy
    return status_after(policy.status.document(), plan, outcomes, policy.metadata.generation, seen.now)


def _trouble(seen: Seen, status: RetrainPolicyStatus) -> Findings | None:
    """Tell what someone should mend, though runs may start."""
    last = status.last_run
    if last is not None and last.outcome is RunOutcome.ERROR:
        told = f"the run {last.id} failed: {last.message}; mend it, then ask for a run (leeboard retrain)"
        return stalled("RunFailed", told)
    missing = sorted(name for name, monitor in seen.monitors.items() if monitor is None)
    if missing:
        told = f"waits for the DriftMonitor {missing[0]}, which a trigger names: apply it, or name another"
        return waiting("DriftMonitorMissing", told)
    if (unknown := _unknown_check(seen)) is not None:
        return stalled("UnknownCheck", unknown)
    if seen.collector_away and any(trigger.volume is not None for trigger in barriers.watched(seen)):
        return waiting("CollectorUnavailable", f"labels cannot be counted: {seen.collector_away}")
    return None


def _unknown_check(seen: Seen) -> str | None:
    """Return what is wrong with a trigger that waits for a check which its monitor does not make."""
    for trigger in barriers.watched(seen):
        monitor = seen.monitors.get(str(trigger.monitor))
        if monitor is None:
            continue
        made = [
            check.name for check in monitor.spec.checks if trigger.performance is None or check.performance is not None
        ]
        unknown = [name for name in trigger.checks if name not in made]
        if unknown:
            what = "performance check" if trigger.performance is not None else "check"
            names = f"name one of {', '.join(made)}, or add it there" if made else "add it there"
            return (
                f"the trigger {trigger.name} waits for the {what} {unknown[0]}, which the DriftMonitor "
                f"{monitor.metadata.name} does not make: {names}"
            )
    return None


def _held_back(seen: Seen, status: RetrainPolicyStatus, asking: Asking) -> Findings | None:
    """Tell of facts that hold and have started runs already."""
    end = triggers.interval_end(seen, status)
    if asking.resting and end is not None:
        told = "; ".join(fact.message for fact in asking.resting)
        return (true(READY, "MinInterval", f"{told}; if it still holds, a run starts at {iso(end)}, by minInterval"),)
    if asking.given_up:
        told = "; ".join(fact.message for fact in asking.given_up)
        most = seen.policy.spec.budget.stop_after_rejections
        hint = "look at the data; change the spec, or ask for a run (leeboard retrain)"
        return stalled("GivenUp", f"{told}; {most} runs have not ended it: {hint}")
    return None


def _watching(seen: Seen) -> Findings:
    told = ["when someone asks (leeboard retrain)"]
    ticks = seen.policy.spec.level.schedule
    if ticks is not None and ticks.every is not None:
        told.append(f"every {ticks.every}")
    elif ticks is not None:
        told.append(f"by the schedule {ticks.cron} ({ticks.time_zone or 'UTC'})")
    for trigger in barriers.watched(seen):
        if trigger.performance is not None:
            told.append(f"when the check {trigger.performance.check} of the DriftMonitor {trigger.monitor} is short")
        elif trigger.monitor is not None:
            told.append(f"at an episode of the DriftMonitor {trigger.monitor}")
        if trigger.volume is not None:
            told.append(f"after {trigger.volume.new_labelled_rows} new labels")
        if trigger.time is not None:
            told.append(f"when a version has served for {trigger.time.max_age}")
    return (true(READY, "Watching", f"a run starts {', '.join(told)}"),)
