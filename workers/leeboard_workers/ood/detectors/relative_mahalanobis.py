"""Mahalanobis distance to the nearest class mean, less that to the mean of all rows (Ren et al., 2021).

Source: arXiv:2106.09022. What all classes share says nothing about which one a row belongs to: the distance under the
covariance of all rows takes it out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard.api.shared import NoParameters
from leeboard_workers.ood.detectors.gaussian import Gaussians
from leeboard_workers.ood.detectors.known import Known, Labels, Matrix
from leeboard_workers.ood.detectors.mahalanobis import MahalanobisScorer


@dataclass(frozen=True)
class RelativeMahalanobisScorer:
    """Scores rows by the difference of two squared distances."""

    near: MahalanobisScorer
    """To the nearest class mean."""
    whole: MahalanobisScorer
    """To the mean of all rows."""

    @classmethod
    def fit(cls, known: Known, options: NoParameters, rng: np.random.Generator) -> Self:  # noqa: ARG003 (as all)
        """Estimate both.

        Raises:
            ValueError: the reference has no classes.
        """
        if known.labels is None:
            raise ValueError(
                "relativeMahalanobis needs a reference with a label column of few classes: name labelColumn, or use "
                "mahalanobis"
            )
        near = Gaussians.fit(known.rows, known.labels, known.what)
        return cls(MahalanobisScorer.of(near), MahalanobisScorer.of(near.pooled(known.labels)))

    def score(self, rows: Matrix) -> Matrix:
        """Return the nearest class mean's squared distance less that of the mean of all."""
        scores: Matrix = self.near.score(rows) - self.whole.score(rows)
        return scores

    def classes(self, rows: Matrix) -> Labels:
        """Return the class of the nearest mean."""
        return self.near.classes(rows)

    def contributions(self, rows: Matrix) -> Matrix:
        """Return how much each column adds to the score (rows sum to it)."""
        parts: Matrix = self.near.contributions(rows) - self.whole.contributions(rows)
        return parts

    def parameters(self) -> dict[str, Any]:
        """Return nothing: all is in the arrays."""
        return {}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays."""
        parts = (("near", self.near), ("whole", self.whole))
        return {f"{name}.{key}": array for name, part in parts for key, array in part.arrays().items()}

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild the detector."""

        def part(name: str) -> MahalanobisScorer:
            own = {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}
            return MahalanobisScorer.restore(parameters, own)

        return cls(part("near"), part("whole"))
