"""What keeps a run from starting: small checks in order, the first that speaks counts. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from leeboard.api import slices
from leeboard.api.errors import SpecError
from leeboard.api.retrainpolicy import RetrainPolicyStatus, Trigger
from leeboard.control import schedule
from leeboard.control.clock import instant, iso
from leeboard.control.conditions import READY, STALLED, Finding, find, stalled, true, waiting
from leeboard.retrainpolicy import triggers
from leeboard.retrainpolicy.seen import Seen
from leeboard.retrainpolicy.triggers import Asking

Findings = tuple[Finding, ...]

LOOK_AGAIN = 15.0
"""Seconds between looks at what nobody announces: a free place, a log."""


@dataclass(frozen=True)
class Barrier:
    """Why no run starts now."""

    findings: Findings
    until: datetime | None = None
    """When it goes by itself."""
    look: float | None = None
    """Seconds until the next look, when nothing announces that it went."""


def lasting(seen: Seen, status: RetrainPolicyStatus, asking: Asking) -> Findings | None:
    """Return what stands in the way of any run, whether one is asked for or not."""
    return next((found for check in _LASTING if (found := check(seen, status, asking)) is not None), None)


def passing(seen: Seen, status: RetrainPolicyStatus, asking: Asking) -> Barrier | None:
    """Return why the run that is asked for must wait."""
    return next((found for check in _PASSING if (found := check(seen, status, asking)) is not None), None)


def needs_log(seen: Seen) -> bool:
    """Say whether the policy asks the collector at all."""
    return seen.policy.spec.data.window is not None or any(trigger.volume for trigger in watched(seen))


def may_train_first(seen: Seen, asking: Asking) -> bool:
    """Say whether a run may start before any version serves: by hand, from a table, with a trainer of one's own."""
    spec = seen.policy.spec
    return asking.manual and spec.data.dataset is not None and spec.trainer.entrypoint is not None


def _name(seen: Seen) -> str:
    return seen.policy.spec.model_deployment_ref.name


def watched(seen: Seen) -> list[Trigger]:
    """Return the triggers of the level."""
    continual = seen.policy.spec.level.continual
    return continual.triggers if continual is not None else []


def _suspended(seen: Seen, _status: RetrainPolicyStatus, asking: Asking) -> Findings | None:
    if not seen.policy.spec.suspend:
        return None
    told = f"; what waits: {asking.told}" if asking.firing else ""
    return (true(READY, "Suspended", f"no run starts until spec.suspend is false{told}"),)


def _another_policy(seen: Seen, _status: RetrainPolicyStatus, _asking: Asking) -> Findings | None:
    winner = seen.winner
    if winner is None:
        return None
    return stalled(
        "AnotherPolicy",
        f"the RetrainPolicy {winner.name} is older and retrains the ModelDeployment {_name(seen)} already: "
        "delete one of the two",
    )


def _model_missing(seen: Seen, _status: RetrainPolicyStatus, _asking: Asking) -> Findings | None:
    if seen.model is not None:
        return None
    return waiting(
        "ModelDeploymentMissing",
        f"waits for the ModelDeployment {_name(seen)} in this namespace: apply it, or name another",
    )


def _invalid_token(seen: Seen, _status: RetrainPolicyStatus, _asking: Asking) -> Findings | None:
    try:
        triggers.token(seen)
    except ValueError as error:
        return stalled("InvalidToken", f"the annotation leeboard.dev/retrain: {error}")
    return None


def _invalid_schedule(seen: Seen, _status: RetrainPolicyStatus, _asking: Asking) -> Findings | None:
    ticks = seen.policy.spec.level.schedule
    try:
        if ticks is not None:
            schedule.next_tick(ticks, seen.now)
    except SpecError as error:
        return stalled(error.reason, f"no run starts by itself: {error}")
    return None


def _invalid_slice(seen: Seen, _status: RetrainPolicyStatus, _asking: Asking) -> Findings | None:
    for gate in seen.policy.spec.evaluation.gates:
        try:
            if gate.slice is not None:
                slices.parse(gate.slice)
        except ValueError as error:
            return stalled("InvalidSlice", f"the gate {gate.name}: {error}")
    return None


def _no_collector(seen: Seen, _status: RetrainPolicyStatus, _asking: Asking) -> Findings | None:
    if seen.settings.collector_url is not None or not needs_log(seen):
        return None
    return stalled(
        "NoCollector",
        "predictions and labels are not logged: set LEEBOARD_COLLECTOR_URL of the operator to the collector, or "
        "train on data.dataset",
    )


def _sampled(seen: Seen, _status: RetrainPolicyStatus, _asking: Asking) -> Findings | None:
    if seen.model is None or seen.policy.spec.data.window is None:
        return None
    percent = seen.model.spec.logging.sample_percent
    if percent == 100:  # noqa: PLR2004 (whole)
        return None
    return stalled(
        "LoggingSampled",
        f"the ModelDeployment {_name(seen)} logs {percent} % of its requests, and a data.window needs all of them: "
        "set spec.logging.samplePercent to 100, or train on data.dataset",
    )


