"""Which spans count as the window's: as they were observed, and in each permutation of them."""

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.drift.multivariate.sides import Sides

Arrangements = NDArray[np.float32]
"""1 where a span counts as the window's: spans, the reference's first, by arrangements, the observed one first."""


def arranged(sides: Sides, permutations: int, seed: int) -> Arrangements:
    """Permute the spans of both sides.

    Args:
        sides: Both sides.
        permutations: Arrangements beside the observed one.
        seed: Seed of the permutations.
    """
    generator = np.random.default_rng(seed)
    observed = np.repeat(np.array([0.0, 1.0], np.float32), [sides.reference_spans, sides.window_spans])
    found = np.empty((len(observed), permutations + 1), np.float32)
    found[:, 0] = observed
    for at in range(permutations):
        found[:, at + 1] = generator.permutation(observed)
    return found


def p_value(statistics: NDArray[np.float64], rounding: float = 0.0) -> float:
    """Return (1 + k)/(P + 1): the share of arrangements with at least the statistic of the first, the observed one.

    Source: Phipson and Smyth, "Permutation p-values should never be zero", 2010.

    Args:
        statistics: By arrangement, the observed one first.
        rounding: Values that differ by less are equal.
    """
    return float((statistics >= statistics[0] - rounding).mean())
