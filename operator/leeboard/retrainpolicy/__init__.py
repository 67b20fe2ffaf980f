"""RetrainPolicy: retrains a model when facts ask for it, and follows the new version until its rollout has ended."""

from typing import Any

from leeboard.api.retrainpolicy import KIND, RetrainPolicy
from leeboard.control.reading import read
from leeboard.control.steps import Outcomes, Plan
from leeboard.control.world import World
from leeboard.retrainpolicy.decide import decide
from leeboard.retrainpolicy.observe import observe
from leeboard.retrainpolicy.seen import Seen
from leeboard.retrainpolicy.status import status_of


class RetrainPolicyLoop:
    """What a RetrainPolicy brings to the pass."""

    kind = KIND

    def parse(self, raw: dict[str, Any]) -> RetrainPolicy:
        """Read the object. Raises SpecError."""
        return read(RetrainPolicy, raw)

    async def observe(self, subject: RetrainPolicy, world: World) -> Seen:
        """Look. Raises TransientError, SpecError."""
        return await observe(subject, world)

    def decide(self, seen: Seen) -> Plan:
        """Decide."""
        return decide(seen)

    def status_of(self, seen: Seen, plan: Plan, outcomes: Outcomes) -> dict[str, Any]:
        """Return the whole status after the steps."""
        return status_of(seen, plan, outcomes)


LOOP = RetrainPolicyLoop()
