"""The detectors, one file each, behind one small interface.

A detector scores rows of a float64 matrix; higher means more out of distribution. It sees finite numbers only: rows
with missing or infinite values never reach it. Fitting draws all randomness from the generator it is given.
"""

from collections.abc import Mapping
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import Detector
from leeboard_workers.ood.detectors.energy import EnergyScorer
from leeboard_workers.ood.detectors.isolation_forest import IsolationForestScorer
from leeboard_workers.ood.detectors.kl_matching import KlMatchingScorer
from leeboard_workers.ood.detectors.knn import NearestNeighboursScorer
from leeboard_workers.ood.detectors.known import Head, Known, Labels, Matrix
from leeboard_workers.ood.detectors.mahalanobis import MahalanobisScorer
from leeboard_workers.ood.detectors.max_logit import MaxLogitScorer
from leeboard_workers.ood.detectors.max_softmax import MaxSoftmaxScorer
from leeboard_workers.ood.detectors.pca import PcaScorer
from leeboard_workers.ood.detectors.react import ReactScorer
from leeboard_workers.ood.detectors.relative_mahalanobis import RelativeMahalanobisScorer
from leeboard_workers.ood.detectors.vim import VimScorer

__all__ = [
    "SCORERS",
    "Approximating",
    "Classifying",
    "Explaining",
    "Head",
    "Known",
    "Labels",
    "Matrix",
    "Scorer",
    "fit_scorer",
]


class Scorer(Protocol):
    """A fitted detector."""

    @classmethod
    def fit(cls, known: Known, options: Any, rng: np.random.Generator) -> Self:
        """Fit to rows that belong, with the parameters that the API has for this detector.

        Raises:
            ValueError: the rows do not suit the detector.
        """

    def score(self, rows: Matrix) -> Matrix:
        """Return one float64 score per row; higher means more out of distribution."""

    def parameters(self) -> dict[str, Any]:
        """Return what is stored as JSON."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays."""

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild what `parameters` and `arrays` returned, bit by bit."""


@runtime_checkable
class Classifying(Protocol):
    """A detector that tells which class a row looks like."""

    def classes(self, rows: Matrix) -> Labels:
        """Return a class for each row, 0 … C - 1."""


@runtime_checkable
class Explaining(Protocol):
    """A detector that tells what each column adds to a score."""

    def contributions(self, rows: Matrix) -> Matrix:
        """Return rows by columns; a row sums to its score."""


@runtime_checkable
class Approximating(Protocol):
    """A detector that may look through a part of its reference rows only."""

    @property
    def recall(self) -> float | None:
        """Share of what it looks for that it finds, 0 to 1; none where it looks at all rows."""


SCORERS: dict[str, type[Scorer]] = {
    "maxSoftmax": MaxSoftmaxScorer,
    "maxLogit": MaxLogitScorer,
    "energy": EnergyScorer,
    "mahalanobis": MahalanobisScorer,
    "relativeMahalanobis": RelativeMahalanobisScorer,
    "knn": NearestNeighboursScorer,
    "vim": VimScorer,
    "react": ReactScorer,
    "klMatching": KlMatchingScorer,
    "pca": PcaScorer,
    "isolationForest": IsolationForestScorer,
}
"""Detectors by their name in the API."""


def fit_scorer(detector: Detector, known: Known, rng: np.random.Generator) -> tuple[str, Scorer]:
    """Fit the detector that is set to rows that belong; return its name too.

    Raises:
        ValueError: the rows do not suit the detector.
    """
    (kind,) = detector.members_set(*SCORERS)
    options = next(getattr(detector, name) for name, field in Detector.model_fields.items() if field.alias == kind)
    return kind, SCORERS[kind].fit(known, options, rng)
