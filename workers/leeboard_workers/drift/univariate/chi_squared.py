"""Pearson's chi-squared test of homogeneity of two samples of levels."""

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from leeboard.api.checks import CategoricalTest
from leeboard_workers.drift.univariate.outcome import TestOutcome
from leeboard_workers.drift.values import CategoricalValues

MIN_EXPECTED = 5
"""Cochran's rule: the chi-squared distribution needs at least so many expected rows in every cell."""

Table = npt.NDArray[np.float64]


def chi_squared(reference: CategoricalValues, window: CategoricalValues) -> TestOutcome:
    """Compare the levels of two columns.

    Both samples are random (this is no test of goodness of fit to the reference's shares), so the table is 2 x k with
    k - 1 degrees of freedom and no continuity correction. Levels that are too rare are pooled first.

    The effect is Cramér's V (Cramér, "Mathematical Methods of Statistics", 1946) of the two distributions, each
    weighing one half: equal to the usual V for samples of equal size, and unlike it not shrinking when the window is
    small beside the reference.
    """
    levels = sorted({*reference.counts, *window.counts})
    table = np.array([[side.counts.get(level, 0) for level in levels] for side in (reference, window)], dtype=float)
    table = pool_rare(table)
    if table.shape[1] < 2:  # noqa: PLR2004 (one level is alike on both sides)
        return TestOutcome(CategoricalTest.CHI_SQUARED.value, 0.0, 1.0, 0.0)
    rows = table.sum(axis=1, keepdims=True)
    expected = rows * table.sum(axis=0, keepdims=True) / rows.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    then, now = table / rows
    effect = float(np.sqrt(((then - now) ** 2 / (then + now)).sum() / 2))
    return TestOutcome(
        CategoricalTest.CHI_SQUARED.value, statistic, float(chdtrc(table.shape[1] - 1, statistic)), min(effect, 1.0)
    )


def pool_rare(table: Table) -> Table:
    """Pool the rarest levels of a 2 x k table into one until each expects at least five rows on either side."""
    smaller_share = table.sum(axis=1).min() / table.sum()
    order = np.argsort(table.sum(axis=0), kind="stable")
    expected = table.sum(axis=0)[order] * smaller_share
    rare = int((expected < MIN_EXPECTED).sum())
    if rare == 0:
        return table
    # The pool of all rare levels may still be short: then it takes the next rarest.
    enough = int(np.searchsorted(np.cumsum(expected), MIN_EXPECTED)) + 1
    pooled = order[: max(rare, enough)]
    kept = np.setdiff1d(np.arange(table.shape[1]), pooled)
    return np.column_stack([table[:, kept], table[:, pooled].sum(axis=1)])
