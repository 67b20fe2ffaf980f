"""Shadow: the candidate gets a copy of the traffic, and nobody sees what it answers. Pure."""

from dataclasses import dataclass

from leeboard.api.base import seconds
from leeboard.api.rollout import Shadow


@dataclass(frozen=True)
class ShadowStage:
    """A copy of the traffic."""

    shadow: Shadow

    @property
    def reason(self) -> str:
        """Return the reason of Ready while the stage lasts."""
        return "Shadow"

    @property
    def steps(self) -> int:
        """There is one."""
        return 1

    def weight(self, step: int) -> int:
        """Return the candidate's percent of the traffic: none of its answers is seen."""
        del step
        return 0

    def hold(self, step: int) -> int:
        """Return the seconds that copies are made at least."""
        del step
        return seconds(self.shadow.duration)

    def describe(self, step: int) -> str:
        """Say how much is copied."""
        del step
        return f"a copy of {self.shadow.percent} % of the traffic"
