"""Metrics with their intervals, as the page draws them: realised, expected, estimated and reference on one scale."""

from collections.abc import Iterator
from dataclasses import dataclass

from leeboard.contract.findings import MetricReport

WIDTH = 190
_PAD = 8


@dataclass(frozen=True)
class Whisker:
    """An interval."""

    kind: str
    """reference, realised, expected or estimate."""
    label: str
    at: float
    low: float
    high: float
    value: float


@dataclass(frozen=True)
class Scale:
    """The intervals of a metric, and where they lie."""

    name: str
    whiskers: tuple[Whisker, ...]

    @property
    def height(self) -> int:
        """Of the picture."""
        return 8 + 20 * len(self.whiskers)


_LABELS = {
    "reference": "on the reference",
    "realised": "by the labels",
    "expected": "expected of the same rows",
    "estimate": "estimated for the window",
}


def scale_of(metric: MetricReport) -> Scale | None:
    """Return a metric's intervals on one scale; none: it has no number."""
    known = list(_intervals(metric))
    if not known:
        return None
    low, high = min(entry[2] for entry in known), max(entry[3] for entry in known)
    span = (high - low) or max(abs(high), 1e-12)
    low, span = low - 0.06 * span, span * 1.12

    def x(value: float) -> float:
        return _PAD + (WIDTH - 2 * _PAD) * (value - low) / span

    return Scale(
        metric.name,
        tuple(Whisker(kind, _LABELS[kind], x(at), x(left), x(right), at) for kind, at, left, right in known),
    )


def _intervals(metric: MetricReport) -> Iterator[tuple[str, float, float, float]]:
    for kind, value, low, high in (
        ("reference", metric.reference, metric.reference_low, metric.reference_high),
        ("realised", metric.value, metric.low, metric.high),
        ("expected", metric.expected, metric.expected_low, metric.expected_high),
        ("estimate", metric.estimate, metric.estimate_low, metric.estimate_high),
    ):
        if value is not None:
            yield kind, value, value if low is None else low, value if high is None else high
