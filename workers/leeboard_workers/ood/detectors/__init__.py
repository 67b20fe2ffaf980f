"""The detectors, one file each, behind one small interface.

A detector scores rows of a float64 matrix; higher means more out of distribution. It sees finite numbers only: rows
with missing or infinite values never reach it. Fitting draws all randomness from the generator it is given.
"""

from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import Detector
from leeboard_workers.ood.detectors.energy import EnergyScorer
from leeboard_workers.ood.detectors.knn import NearestNeighboursScorer
from leeboard_workers.ood.detectors.mahalanobis import MahalanobisScorer
from leeboard_workers.ood.detectors.max_softmax import MaxSoftmaxScorer

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]


class Scorer(Protocol):
    """A fitted detector."""

    def score(self, rows: Matrix) -> Matrix:
        """Return one float64 score per row; higher means more out of distribution."""

    def parameters(self) -> dict[str, Any]:
        """Return what is stored as JSON."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays."""

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild what `parameters` and `arrays` returned, bit by bit."""


SCORERS: dict[str, type[Scorer]] = {
    "maxSoftmax": MaxSoftmaxScorer,
    "energy": EnergyScorer,
    "mahalanobis": MahalanobisScorer,
    "knn": NearestNeighboursScorer,
}
"""Detectors by their name in the API."""


def kind_of(detector: Detector) -> str:
    """Return the name of the variant that is set."""
    return detector.members_set(*SCORERS)[0]


def fit_scorer(
    detector: Detector, reference: Matrix, labels: Labels | None, *, rng: np.random.Generator, logits: bool = False
) -> Scorer:
    """Fit the detector to rows that belong.

    Args:
        detector: Which one, with its parameters.
        reference: Rows by columns, finite.
        labels: Class of each row, 0 … C-1, or none.
        rng: Source of every random choice.
        logits: Whether the columns are logits, for the detectors that read either those or probabilities.

    Raises:
        ValueError: the rows do not suit the detector.
    """
    if detector.energy is not None:
        return EnergyScorer.fit(reference, temperature=detector.energy.temperature)
    if detector.mahalanobis is not None:
        return MahalanobisScorer.fit(reference, labels)
    if detector.knn is not None:
        knn = detector.knn
        return NearestNeighboursScorer.fit(
            reference, neighbours=knn.neighbours, max_reference_rows=knn.max_reference_rows, rng=rng
        )
    return MaxSoftmaxScorer.fit(reference, logits=logits)
