"""How well scores tell outliers from rows that belong, with intervals by bootstrap.

The positive class is named in each: *out* for outliers, *in* for rows that belong. Ties are counted by halves (AUROC)
or together. Intervals are percentiles of resamples of both samples apart (Efron and Tibshirani, 1993, chapter 13).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.ood.detectors.known import Matrix

RESAMPLES = 200
_TPR = 0.95
_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Separation:
    """How well two samples of scores are told apart."""

    auroc: Estimate
    """Chance that an outlier scores higher than a row that belongs."""
    fpr_at_95_tpr: Estimate
    """Positive is out: share of rows that belong among what the threshold flags that catches 95 % of outliers."""
    aupr_out: Estimate
    """Average precision; positive is out."""
    aupr_in: Estimate
    """Average precision; positive is in."""
    detection_error: Estimate
    """Smallest mean of both error rates over all thresholds."""


def separation(belonging: Matrix, outliers: Matrix, rng: np.random.Generator, resamples: int = RESAMPLES) -> Separation:
    """Measure both samples of scores; higher is stranger.

    Raises:
        ValueError: one of them is empty.
    """
    if not len(belonging) or not len(outliers):
        raise ValueError("both samples need at least one score")
    scores = np.concatenate([belonging, outliers])
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0.0)
    known, strange = (_weights(len(sample), rng, resamples) for sample in (belonging, outliers))
    nothing = np.zeros((1 + resamples, 1))
    known = np.hstack([known, np.repeat(nothing, len(outliers), axis=1)])[:, order]
    strange = np.hstack([np.repeat(nothing, len(belonging), axis=1), strange])[:, order]
    curve = _Curve(np.add.reduceat(known, starts, axis=1), np.add.reduceat(strange, starts, axis=1))
    figures = (curve.auroc(), curve.fpr_at_tpr(_TPR), curve.aupr_out(), curve.aupr_in(), curve.detection_error())
    return Separation(*(_estimate(figure) for figure in figures))


class _Curve:
    """Receiver operating characteristics: resamples by thresholds, from the strictest to the loosest."""

    def __init__(self, known: Matrix, strange: Matrix) -> None:
        """Add up how many of both kinds score at least each threshold."""
        self.known, self.strange = np.cumsum(known, axis=1), np.cumsum(strange, axis=1)
        self.fpr, self.tpr = self.known / self.known[:, -1:], self.strange / self.strange[:, -1:]

    def auroc(self) -> Matrix:
        tpr, fpr = (np.pad(rate, ((0, 0), (1, 0))) for rate in (self.tpr, self.fpr))
        area: Matrix = (np.diff(fpr, axis=1) * (tpr[:, 1:] + tpr[:, :-1]) / 2.0).sum(axis=1)
        return area

    def fpr_at_tpr(self, tpr: float) -> Matrix:
        at = (self.tpr < tpr - 1e-12).sum(axis=1)  # the first threshold that reaches it
        rates: Matrix = self.fpr[np.arange(len(at)), at]
        return rates

    def aupr_out(self) -> Matrix:
        flagged = self.known + self.strange
        precision = np.divide(self.strange, flagged, out=np.zeros_like(flagged), where=flagged > 0.0)
        area: Matrix = (np.diff(self.tpr, axis=1, prepend=0.0) * precision).sum(axis=1)
        return area

    def aupr_in(self) -> Matrix:
        other = _Curve(*(np.diff(count, axis=1, prepend=0.0)[:, ::-1] for count in (self.strange, self.known)))
        return other.aupr_out()

    def detection_error(self) -> Matrix:
        error: Matrix = np.minimum((1.0 - self.tpr + self.fpr).min(axis=1), 1.0) / 2.0
        return error


def _weights(size: int, rng: np.random.Generator, resamples: int) -> Matrix:
    """Return how often each row counts: once in the sample itself, then by chance in the resamples."""
    drawn = rng.multinomial(size, np.full(size, 1.0 / size), size=resamples)
    return np.vstack([np.ones((1, size)), drawn])


def _estimate(figure: NDArray[np.float64]) -> Estimate:
    low, high = np.percentile(figure[1:], _INTERVAL) if len(figure) > 1 else (figure[0], figure[0])
    return Estimate(float(figure[0]), float(low), float(high))
