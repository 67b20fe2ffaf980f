"""How the columns' numbers become one number for the window, and how sure a rate is."""

from collections.abc import Sequence
from math import sqrt

from leeboard.api.checks import Aggregate

ONE_SIDED_95 = 1.6448536269514722
"""95 % quantile of the normal distribution."""


def drifted_share(drifted: Sequence[bool], weights: Sequence[float]) -> float:
    """Return the share of the weight that drifted; with no weight at all, of the columns."""
    if sum(weights) <= 0:
        weights = [1.0] * len(drifted)
    return sum(weight for weight, moved in zip(weights, drifted, strict=True) if moved) / sum(weights)


def aggregated(distances: Sequence[float], weights: Sequence[float], how: Aggregate) -> float:
    """Return the weighted mean of the distances, or the largest of a column that weighs anything."""
    if sum(weights) <= 0:
        weights = [1.0] * len(distances)
    if how is Aggregate.MAX:
        return max(distance for distance, weight in zip(distances, weights, strict=True) if weight > 0)
    return sum(distance * weight for distance, weight in zip(distances, weights, strict=True)) / sum(weights)


def wilson_lower_bound(hits: int, rows: int, z: float = ONE_SIDED_95) -> float:
    """Return the one-sided lower confidence bound of a rate (Wilson, 1927)."""
    rate = hits / rows
    centre = rate + z * z / (2 * rows)
    margin = z * sqrt(rate * (1 - rate) / rows + z * z / (4 * rows * rows))
    return max((centre - margin) / (1 + z * z / rows), 0.0)
