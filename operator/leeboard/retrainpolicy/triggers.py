"""Which facts ask for a run. Each (id, count) starts at most one, ever. Pure.

A fact is something that holds in the world: an open episode of drift, labels beyond a mark, a version's age, a tick of
the schedule, a person's token. A tick and a token start one run. The others may start another, with the next count,
while they hold and once `minInterval` has passed; after `stopAfterRejections` runs under one spec they are given up,
until the spec changes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from leeboard.api.actions import RETRAIN, parse_token
from leeboard.api.base import seconds
from leeboard.api.errors import SpecError
from leeboard.api.retrainpolicy import (
    KIND,
    FiredTrigger,
    RetrainPolicyStatus,
    TimeTrigger,
    Trigger,
    VolumeTrigger,
)
from leeboard.contract.documents import short_hash
from leeboard.control import schedule
from leeboard.control.clock import instant, iso
from leeboard.control.conditions import cut
from leeboard.retrainpolicy.seen import Seen

MANUAL = "manual"
SCHEDULE = "schedule"
ACTION = "retrain"
"""Name of the handled action."""
MAX_CONSUMED = 40


@dataclass(frozen=True)
class Fact:
    """Something that holds now and asks for a run."""

    name: str
    """Name of the trigger."""
    id: str
    """Identity: the same as long as it is the same fact."""
    message: str
    """The fact in a sentence that does not change while it holds."""


@dataclass(frozen=True)
class Asking:
    """The facts that hold, by what may come of them."""

    firing: tuple[FiredTrigger, ...] = ()
    """May start a run."""
    resting: tuple[Fact, ...] = ()
    """Have started one, and may again when `minInterval` has passed."""
    given_up: tuple[Fact, ...] = ()
    """Have started so many that they start no more."""

    @property
    def manual(self) -> bool:
        """Whether a person asks."""
        return any(trigger.name == MANUAL for trigger in self.firing)

    @property
    def told(self) -> str:
        """What asks, in a sentence."""
        return "; ".join(trigger.message for trigger in self.firing)


def token(seen: Seen) -> str | None:
    """Return the token with which a person asks for a run that has not been started. Raises ValueError: it is none."""
    value = seen.policy.metadata.annotations.get(RETRAIN)
    if value is None:
        return None
    handled = {action.value for action in seen.policy.status.handled_actions if action.name == ACTION}
    return None if value in handled else parse_token(value)


def facts(seen: Seen) -> list[Fact]:
    """Return what holds now."""
    found = []
    try:
        asked = token(seen)
    except ValueError:  # the conditions tell
        asked = None
    if asked is not None:
        found.append(Fact(MANUAL, f"manual/{asked}", f"asked for with the token {asked}"))
    found.extend(_tick(seen))
    continual = seen.policy.spec.level.continual
    for trigger in continual.triggers if continual is not None else ():
        found.extend(_facts_of(trigger, seen))
    return found


def next_tick(seen: Seen) -> datetime | None:
    """Return when the schedule strikes next for this policy; None: it has none, or one that cannot be read."""
    ticks = seen.policy.spec.level.schedule
    try:
        return schedule.next_due(ticks, seen.now, *_identity(seen)) if ticks is not None else None
    except SpecError:  # the conditions tell
        return None


def weigh(seen: Seen, status: RetrainPolicyStatus) -> Asking:
    """Sort the facts that hold by what may come of them."""
    firing, resting, given_up = [], [], []
    interval = interval_end(seen, status)
    generation, bound = seen.policy.metadata.generation, seen.policy.spec.budget.stop_after_rejections
    for fact in facts(seen):
        starts = [old for old in status.consumed if old.id == fact.id]
        if starts and fact.name in {MANUAL, SCHEDULE}:
            continue  # a token or a tick starts one run
        if sum(old.generation == generation for old in starts) >= bound:
            given_up.append(fact)
        elif starts and interval is not None and interval > seen.now:
            resting.append(fact)
        else:
            count = max((old.count for old in starts), default=0) + 1
            fired = FiredTrigger(
                name=fact.name, id=fact.id, count=count, message=cut(fact.message), generation=generation
            )
            firing.append(fired)
    return Asking(tuple(firing), tuple(resting), tuple(given_up))


def run_id(seen: Seen, triggers: Sequence[FiredTrigger]) -> str:
    """Name a run by what it consumes."""
    return short_hash(seen.policy.metadata.uid, sorted((trigger.id, trigger.count) for trigger in triggers), length=16)


def interval_end(seen: Seen, status: RetrainPolicyStatus) -> datetime | None:
    """Return when `minInterval` after the last start is over; None: nothing to wait for."""
    continual = seen.policy.spec.level.continual
    if continual is None or status.last_start_time is None:
        return None
    return instant(status.last_start_time) + timedelta(seconds=seconds(continual.min_interval))


def ages(seen: Seen) -> Iterator[tuple[Trigger, datetime]]:
    """Yield the time triggers and when each comes to hold."""
    continual = seen.policy.spec.level.continual
    for trigger in continual.triggers if continual is not None else ():
        if trigger.time is not None and seen.stable is not None:
            yield trigger, instant(seen.stable.since_time) + timedelta(seconds=seconds(trigger.time.max_age))


def _tick(seen: Seen) -> Iterator[Fact]:
    """Yield the newest tick: of missed ones only it, and none from before the policy was made or a run began."""
    ticks = seen.policy.spec.level.schedule
    if ticks is None:
        return
    try:
        tick = schedule.due_tick(ticks, seen.now, *_identity(seen))
    except SpecError:  # the conditions tell
        return
    due = tick + schedule.jitter(ticks, tick, *_identity(seen))
    meta, started = seen.policy.metadata, seen.policy.status.last_start_time
    before = [instant(time) for time in (meta.creation_timestamp, started) if time]
    if all(due > time for time in before):
        yield Fact(SCHEDULE, f"schedule/{iso(tick)}", f"its schedule struck at {iso(tick)}")


def _identity(seen: Seen) -> tuple[str, str, str]:
    return KIND, seen.policy.metadata.namespace, seen.policy.metadata.name


def _facts_of(trigger: Trigger, seen: Seen) -> Iterator[Fact]:
    if trigger.monitor is not None:
        yield from _episode(trigger, seen)
    if trigger.volume is not None:
        yield from _volume(trigger.name, trigger.volume, seen)
    if trigger.time is not None:
        yield from _time(trigger.name, trigger.time, seen)


def _episode(trigger: Trigger, seen: Seen) -> Iterator[Fact]:
    """Yield the open episode that a trigger waits for; each performance check in it is a fact of its own."""
    monitor = seen.monitors.get(str(trigger.monitor))
    episode = monitor.status.episode if monitor is not None else None
    if monitor is None or episode is None:
        return
    if trigger.checks and not set(trigger.checks) & set(episode.checks):
        return
    if seen.stable is None or episode.model_version not in {None, seen.stable.version}:
        return  # about a version that serves no more: the monitor will close it
    name, since = monitor.metadata.name, episode.started_time
    if trigger.performance is not None:
        check = trigger.performance.check
        if not any(made.name == check and made.performance is not None for made in monitor.spec.checks):
            return  # the conditions tell
        message = f"the check {check} of the DriftMonitor {name} finds worse answers, in its episode since {since}"
        yield Fact(trigger.name, f"performance/{name}/{episode.id}/{check}", message)
        return
    yield Fact(trigger.name, f"drift/{name}/{episode.id}", f"the DriftMonitor {name} sees drift since {since}")


def _volume(name: str, trigger: VolumeTrigger, seen: Seen) -> Iterator[Fact]:
    mark = seen.policy.status.high_water_mark or 0
    if seen.tables is not None and seen.tables.label_rows - mark >= trigger.new_labelled_rows:
        message = f"at least {trigger.new_labelled_rows} labels have come since the {mark} of the last run"
        yield Fact(name, f"volume/{name}/{mark}", message)


def _time(name: str, trigger: TimeTrigger, seen: Seen) -> Iterator[Fact]:
    stable = seen.stable
    for aged, due in ages(seen):
        if aged.name == name and stable is not None and due <= seen.now:
            message = f"version {stable.version} serves since {stable.since_time}, longer than {trigger.max_age}"
            yield Fact(name, f"time/{name}/{stable.version}/{stable.since_time}", message)
