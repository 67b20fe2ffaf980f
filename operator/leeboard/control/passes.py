"""One pass, whatever the reason: look, decide, write, report. The only place where these meet."""

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from leeboard.control.steps import Outcomes, Plan


@dataclass(frozen=True, order=True)
class Ref:
    """An object that the operator works on."""

    kind: str
    namespace: str
    name: str


class SpecError(Exception):
    """The object asks for something that cannot be: report it, wait for a change."""


class NotYetError(Exception):
    """Something else must happen first: look later; the message says what."""


class TransientError(Exception):
    """A neighbour is away: back off; the message names it and says what to do."""


Subject = TypeVar("Subject")
Seen = TypeVar("Seen")


class Loop(Protocol[Subject, Seen]):
    """What a kind brings to the pass."""

    kind: str

    def parse(self, raw: dict[str, Any]) -> Subject:
        """Read the object. Raises SpecError."""

    async def observe(self, subject: Subject, world: Any) -> Seen:
        """Look at everything the decision needs. Raises TransientError, NotYetError, SpecError."""

    def decide(self, seen: Seen) -> Plan:
        """Decide; pure."""

    def status_of(self, seen: Seen, plan: Plan, outcomes: Outcomes) -> dict[str, Any]:
        """Return the whole status after the steps; pure."""
