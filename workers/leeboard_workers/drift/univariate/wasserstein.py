"""Wasserstein distance in units of the reference's spread."""

import numpy as np

from leeboard_workers.drift.univariate.pair import Pair
from leeboard_workers.drift.values import Floats


def wasserstein(pair: Pair) -> tuple[float, float]:
    """Return the first Wasserstein distance of the finite values, in the reference's standard deviations and as it is.

    The distance is the area between the empirical distribution functions (Vallender, 1974), as in
    `scipy.stats.wasserstein_distance`. A constant reference has no spread: the standard deviation of the
    half-and-half mixture of both sides stands in for it, which keeps the number free of units.
    """
    reference, window = pair.numbers
    area, unit = pair.gap.area, pair.unit
    if area == 0:
        return 0.0, 0.0
    if reference.finite[0] == reference.finite[-1]:
        spread = _mixture_spread(reference.finite / unit, window.finite / unit)
    elif unit == 1.0:
        spread = reference.spread
    else:
        spread = float(np.std(reference.finite / unit))
    return (area / spread if spread > 0 else area), area * unit


def _mixture_spread(then: Floats, now: Floats) -> float:
    between = (float(np.mean(now)) - float(np.mean(then))) / 2
    return float(np.sqrt(between**2 + (np.var(then) + np.var(now)) / 2))
