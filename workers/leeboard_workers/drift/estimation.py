"""How good answers ought to be by their own confidence, before any label comes.

Confidence-based estimation (Kivimäki, Białek, Nurminen and Kuberski, 2025, "Confidence-based Estimators for Predictive
Performance in Model Monitoring"): probabilities are calibrated on the reference, whose outcomes are known. Then a row
of the window counts for each class with that class's probability, as if it had come so often with this outcome, and any
metric is taken over these weighted rows.

It sees what covariate drift does to the quality. It cannot see concept drift: where the same inputs now lead to other
outcomes, answers are as confident as ever. So a realised quality that is worse than the estimated one is a sign of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.isotonic import IsotonicRegression

from leeboard_workers.drift.metrics import Metric
from leeboard_workers.drift.outcomes import Outcomes
from leeboard_workers.drift.performance import Interval, intervals
from leeboard_workers.drift.values import Floats

MOST_WEIGHTED_ROWS = 400_000
"""Rows times classes; more rows are thinned evenly."""
MIN_CALIBRATION_ROWS = 100
"""With fewer rows of the reference nothing can be calibrated."""


@dataclass(frozen=True)
class Estimator:
    """Probabilities calibrated on a reference."""

    reference: Outcomes
    """Rows with probabilities and outcomes."""

    @classmethod
    def fitted_on(cls, reference: Outcomes | None) -> "Estimator | None":
        """Return an estimator; none: the reference has no probabilities or too few outcomes."""
        usable = reference is not None and reference.probabilities is not None
        return cls(reference) if usable and reference is not None and reference.rows >= MIN_CALIBRATION_ROWS else None

    @cached_property
    def _curves(self) -> list[IsotonicRegression]:
        """One curve for each class against the rest (Zadrozny and Elkan, 2002)."""
        probabilities = _probabilities(self.reference)
        return [
            IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(
                probabilities[:, column], self.reference.truth == column
            )
            for column in range(probabilities.shape[1])
        ]

    def calibrated(self, probabilities: Floats) -> Floats:
        """Return calibrated probabilities, rows by classes, each row adding to 1."""
        if probabilities.shape[1] == 2:  # noqa: PLR2004 (one curve tells both)
            second = self._curves[1].predict(probabilities[:, 1])
            return np.column_stack([1 - second, second])
        found = np.column_stack([curve.predict(probabilities[:, at]) for at, curve in enumerate(self._curves)])
        total = found.sum(axis=1, keepdims=True)
        evenly = np.full_like(found, 1 / found.shape[1])
        calibrated: Floats = np.divide(found, total, out=evenly, where=total > 0)
        return calibrated

    def estimate(self, window: Outcomes, metrics: Sequence[Metric], seed: int) -> dict[str, Interval]:
        """Return what the metrics ought to be, each with its 95 % interval.

        Args:
            window: Answers with probabilities; its truth is not looked at.
            metrics: Which metrics; those of numbers are left out.
            seed: Of the resampling.
        """
        if window.rows == 0 or window.probabilities is None:
            return {}
        width = window.probabilities.shape[1]
        step = -(-window.rows * width // MOST_WEIGHTED_ROWS)
        chosen = np.arange(0, window.rows, step)
        probabilities = window.probabilities[chosen]
        groups = window.groups[chosen] if window.groups is not None else chosen
        weighted = Outcomes(
            truth=np.tile(np.arange(width), chosen.size),
            answer=np.repeat(window.answer[chosen].astype(np.int64), width),
            classes=window.classes,
            probabilities=np.repeat(probabilities, width, axis=0),
            groups=np.repeat(np.unique(groups, return_inverse=True)[1], width),
        )
        return intervals(weighted, metrics, seed, weights=self.calibrated(probabilities).ravel())


def _probabilities(outcomes: Outcomes) -> Floats:
    if outcomes.probabilities is None:
        raise ValueError("there are no probabilities")
    return outcomes.probabilities
