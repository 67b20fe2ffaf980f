"""What a test or a distance of one column answers."""

from dataclasses import dataclass

from scipy.special import chdtrc

from leeboard_workers.drift.values import Values


@dataclass(frozen=True)
class TestOutcome:
    """A test of homogeneity of two samples."""

    __test__ = False  # pytest: a word of statistics, not a class of tests

    method: str
    statistic: float
    p_value: float
    effect: float
    """Between 0 (alike) and 1 (nothing in common)."""
    reason: str = ""
    """Why this method and this p-value, where the data decided."""


@dataclass(frozen=True)
class DistanceOutcome:
    """A distance between two samples."""

    method: str
    value: float
    raw: float | None = None
    """The distance in the column's own unit, where it has one."""
    reason: str = ""
    """Why this method, where the data decided."""


def vanished(method: str, reference: Values, window: Values) -> TestOutcome:
    """Compare a column that has values on one side only: what differs is whether there are any.

    The p-value is Pearson's chi-squared of present against absent (2 x 2, no continuity correction), the effect 1.
    """
    present = (reference.present, window.present)
    absent = (reference.rows - reference.present, window.rows - window.present)
    rows = (reference.rows, window.rows)
    total = sum(rows)
    reason = "one side has no value: what is compared is whether there is one"
    if 0 in rows or sum(present) == 0 or sum(absent) == 0:
        return TestOutcome(str(method), 1.0, 1.0, 1.0, reason)
    squared = total * (present[0] * absent[1] - present[1] * absent[0]) ** 2
    chi2 = squared / (rows[0] * rows[1] * sum(present) * sum(absent))
    return TestOutcome(str(method), 1.0, float(chdtrc(1, chi2)), 1.0, reason)
