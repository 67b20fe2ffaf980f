"""Bins of a reference column. They come from the reference alone.

Bins that were drawn over both samples would move with the window and hide what they ought to show.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from leeboard_workers.drift.values import CategoricalValues, Floats, NumericValues, Values

MAX_BINS = 20
FEW_DISTINCT = 10
"""With at most so many distinct numbers, `Auto` compares them as levels."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NumericBins:
    """Quantile bins of a reference, with a bin for what lies below, above, and for what is missing."""

    edges: Floats
    """Inner edges, ascending and distinct; a value equal to an edge lies below it."""
    lowest: float
    highest: float

    def counts(self, values: Values) -> Counts:
        """Count rows by bin: below, the quantile bins, above, missing."""
        if not isinstance(values, NumericValues):
            raise TypeError("numeric bins count numbers")
        below = int(np.searchsorted(values.finite, self.lowest, side="left"))
        upto = np.searchsorted(values.finite, [*self.edges, self.highest], side="right")
        inside = np.diff(np.maximum(upto, below), prepend=below)
        above = values.finite.size - below - int(inside.sum())
        return np.array([below + values.below, *inside, above + values.above, values.missing], dtype=np.int64)

    def document(self) -> dict[str, Any]:
        """Return the bins as they are stored beside the report."""
        if self.lowest > self.highest:
            return {"edges": []}
        return {"edges": self.edges.tolist(), "lowest": self.lowest, "highest": self.highest}


@dataclass(frozen=True)
class CategoricalBins:
    """Levels of a reference, with a bin for all that it does not tell apart and for what is missing."""

    levels: tuple[str, ...]

    def counts(self, values: Values) -> Counts:
        """Count rows by bin: the levels, the others, missing."""
        if not isinstance(values, CategoricalValues):
            raise TypeError("levels count levels")
        known = [values.counts.get(level, 0) for level in self.levels]
        return np.array([*known, values.present - sum(known), values.missing], dtype=np.int64)

    def document(self) -> dict[str, Any]:
        """Return the bins as they are stored beside the report."""
        return {"levels": list(self.levels)}


Bins = NumericBins | CategoricalBins


def bins_of(reference: Values) -> Bins:
    """Draw the bins: at most 20 quantiles, merged where they tie, or the levels."""
    if isinstance(reference, CategoricalValues):
        return CategoricalBins(tuple(sorted(reference.counts)))
    if reference.finite.size == 0:
        return NumericBins(np.empty(0), np.inf, -np.inf)
    edges = np.unique([reference.quantile(place / MAX_BINS) for place in range(1, MAX_BINS)])
    # An edge at the maximum would leave an empty last bin.
    edges = edges[edges < reference.finite[-1]]
    return NumericBins(edges, float(reference.finite[0]), float(reference.finite[-1]))


def has_few_values(values: NumericValues) -> bool:
    """Whether the numbers are so few different ones that they are better compared as levels."""
    return 0 < values.distinct(FEW_DISTINCT + 1).size <= FEW_DISTINCT


@dataclass(frozen=True)
class Shares:
    """Counts of two samples in the same bins."""

    reference: Counts
    window: Counts

    @cached_property
    def raw(self) -> tuple[Floats, Floats]:
        """The shares as they are."""
        return self.reference / self.reference.sum(), self.window / self.window.sum()

    @cached_property
    def smoothed(self) -> tuple[Floats, Floats]:
        """The shares with half a row more in each bin that has rows on either side (Jeffreys' prior).

        Where a logarithm needs it, an empty bin then adds a bounded amount, which shrinks as rows come, not infinity.
        """
        used = (self.reference + self.window) > 0
        then, now = self.reference[used] + SMOOTHING, self.window[used] + SMOOTHING
        return then / then.sum(), now / now.sum()


SMOOTHING = 0.5
"""Rows added to each bin of each side."""
