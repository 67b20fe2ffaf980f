"""Thresholds that the reference teaches instead of the manifest."""

from math import ceil
from typing import Annotated, ClassVar

from pydantic import Field

from leeboard.api.base import ApiModel, Rule, exactly_one

FEWEST_WINDOWS = 5
"""Of fewer windows a standard deviation says little."""


class Learned(ApiModel):
    """A bound taken from windows of the reference, each as long as the scored one and held against all the rest.

    The reference is cut in order of time: how much one week differs from another, and one season, is in the bound.
    """

    sigma: Annotated[float, Field(gt=0, le=10)] | None = None
    """The mean of these windows and so many standard deviations; the reference must hold five windows at least."""
    quantile: Annotated[float, Field(ge=0.5, le=0.999)] | None = None
    """What this share of windows like them stays below; the reference must hold quantile / (1 - quantile) windows:
    9 for 0.9, 19 for 0.95, 99 for 0.99."""

    @property
    def windows_needed(self) -> int:
        """So many windows the reference must hold."""
        if self.quantile is None:
            return FEWEST_WINDOWS
        return max(ceil(self.quantile / (1 - self.quantile) - 1e-9), FEWEST_WINDOWS)

    @property
    def told(self) -> str:
        """The rule in words."""
        return f"mean + {self.sigma:g} sd" if self.sigma is not None else f"quantile {self.quantile:g}"

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("sigma", "quantile"),)


BY_DEFAULT = Learned(sigma=3)
"""How a bound that is left out is learned, where the reference holds windows enough."""
