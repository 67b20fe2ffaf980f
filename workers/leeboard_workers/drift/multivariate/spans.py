"""How long rows resemble their neighbours: the length of a span, after which the next rows tell something new.

The mean of a span of L independent rows has 1/L of the variance of a row. Rows that resemble their neighbours leave it
a larger one: by the factor that grows with L until spans are longer than the resemblance lasts (batch means: Schmeiser,
"Batch size effects in the analysis of simulation output", 1982).
"""

import numpy as np
from numpy.typing import NDArray

FEWEST_SPANS = 4
"""Spans of the window, at least: fewer leave too few ways to exchange them."""
_GROWTH = 1.2
"""A factor that grows by less when spans double has come to rest."""


def resemblance(reference: NDArray[np.float32], longest: int) -> int:
    """Return the smallest power of two L at which the variance factor comes to rest, else `longest`.

    Args:
        reference: Rows x numbers, in order of time.
        longest: Rows of the longest span that is of use.
    """
    factors = {1: 1.0}
    sums = np.cumsum(reference - reference.mean(axis=0, dtype=np.float64), axis=0, dtype=np.float64)
    variance = float(reference.var(axis=0, dtype=np.float64).sum())
    length = 1
    while variance > 0 and 2 * length <= longest and len(reference) // (2 * length) >= FEWEST_SPANS:
        ends = np.arange(2 * length, len(reference) + 1, 2 * length) - 1
        means = np.diff(sums[ends], axis=0, prepend=0.0) / (2 * length)
        factors[2 * length] = 2 * length * float(means.var(axis=0, ddof=1).sum()) / variance
        if factors[2 * length] <= _GROWTH * factors[length]:
            return length
        length *= 2
    return 1 if variance <= 0 or longest < 2 else longest  # noqa: PLR2004 (spans of two rows are the first)
