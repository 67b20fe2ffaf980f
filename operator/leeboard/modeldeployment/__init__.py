"""ModelDeployment: one stable version serves, a new one comes in by a watched rollout."""

from typing import Any

from pydantic import ValidationError

from leeboard.api.modeldeployment import KIND, ModelDeployment
from leeboard.control.passes import Loop
from leeboard.control.reading import read
from leeboard.control.steps import Outcomes, Plan
from leeboard.control.world import World
from leeboard.modeldeployment import decide, observe, status
from leeboard.modeldeployment.seen import Seen

__all__ = ["LOOP"]


class ModelDeploymentLoop:
    """What a ModelDeployment brings to the pass."""

    kind = KIND

    def parse(self, raw: dict[str, Any]) -> ModelDeployment:
        """Read the object. Raises SpecError."""
        try:
            return ModelDeployment.model_validate(raw)
        except ValidationError as error:
            if all(item["loc"][:1] == ("status",) for item in error.errors()):
                # Written by another release, say: what is needed of it is found again in the registry.
                return ModelDeployment.model_validate({name: part for name, part in raw.items() if name != "status"})
            return read(ModelDeployment, raw)

    async def observe(self, subject: ModelDeployment, world: World) -> Seen:
        """Look at everything the decision needs. Raises TransientError."""
        return await observe.observe(subject, world)

    def decide(self, seen: Seen) -> Plan:
        """Decide; pure."""
        return decide.decide(seen)

    def status_of(self, seen: Seen, plan: Plan, outcomes: Outcomes) -> dict[str, Any]:
        """Return the whole status after the steps; pure."""
        return status.status_of(seen, plan, outcomes)


LOOP: Loop[ModelDeployment, Seen] = ModelDeploymentLoop()
