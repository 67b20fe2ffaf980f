"""Area under the ROC curve (AUC): how often a row of the window scores above one of the reference, and is it chance?

Rows come in spans that hang together, so the variance is DeLong's, summed over spans: DeLong, DeLong and
Clarke-Pearson, "Comparing the areas under two or more correlated ROC curves", 1988; Obuchowski, "Nonparametric analysis
of clustered ROC curve data", 1997. Few spans make it uncertain, so the p-value is of Student's distribution
(Satterthwaite's degrees of freedom).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """Scores of rows that one scorer ranked, and the span of each row."""

    reference: Floats
    reference_spans: NDArray[np.int64]
    window: Floats
    window_spans: NDArray[np.int64]


def auc_test(rankings: Sequence[Ranking], *, two_sided: bool) -> tuple[float, float]:
    """Return the AUC over all rankings and the p-value of 0.5.

    Args:
        rankings: Each by a scorer that has not seen its rows; only rows of one ranking are compared. The span numbers
            are those of all rankings together.
        two_sided: Whether scores that are too low count as well.
    """
    placed = [_placements(ranking) for ranking in rankings]
    then = np.concatenate([below for below, _ in placed])
    now = np.concatenate([above for _, above in placed])
    auc = float(now.mean())
    spans_then = _span_sums(then - then.mean(), np.concatenate([r.reference_spans for r in rankings]))
    spans_now = _span_sums(now - now.mean(), np.concatenate([r.window_spans for r in rankings]))
    if len(spans_then) < 2 or len(spans_now) < 2:  # noqa: PLR2004 (a spread needs two)
        return auc, 1.0
    sides = ((spans_then, len(then)), (spans_now, len(now)))
    parts = [len(sums) / (len(sums) - 1) * float((sums * sums).sum()) / rows**2 for sums, rows in sides]
    certainty = sum(part**2 / (len(sums) - 1) for part, (sums, _) in zip(parts, sides, strict=True))
    freedom = max(sum(parts) ** 2 / certainty, 1.0) if certainty > 0 else 1.0
    variance = max(sum(parts), 1.0 / (len(then) * len(now)) ** 2)  # of full separation, which has none of its own
    score = (auc - 0.5) / sqrt(variance)
    p = 2.0 * float(student.sf(abs(score), freedom)) if two_sided else float(student.sf(score, freedom))
    return auc, min(p, 1.0)


def _placements(ranking: Ranking) -> tuple[Floats, Floats]:
    """Return for each row of the reference the share of the window above it, and of the window the share below it."""
    then, now = np.sort(ranking.reference), np.sort(ranking.window)

    def share_below(values: Floats, others: Floats) -> Floats:
        places = np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")
        shares: Floats = places / (2.0 * len(others))
        return shares

    return 1.0 - share_below(ranking.reference, now), share_below(ranking.window, then)


def _span_sums(values: Floats, spans: NDArray[np.int64]) -> Floats:
    _, at = np.unique(spans, return_inverse=True)
    return np.bincount(at, weights=values).astype(np.float64)
