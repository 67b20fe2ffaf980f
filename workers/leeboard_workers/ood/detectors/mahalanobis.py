"""Squared Mahalanobis distance to the nearest class mean under one shared covariance (Lee et al., 2018).

Source: arXiv:1807.03888; the covariance as in `gaussian`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import Mahalanobis
from leeboard_workers.ood.detectors.gaussian import Gaussians
from leeboard_workers.ood.detectors.known import Known, Labels, Matrix, likeliest


@dataclass(frozen=True)
class MahalanobisScorer:
    """Scores rows by their distance, in whitened coordinates, to the nearest mean."""

    whitening: Matrix
    """Wᵀ (d x d): rows are whitened by one product."""
    centre: Matrix
    """Mean of the whitened class means (d)."""
    white_means: Matrix
    """Whitened class means, relative to the centre (C x d)."""
    means: Matrix
    """Class means (C x d)."""

    @classmethod
    def fit(cls, known: Known, options: Mahalanobis, rng: np.random.Generator) -> Self:  # noqa: ARG003 (as all)
        """Estimate means and the shared covariance."""
        return cls.of(Gaussians.fit(known.rows, known.labels, known.what))

    @classmethod
    def of(cls, gaussians: Gaussians) -> Self:
        """Score by these Gaussians."""
        whitening = np.ascontiguousarray(gaussians.whitening.T)
        white_means = gaussians.means @ whitening
        centre = white_means.mean(axis=0)
        return cls(whitening, centre, white_means - centre, gaussians.means)

    def score(self, rows: Matrix) -> Matrix:
        """Return the squared distance of each row to the nearest mean."""
        white = rows @ self.whitening
        white -= self.centre
        squared: Matrix = np.vecdot(white, white)
        if len(self.means) == 1:
            return squared
        squared += self._beside(white).min(axis=1)
        return np.maximum(squared, 0.0, out=squared)

    def classes(self, rows: Matrix) -> Labels:
        """Return the class of the nearest mean."""
        return likeliest(-self._beside(rows @ self.whitening - self.centre))

    def contributions(self, rows: Matrix) -> Matrix:
        """Return how much each column adds to the squared distance to the nearest mean (rows sum to it)."""
        apart = rows - (self.means if len(self.means) == 1 else self.means[self.classes(rows)])
        parts: Matrix = apart * (apart @ self.whitening @ self.whitening.T)
        return parts

    def _beside(self, white: Matrix) -> Matrix:
        """Return the squared distances to all means, less the squared length that they share (rows x C)."""
        distances: Matrix = white @ (-2.0 * self.white_means.T)
        distances += np.vecdot(self.white_means, self.white_means)
        return distances

    def parameters(self) -> dict[str, Any]:
        """Return nothing: all is in the arrays."""
        return {}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG003
        """Rebuild the detector."""
        return cls(**{name: arrays[name] for name in _ARRAYS})


_ARRAYS = ("whitening", "centre", "white_means", "means")
