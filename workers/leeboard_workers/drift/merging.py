"""One merge of two ascending samples, and what it tells: how far their distribution functions are apart."""

from dataclasses import dataclass

import numpy as np

from leeboard_workers.data.native import compiled
from leeboard_workers.drift.sorting import Floats


@dataclass(frozen=True)
class Gap:
    """The distance between two empirical distribution functions F and G."""

    largest: float
    """sup |F - G|: the statistic of Kolmogorov and Smirnov."""
    area: float
    """The integral of |F - G|: the first Wasserstein distance (Vallender, 1974)."""


def gap(then: Floats, now: Floats) -> Gap:
    """Merge two samples, each ascending, finite and not empty."""
    largest, area = _merged(_read_only(then), _read_only(now))
    return Gap(largest, area)


def _read_only(values: Floats) -> Floats:
    view = values.view()
    view.flags.writeable = False  # one kind of argument is compiled
    return view


@compiled
def _merged(then: Floats, now: Floats) -> tuple[float, float]:
    # The difference of the distribution functions is i / n - j / m; times n m it is an integer, and exact.
    n, m = np.uint64(then.size), np.uint64(now.size)
    i, j = np.uint64(0), np.uint64(0)
    apart, largest, area = np.int64(0), np.int64(0), 0.0
    up, down = np.int64(m), np.int64(n)
    last = min(then[0], now[0])
    while i < n and j < m:
        one, other = then[i], now[j]
        value = min(one, other)
        if value != last:  # between ties the difference is not one of the distribution functions
            largest = max(largest, abs(apart))
            area += abs(apart) * (value - last)
            last = value
        from_then, from_now = one <= other, other <= one
        i += np.uint64(from_then)
        j += np.uint64(from_now)
        apart += np.int64(from_then) * up - np.int64(from_now) * down
    while i < n:
        if then[i] != last:
            largest = max(largest, abs(apart))
            area += abs(apart) * (then[i] - last)
            last = then[i]
        i += np.uint64(1)
        apart += up
    while j < m:
        if now[j] != last:
            largest = max(largest, abs(apart))
            area += abs(apart) * (now[j] - last)
            last = now[j]
        j += np.uint64(1)
        apart -= down
    pairs = float(n) * float(m)
    return largest / pairs, area / pairs
