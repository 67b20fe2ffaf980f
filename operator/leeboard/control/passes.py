"""One pass, whatever the reason: look, decide, write, report. The only place where these meet."""

from typing import Any, Protocol, TypeVar

from leeboard.api.errors import NotYetError, SpecError, TransientError
from leeboard.control.ref import Ref
from leeboard.control.steps import Outcomes, Plan
from leeboard.control.world import World

__all__ = ["Loop", "NotYetError", "Ref", "SpecError", "TransientError"]

Subject = TypeVar("Subject")
Seen = TypeVar("Seen")


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
