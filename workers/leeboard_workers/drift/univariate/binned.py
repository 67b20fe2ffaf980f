"""Distances between two binned distributions. Bins without rows on both sides count for nothing."""

import numpy as np

from leeboard_workers.drift.bins import Shares
from leeboard_workers.drift.values import Floats


def jensen_shannon(shares: Shares) -> float:
    """Return the Jensen-Shannon distance in base 2: from 0 to 1 (Endres and Schindelin, 2003)."""
    then, now = shares.raw
    middle = (then + now) / 2
    divergence = (_relative_entropy(then, middle) + _relative_entropy(now, middle)) / 2
    return float(np.sqrt(np.clip(divergence / np.log(2), 0.0, 1.0)))


def kullback_leibler(shares: Shares) -> float:
    """Return the divergence of the window from the reference in nats (Kullback and Leibler, 1951), smoothed."""
    then, now = shares.smoothed
    return max(_relative_entropy(now, then), 0.0)


def population_stability(shares: Shares) -> float:
    """Return the population stability index (Siddiqi, 2006): the divergences both ways, in nats, smoothed."""
    then, now = shares.smoothed
    return float(((now - then) * np.log(now / then)).sum())


def hellinger(shares: Shares) -> float:
    """Return the Hellinger distance: from 0 to 1 (Hellinger, 1909)."""
    then, now = shares.raw
    return float(min(np.linalg.norm(np.sqrt(then) - np.sqrt(now)) / np.sqrt(2), 1.0))


def total_variation(shares: Shares) -> float:
    """Return the total variation distance: the share of rows that would have to change bins, from 0 to 1."""
    then, now = shares.raw
    return float(min(np.abs(then - now).sum() / 2, 1.0))


def _relative_entropy(p: Floats, q: Floats) -> float:
    used = p > 0
    return float((p[used] * np.log(p[used] / q[used])).sum())
