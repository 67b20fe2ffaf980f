"""What is left of a row outside the principal components: the squared error of its reconstruction, Q.

Source: Jackson and Mudholkar, "Control procedures for residuals associated with principal component analysis" (1979).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import Pca
from leeboard_workers.ood.detectors.known import Known, Matrix

_FEWEST_ROWS = 2


@dataclass(frozen=True)
class PcaScorer:
    """Scores rows by the squared length of their residual."""

    mean: Matrix
    components: Matrix
    """Orthonormal, d x kept."""

    @classmethod
    def fit(cls, known: Known, options: Pca, rng: np.random.Generator) -> Self:  # noqa: ARG003 (as all detectors)
        """Keep as few components as hold the share of the variance, but never all.

        Raises:
            ValueError: too few rows or columns.
        """
        if len(known.rows) < _FEWEST_ROWS or known.rows.shape[1] < 2:  # noqa: PLR2004 (a component and a residual)
            raise ValueError("pca needs at least two reference rows and two encoded columns")
        mean = known.rows.mean(axis=0)
        centred = known.rows - mean
        variances, directions = np.linalg.eigh(centred.T @ centred / len(centred))
        held = np.cumsum(variances[::-1]) / max(float(variances.sum()), np.finfo(float).tiny)
        kept = min(int(np.searchsorted(held, options.variance)) + 1, len(variances) - 1)
        return cls(mean, np.ascontiguousarray(directions[:, ::-1][:, :kept]))

    def score(self, rows: Matrix) -> Matrix:
        """Return the squared error of each row's reconstruction."""
        centred = rows - self.mean
        held = centred @ self.components
        scores: Matrix = np.vecdot(centred, centred) - np.vecdot(held, held)
        return np.maximum(scores, 0.0)

    def contributions(self, rows: Matrix) -> Matrix:
        """Return how much each column adds to the score (rows sum to it)."""
        centred = rows - self.mean
        parts: Matrix = np.square(centred - centred @ self.components @ self.components.T)
        return parts

    def parameters(self) -> dict[str, Any]:
        """Return nothing: all is in the arrays."""
        return {}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays."""
        return {"mean": self.mean, "components": self.components}

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG003
        """Rebuild the detector."""
        return cls(arrays["mean"], arrays["components"])
