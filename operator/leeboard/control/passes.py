"""One pass, whatever the reason: look, decide, write, report. The only place where these meet."""

import logging
from typing import Any, Protocol, TypeVar

from leeboard.api.errors import NotYetError, SpecError, TransientError
from leeboard.control import gauges
from leeboard.control.apply import apply
from leeboard.control.children import is_being_deleted
from leeboard.control.conditions import READY, RECONCILING, STALLED, Finding, false, merge, true
from leeboard.control.listing import Manifest
from leeboard.control.ref import Ref
from leeboard.control.refusals import ConflictError, RefusedError
from leeboard.control.steps import Finished, Look, Outcomes, Plan
from leeboard.control.world import World

__all__ = ["Loop", "NotYetError", "Ref", "SpecError", "TransientError", "one_pass"]

Subject = TypeVar("Subject")
Seen = TypeVar("Seen")

logger = logging.getLogger(__name__)


class Loop(Protocol[Subject, Seen]):
    """What a kind brings to the pass."""

    kind: str

    def parse(self, raw: dict[str, Any]) -> Subject:
        """Read the object. Raises SpecError."""

    async def observe(self, subject: Subject, world: World) -> Seen:
        """Look at everything the decision needs. Raises TransientError, NotYetError, SpecError."""

    def decide(self, seen: Seen) -> Plan:
        """Decide; pure."""

    def status_of(self, seen: Seen, plan: Plan, outcomes: Outcomes) -> dict[str, Any]:
        """Return the whole status after the steps; pure."""


async def one_pass(loop: Loop[Any, Any], ref: Ref, world: World) -> Finished:
    """Look at an object and do what is to be done about it.

    Four kinds of errors, told apart here and nowhere else: the object asks for the impossible (Stalled, wait for a
    change), something comes first (look later), a neighbour is away (say so, back off), or Leeboard is wrong (trace,
    back off). The rest of the status stays as it was.
    """
    with world.telemetry.pass_seconds.labels(loop.kind).time():
        try:
            raw = await world.client.get(loop.kind, ref.namespace, ref.name)
        except TransientError as error:
            return _trouble(error, ref, world)[0]
        if raw is None or is_being_deleted(raw):
            gauges.forget(world.telemetry, ref)
            return Finished(Look.never())
        world.store.put(raw, by=ref)
        record = _Record(ref, raw, world)
        try:
            return await _decide_and_do(loop, record, world)
        except ConflictError:
            logger.info("someone else wrote the object during the pass; looking again")
            return Finished(Look.never(), failed=True)
        except Exception as error:  # noqa: BLE001 (told apart, and traced when it is our mistake)
            return await record.report(*_trouble(error, ref, world))


async def _decide_and_do(loop: Loop[Any, Any], record: "_Record", world: World) -> Finished:
    subject = loop.parse(record.raw)
    seen = await loop.observe(subject, world)
    plan = loop.decide(seen)
    if plan.intent is not None:
        await record.write(plan.intent)
    outcomes = await apply(plan.steps, record.raw, world)
    await record.write(loop.status_of(seen, plan, outcomes))
    if outcomes.failure is not None:
        logger.warning("%s was not done: %s", type(outcomes.failure.step).__name__, outcomes.failure.message)
    if not outcomes.ok:
        world.telemetry.pass_errors.labels(loop.kind, "Step").inc()
    return Finished(plan.look, failed=not outcomes.ok)


class _Record:
    """The object as it was last read or written in this pass."""

    def __init__(self, ref: Ref, raw: Manifest, world: World) -> None:
        self.raw = raw
        self._ref = ref
        self._world = world

    async def write(self, status: dict[str, Any]) -> None:
        """Write the whole status, unless it stands already. Raises ConflictError, TransientError."""
        before = self.raw.get("status") or {}
        gauges.tell(self._world.telemetry, self._ref, before, status)
        if status == before:
            return
        self.raw = await self._world.client.replace_status(self.raw, status)
        self._world.store.put(self.raw, by=self._ref)

    async def report(self, finished: Finished, findings: tuple[Finding, ...]) -> Finished:
        """Write what went wrong into the conditions; the rest of the status stays."""
        status = self.raw.get("status") or {}
        generation = self.raw["metadata"].get("generation", 0)
        conditions = merge(status.get("conditions") or (), findings, generation, self._world.clock.now())
        try:
            await self.write({**status, "observedGeneration": generation, "conditions": conditions})
        except (ConflictError, TransientError, RefusedError) as error:
            logger.warning("the status was not written: %s", error)
            return Finished(finished.look, failed=True)
        return finished


def _trouble(error: Exception, ref: Ref, world: World) -> tuple[Finished, tuple[Finding, ...]]:
    """Tell the kinds of errors apart: how the pass ends, and what the conditions say."""
    message = str(error)
    match error:
        case SpecError():
            findings = false(READY, error.reason, message), true(STALLED, error.reason, message)
            return Finished(Look.never()), findings
        case NotYetError():
            return Finished(Look(error.after)), _waiting(error.reason, message)
        case TransientError():
            logger.warning("%s", message)
            world.telemetry.pass_errors.labels(ref.kind, "Transient").inc()
            return Finished(Look.never(), failed=True), _waiting(error.reason, message)
        case _:
            logger.error("the pass broke", exc_info=error)
            world.telemetry.pass_errors.labels(ref.kind, "Bug").inc()
            message = f"a mistake of Leeboard's own ({type(error).__name__}: {error}); the operator's log has the trace"
            return Finished(Look.never(), failed=True), _waiting("InternalError", message)


def _waiting(reason: str, message: str) -> tuple[Finding, ...]:
    return false(READY, reason, message), true(RECONCILING, reason, message)
