"""Squared Mahalanobis distance to the nearest class mean under one shared covariance (Lee et al., 2018).

Source: arXiv:1807.03888. The covariance is shrunk towards a multiple of the identity with the intensity of Ledoit and
Wolf ("A well-conditioned estimator for large-dimensional covariance matrices", 2004), and gets a small ridge, so that
a column without variance in the reference counts much when it moves, but not infinitely.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_RIDGE = 1e-3
"""Share of the mean variance that is added to every variance."""

_FEWEST_ROWS = 2


@dataclass(frozen=True)
class MahalanobisScorer:
    """Scores rows by their distance, in whitened coordinates, to the nearest mean."""

    centre: NDArray[np.float64]
    """Mean of all rows (d)."""
    whitening: NDArray[np.float64]
    """W (d x d) with WᵀW the inverse covariance: the inverse of its Cholesky factor."""
    means: NDArray[np.float64]
    """Whitened class means, relative to the centre (C x d)."""

    @classmethod
    def fit(cls, reference: NDArray[np.float64], labels: NDArray[np.int64] | None) -> Self:
        """Estimate means and the shared covariance.

        Raises:
            ValueError: fewer than two rows.
        """
        if len(reference) < _FEWEST_ROWS:
            raise ValueError("mahalanobis needs at least two reference rows")
        centre = reference.mean(axis=0)
        centred = reference - centre
        if labels is None:
            means = np.zeros((1, reference.shape[1]))
        else:
            classes = np.unique(labels)
            means = np.stack([centred[labels == label].mean(axis=0) for label in classes])
            centred -= means[np.searchsorted(classes, labels)]
        covariance = ledoit_wolf(centred)
        scale = float(np.trace(covariance)) / len(covariance) or 1.0
        covariance[np.diag_indices_from(covariance)] += _RIDGE * scale
        factor = np.linalg.cholesky(covariance)
        whitening = np.linalg.solve(factor, np.eye(len(factor)))
        return cls(centre=centre, whitening=whitening, means=means @ whitening.T)

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the squared distance of each row to the nearest mean."""
        white = (rows - self.centre) @ self.whitening.T
        if len(self.means) == 1:
            white -= self.means[0]
            squared: NDArray[np.float64] = np.einsum("ij,ij->i", white, white)
            return squared
        distances = white @ (-2.0 * self.means.T)
        distances += np.einsum("ij,ij->i", self.means, self.means)
        nearest = distances.min(axis=1) + np.einsum("ij,ij->i", white, white)
        positive: NDArray[np.float64] = np.maximum(nearest, 0.0)
        return positive

    def contributions(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how much each column adds to the squared distance to the centre (rows by columns; rows sum to it)."""
        centred = rows - self.centre
        parts: NDArray[np.float64] = centred * ((centred @ self.whitening.T) @ self.whitening)
        return parts

    def parameters(self) -> dict[str, Any]:
        """Return nothing: all is in the arrays."""
        return {}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays."""
        return {"centre": self.centre, "whitening": self.whitening, "means": self.means}

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG003
        """Rebuild the detector."""
        return cls(centre=arrays["centre"], whitening=arrays["whitening"], means=arrays["means"])


def ledoit_wolf(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shrunk covariance of rows whose mean is zero (Ledoit and Wolf, 2004, lemma 3.2 to 3.4)."""
    count, width = centred.shape
    sample = centred.T @ centred / count
    scale = float(np.trace(sample)) / width
    squared = centred**2
    spread = float(np.sum(sample**2))
    noise = (float(np.sum(squared.T @ squared)) / count - spread) / (width * count)
    distance = (spread - 2.0 * scale * float(np.trace(sample)) + width * scale**2) / width
    shrinkage = 0.0 if distance <= 0.0 else min(max(noise, 0.0), distance) / distance
    shrunk: NDArray[np.float64] = (1.0 - shrinkage) * sample
    shrunk[np.diag_indices_from(shrunk)] += shrinkage * scale
    return shrunk
