"""The stages of a rollout, one file each; a stage answers what share it asks for, and how long it lasts. Pure."""

from typing import Protocol

from leeboard.api.rollout import Shadow, Stage
from leeboard.modeldeployment.stages.canary import CanaryStage
from leeboard.modeldeployment.stages.shadow import ShadowStage


class RolloutStage(Protocol):
    """What the walk through the stages needs to know of one."""

    @property
    def reason(self) -> str:
        """Return the reason of Ready while the stage lasts, in CamelCase."""

    @property
    def steps(self) -> int:
        """How many steps it has, at least one."""

    def weight(self, step: int) -> int:
        """Return the percent of the traffic that the candidate gets in a step."""

    @property
    def shadow(self) -> Shadow | None:
        """How much of the traffic is copied to the candidate, and what its answers must be like; None: nothing is."""

    def hold(self, step: int) -> int:
        """Return the seconds that a step lasts at least."""

    def describe(self, step: int) -> str:
        """Say what the step is, in a few words."""


def of(stage: Stage) -> RolloutStage:
    """Return the behaviour of a stage.

    Raises:
        ValueError: the stage has no variant; the API refuses that before.
    """
    if stage.shadow is not None:
        return ShadowStage(stage.shadow)
    if stage.canary is not None:
        return CanaryStage(stage.canary)
    raise ValueError(f"the stage {stage.name} has no variant")
