"""Canary: the candidate answers a growing share of the traffic. Pure."""

from dataclasses import dataclass

from leeboard.api.base import seconds
from leeboard.api.rollout import Canary


@dataclass(frozen=True)
class CanaryStage:
    """A growing share of the traffic."""

    canary: Canary

    @property
    def reason(self) -> str:
        """Return the reason of Ready while the stage lasts."""
        return "Canary"

    @property
    def steps(self) -> int:
        """How many shares there are."""
        return len(self.canary.steps)

    @property
    def shadow(self) -> None:
        """Nothing is copied."""

    def weight(self, step: int) -> int:
        """Return the candidate's percent of the traffic."""
        return self.canary.steps[step].weight

    def hold(self, step: int) -> int:
        """Return the seconds that the share is held at least."""
        return seconds(self.canary.steps[step].hold)

    def describe(self, step: int) -> str:
        """Say which step of how many it is."""
        return f"step {step + 1} of {self.steps}, {self.weight(step)} % of the traffic"
