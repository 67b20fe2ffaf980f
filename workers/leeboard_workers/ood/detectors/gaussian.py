"""Class Gaussians with one shared covariance, shrunk as Ledoit and Wolf say.

Source: "A well-conditioned estimator for large-dimensional covariance matrices" (2004). A small ridge on top makes a
column without variance in the reference count much when it moves, but not infinitely. For request rows it is larger: a
rare level of a text column must not decide alone.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from leeboard.api.outofdistribution import DetectorInput
from leeboard_workers.ood.detectors.known import Labels, Matrix

_RIDGE = 1e-6
_RIDGE_OF_INSTANCES = 1e-3
"""Shares of the mean variance that are added to every variance."""

_FEWEST_ROWS = 2


@dataclass(frozen=True)
class Gaussians:
    """One mean for each class, and the shared covariance as its whitening."""

    means: Matrix
    """C x d."""
    whitening: Matrix
    """W (d x d) with WᵀW the inverse covariance: the inverse of its Cholesky factor."""
    covariance: Matrix
    """Shrunk, d x d."""

    @classmethod
    def fit(cls, rows: Matrix, labels: Labels | None, what: DetectorInput) -> Self:
        """Estimate means and the shared covariance.

        Args:
            rows: Rows by columns.
            labels: Class of each row; none: all are of one.
            what: What the columns are.

        Raises:
            ValueError: fewer than two rows.
        """
        if len(rows) < _FEWEST_ROWS:
            raise ValueError("a covariance needs at least two reference rows")
        classes = np.zeros(1, dtype=np.int64) if labels is None else np.unique(labels)
        places = np.zeros(len(rows), dtype=np.intp) if labels is None else np.searchsorted(classes, labels)
        means = np.stack([rows[places == at].mean(axis=0) for at in range(len(classes))])
        covariance = ledoit_wolf(rows - means[places])
        scale = float(np.trace(covariance)) / len(covariance) or 1.0
        covariance[np.diag_indices_from(covariance)] += scale * (
            _RIDGE_OF_INSTANCES if what is DetectorInput.INSTANCES else _RIDGE
        )
        return cls(means, _whitening(covariance), covariance)

    def pooled(self, labels: Labels) -> "Gaussians":
        """Return the one Gaussian of all rows: the shared covariance plus that of the class means.

        Shrunk as the classes are, so that the two differ by the means alone.
        """
        _, counts = np.unique(labels, return_counts=True)
        shares = counts / counts.sum()
        mean = shares @ self.means
        apart = self.means - mean
        covariance = self.covariance + (apart.T * shares) @ apart
        return Gaussians(mean[None, :], _whitening(covariance), covariance)


def _whitening(covariance: Matrix) -> Matrix:
    factor = np.linalg.cholesky(covariance)
    whitening: Matrix = np.linalg.solve(factor, np.eye(len(factor)))
    return whitening


def ledoit_wolf(centred: Matrix) -> Matrix:
    """Return the shrunk covariance of rows whose mean is zero (Ledoit and Wolf, 2004, lemma 3.2 to 3.4)."""
    count, width = centred.shape
    sample = centred.T @ centred / count
    scale = float(np.trace(sample)) / width
    squared = centred**2
    spread = float(np.sum(sample**2))
    noise = (float(np.sum(squared.T @ squared)) / count - spread) / (width * count)
    distance = (spread - 2.0 * scale * float(np.trace(sample)) + width * scale**2) / width
    shrinkage = 0.0 if distance <= 0.0 else min(max(noise, 0.0), distance) / distance
    shrunk: Matrix = (1.0 - shrinkage) * sample
    shrunk[np.diag_indices_from(shrunk)] += shrinkage * scale
    return shrunk