def _hidden_columns(seen: Seen, _status: RetrainPolicyStatus, _asking: Asking) -> Findings | None:
    if not seen.hidden:
        return None
    return stalled(
        "LoggingHidesColumns",
        f"the ModelDeployment {_name(seen)} drops or hashes {', '.join(seen.hidden)} before logging, and the model "
        "takes them: take them out of spec.logging.columns, or train on data.dataset",
    )


def _alias_of_another(seen: Seen, _status: RetrainPolicyStatus, _asking: Asking) -> Findings | None:
    conditions = [condition.document() for condition in seen.model.status.conditions] if seen.model is not None else []
    owned = find(conditions, STALLED)
    if owned is None or owned["reason"] != "AliasOwnedByOther":
        return None
    told = f"the ModelDeployment {_name(seen)} may not move its aliases: {owned['message']}"
    return waiting("AliasOwnedByOther", told)


def _monitor_of_another(seen: Seen, _status: RetrainPolicyStatus, _asking: Asking) -> Findings | None:
    for name, monitor in seen.monitors.items():
        if monitor is not None and monitor.spec.model_deployment_ref.name != _name(seen):
            other = monitor.spec.model_deployment_ref.name
            return stalled(
                "MonitorOfAnotherModel",
                f"the DriftMonitor {name} watches the ModelDeployment {other}, not {_name(seen)}: name one that does",
            )
    return None


def _stopped(_seen: Seen, status: RetrainPolicyStatus, asking: Asking) -> Findings | None:
    if status.stopped_generation is None or asking.manual:
        return None
    return stalled(
        "TooManyRejections",
        f"{status.consecutive_rejections} runs in a row brought no better model: retraining does not help, look at "
        "the data; change the spec, or ask for a run (leeboard retrain) to start again",
    )


def _no_stable_version(seen: Seen, _status: RetrainPolicyStatus, asking: Asking) -> Findings | None:
    if seen.model is None or seen.stable is not None or may_train_first(seen, asking):
        return None
    return waiting("NoStableVersion", f"waits until a version of the ModelDeployment {_name(seen)} serves")


def _rollout(seen: Seen, _status: RetrainPolicyStatus, asking: Asking) -> Barrier | None:
    rollout = seen.model.status.rollout if seen.model is not None else None
    if rollout is None:
        return None
    told = (
        f"{asking.told}; the run starts when the rollout under way of the ModelDeployment {_name(seen)} has ended, "
        f"since {rollout.start_time}"
    )
    return Barrier((true(READY, "RolloutUnderWay", told),))


def _interval(seen: Seen, status: RetrainPolicyStatus, asking: Asking) -> Barrier | None:
    until = triggers.interval_end(seen, status)
    if asking.manual or until is None or until <= seen.now:
        return None
    return Barrier(
        (true(READY, "MinInterval", f"{asking.told}; the run starts at {iso(until)}, by minInterval"),), until
    )


def _budget(seen: Seen, status: RetrainPolicyStatus, asking: Asking) -> Barrier | None:
    most = seen.policy.spec.budget.max_runs_per_day
    if starts_today(status, seen.now) < most:
        return None
    until = (seen.now + timedelta(days=1)).replace(hour=0, minute=0, second=0)
    told = f"{asking.told}; the run starts at {iso(until)}: budget.maxRunsPerDay is {most}"
    return Barrier((true(READY, "BudgetSpent", told),), until)


def _no_log(seen: Seen, _status: RetrainPolicyStatus, asking: Asking) -> Barrier | None:
    if seen.policy.spec.data.window is None or seen.tables is not None:
        return None
    why = seen.collector_away or "nothing has been logged yet: send requests and labels"
    reason = "CollectorUnavailable" if seen.collector_away else "NoLog"
    return Barrier(waiting(reason, f"{asking.told}; the run waits for its data: {why}"), look=LOOK_AGAIN)


def _no_room(seen: Seen, _status: RetrainPolicyStatus, asking: Asking) -> Barrier | None:
    if seen.room:
        return None
    most = seen.settings.max_jobs_at_once
    told = f"{asking.told}; the run waits for a free place: LEEBOARD_MAX_JOBS_AT_ONCE is {most}"
    return Barrier((true(READY, "WaitsForRoom", told),), look=LOOK_AGAIN)


def starts_today(status: RetrainPolicyStatus, now: datetime) -> int:
    """Return how many runs have started in this UTC day."""
    last = status.last_start_time
    return status.starts_today if last is not None and instant(last).date() == now.date() else 0


_LASTING: tuple[Callable[[Seen, RetrainPolicyStatus, Asking], Findings | None], ...] = (
    _suspended,
    _another_policy,
    _model_missing,
    _invalid_token,
    _invalid_schedule,
    _invalid_slice,
    _no_collector,
    _sampled,
    _hidden_columns,
    _alias_of_another,
    _monitor_of_another,
    _stopped,
    _no_stable_version,
)
_PASSING: tuple[Callable[[Seen, RetrainPolicyStatus, Asking], Barrier | None], ...] = (
    _rollout,
    _interval,
    _budget,
    _no_log,
    _no_room,
)
