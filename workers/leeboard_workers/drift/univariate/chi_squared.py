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
    counted = table_of(reference, window)
    table = pool_rare(counted)
    reason = _reason(counted.shape[1], table.shape[1], others=reference.other_levels + window.other_levels > 0)
    if table.shape[1] < 2:  # noqa: PLR2004 (one level is alike on both sides)
        return TestOutcome(CategoricalTest.CHI_SQUARED.value, 0.0, 1.0, 0.0, reason)
    rows = table.sum(axis=1, keepdims=True)
    expected = rows * table.sum(axis=0, keepdims=True) / rows.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    then, now = table / rows
    effect = float(np.sqrt(((then - now) ** 2 / (then + now)).sum() / 2))
    p_value = float(chdtrc(table.shape[1] - 1, statistic))
    return TestOutcome(CategoricalTest.CHI_SQUARED.value, statistic, p_value, min(effect, 1.0), reason)


def table_of(reference: CategoricalValues, window: CategoricalValues) -> Table:
    """Return the 2 x k table of rows by level; the levels that are not told apart are one column."""
    levels = sorted({*reference.counts, *window.counts})
    sides = [[float(side.counts.get(level, 0)) for level in levels] for side in (reference, window)]
    if reference.other or window.other:
        sides = [[*sides[0], float(reference.other)], [*sides[1], float(window.other)]]
    return np.array(sides)


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


def _reason(before: int, after: int, *, others: bool) -> str:
    parts = []
    if after < before:
        parts.append(f"{before - after + 1} rare levels are pooled, so that each expects {MIN_EXPECTED} rows")
    if others:
        parts.append("levels beyond the thousand most frequent are counted together")
    return "; ".join(parts)
