"""Wasserstein distance in units of the reference's spread."""

import numpy as np

from leeboard_workers.drift.values import Floats, NumericValues

_HUGE = 1e100


def wasserstein(reference: NumericValues, window: NumericValues) -> float:
    """Return the first Wasserstein distance of the finite values, divided by the reference's standard deviation.

    The distance is the area between the empirical distribution functions (Vallender, 1974), as in
    `scipy.stats.wasserstein_distance`. A constant reference has no spread: the standard deviation of the
    half-and-half mixture of both sides stands in for it, which keeps the number free of units.
    """
    from scipy.stats import wasserstein_distance  # noqa: PLC0415 (half a second that other jobs do not need)

    then, now = reference.finite, window.finite
    largest = max(abs(then[0]), abs(then[-1]), abs(now[0]), abs(now[-1]))
    if largest > _HUGE:  # squares would overflow; the ratio does not depend on the unit
        then, now = then / largest, now / largest
    distance = float(wasserstein_distance(then, now))
    if distance == 0:
        return 0.0
    spread = float(np.std(then)) if then[0] != then[-1] else _mixture_spread(then, now)
    return distance / spread if spread > 0 else distance


def _mixture_spread(then: Floats, now: Floats) -> float:
    between = (float(np.mean(now)) - float(np.mean(then))) / 2
    return float(np.sqrt(between**2 + (np.var(then) + np.var(now)) / 2))
