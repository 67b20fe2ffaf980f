"""Distances between two binned distributions. Bins without rows on both sides count for nothing."""

from dataclasses import dataclass

import numpy as np

from leeboard_workers.drift.reference import Counts
from leeboard_workers.drift.values import Floats

SMOOTHING = 0.5
"""Rows added to each bin of each side (Jeffreys' prior) where a logarithm needs it: an empty bin adds a bounded
amount, which shrinks as rows come, instead of infinity."""


@dataclass(frozen=True)
class Shares:
    """Counts of two samples in the same bins."""

    reference: Counts
    window: Counts

    def raw(self) -> tuple[Floats, Floats]:
        """Return the shares as they are."""
        return self.reference / self.reference.sum(), self.window / self.window.sum()

    def smoothed(self) -> tuple[Floats, Floats]:
        """Return the shares with half a row more in each bin that has rows on either side."""
        used = (self.reference + self.window) > 0
        then, now = self.reference[used] + SMOOTHING, self.window[used] + SMOOTHING
        return then / then.sum(), now / now.sum()


def jensen_shannon(shares: Shares) -> float:
    """Return the Jensen-Shannon distance in base 2: from 0 to 1 (Endres and Schindelin, 2003)."""
    then, now = shares.raw()
    middle = (then + now) / 2
    divergence = (_relative_entropy(then, middle) + _relative_entropy(now, middle)) / 2
    return float(np.sqrt(np.clip(divergence / np.log(2), 0.0, 1.0)))


def kullback_leibler(shares: Shares) -> float:
    """Return the divergence of the window from the reference in nats (Kullback and Leibler, 1951), smoothed."""
    then, now = shares.smoothed()
    return max(_relative_entropy(now, then), 0.0)


def population_stability(shares: Shares) -> float:
    """Return the population stability index (Siddiqi, 2006): the divergences both ways, in nats, smoothed."""
    then, now = shares.smoothed()
    return float(((now - then) * np.log(now / then)).sum())


def hellinger(shares: Shares) -> float:
    """Return the Hellinger distance: from 0 to 1 (Hellinger, 1909)."""
    then, now = shares.raw()
    return float(min(np.linalg.norm(np.sqrt(then) - np.sqrt(now)) / np.sqrt(2), 1.0))


def _relative_entropy(p: Floats, q: Floats) -> float:
    used = p > 0
    return float((p[used] * np.log(p[used] / q[used])).sum())
