"""What a drift report says of quality: of the answers, of the data, and of the kind of drift."""

from typing import Literal

from leeboard.contract.documents import Document


class LearnedThreshold(Document):
    """How a check's bounds were learned from windows of the reference."""

    rule: str
    """In words: mean + 3 sd, or quantile 0.95."""
    windows: int
    """Windows that were held against the rest of the reference."""
    rows: int
    """Rows of such a window: the median."""
    mean: float | None = None
    """Of the check's statistic over these windows; none: each column has a bound of its own."""
    standard_deviation: float | None = None


class MetricReport(Document):
    """A metric in the window and on the reference, each with its 95 % interval."""

    name: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    reference_low: float | None = None
    reference_high: float | None = None
    drop: float | None = None
    """How much worse than the reference, at the friendly end of its 95 % interval."""
    max_drop: float
    drifted: bool = False
    message: str = ""
    """Why there is no number."""
    expected: float | None = None
    """What the answers' own confidence lets one expect of the same rows."""
    expected_low: float | None = None
    expected_high: float | None = None
    shortfall: float | None = None
    """How much worse the metric is than expected, at the friendly end of the 95 % interval."""
    estimate: float | None = None
    """What their confidence lets one expect of the scored window, whose labels are still to come."""
    estimate_low: float | None = None
    estimate_high: float | None = None


class LabelComparison(Document):
    """The labels then and now: of classes by chi-squared, of numbers by Kolmogorov-Smirnov."""

    method: str
    statistic: float
    p_value: float
    effect: float
    """Cramér's V, or the KS statistic."""
    drifted: bool = False


class PerformanceReport(Document):
    """Answers of the stable version against their outcomes."""

    window_start_time: str
    """Start of the rows' time, included: the window's, shifted back by the labels' delay."""
    window_end_time: str
    rows: int
    """Rows that the stable version answered."""
    labelled: int
    """Those of them whose outcome is known."""
    min_coverage: float
    delay_seconds: float | None = None
    """Median of the time from a request until its label came."""
    late_delay_seconds: float | None = None
    """Nine of ten labels came within it."""
    metrics: tuple[MetricReport, ...] = ()
    labels: LabelComparison | None = None
    """The labels of the window held against the reference's."""


class QualityFinding(Document):
    """A fault of the data."""

    rule: str
    """missing, unseenCategories, outOfRange, duplicates, typeChanges, constantColumns, schemaDifferences."""
    column: str | None = None
    """None: of whole rows."""
    share: float | None = None
    """Share of the rows, or of the values that are there."""
    limit: float | None = None
    message: str = ""


class DriftKind(Document):
    """A kind of drift and what speaks for it."""

    kind: Literal["covariate", "label", "concept"]
    evidence: str
    """In a sentence."""
