"""What is kept of a reference column: its bins and its spread. Bins come from the reference alone.

Bins that were drawn over both samples would move with the window and hide what they ought to show.
"""

from dataclasses import dataclass
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
        inside = values.finite[(values.finite >= self.lowest) & (values.finite <= self.highest)]
        below = int(np.searchsorted(values.finite, self.lowest, side="left")) + values.below
        above = values.finite.size - inside.size - (below - values.below) + values.above
        bins = np.bincount(np.searchsorted(self.edges, inside, side="left"), minlength=self.edges.size + 1)
        return np.array([below, *bins, above, values.missing], dtype=np.int64)

    def document(self) -> dict[str, Any]:
        """Return the bins as they are stored beside the report."""
        if self.lowest > self.highest:
            return {"edges": []}
        return {"edges": self.edges.tolist(), "lowest": self.lowest, "highest": self.highest}


@dataclass(frozen=True)
class CategoricalBins:
    """Levels of a reference, with a bin for levels that it does not know and for what is missing."""

    levels: tuple[str, ...]

    def counts(self, values: Values) -> Counts:
        """Count rows by bin: the levels, unknown ones, missing."""
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
    inner = np.quantile(reference.finite, np.linspace(0, 1, MAX_BINS + 1)[1:-1], method="inverted_cdf")
    # An edge at the maximum would leave an empty last bin.
    edges = np.unique(inner)
    edges = edges[edges < reference.finite[-1]]
    return NumericBins(edges, float(reference.finite[0]), float(reference.finite[-1]))


def has_few_values(values: NumericValues) -> bool:
    """Whether the numbers are so few different ones that they are better compared as levels."""
    changes = np.flatnonzero(np.diff(values.finite))
    return values.finite.size > 0 and changes.size < FEW_DISTINCT


def as_levels(values: NumericValues) -> CategoricalValues:
    """Read numbers as levels; infinities are levels of their own."""
    distinct, counts = np.unique(values.finite, return_counts=True)
    levels = {f"{number:.15g}": int(count) for number, count in zip(distinct, counts, strict=True)}
    infinite = {"-inf": values.below, "inf": values.above}
    return CategoricalValues(levels | {name: count for name, count in infinite.items() if count}, values.missing)
