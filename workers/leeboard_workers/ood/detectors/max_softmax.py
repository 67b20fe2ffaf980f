"""One minus the largest class probability, in log space (Hendrycks and Gimpel, 2017, arXiv:1610.02136).

In floating point 1 - p is 0 as soon as p rounds to 1, and all confident rows tie. The log of the sum of the *other*
classes' probabilities has the same order and does not saturate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import DetectorInput
from leeboard.api.shared import NoParameters
from leeboard_workers.ood.detectors.known import Known, Labels, Matrix, likeliest

_SMALLEST = float(np.log(np.nextafter(0.0, 1.0)))


@dataclass(frozen=True)
class MaxSoftmaxScorer:
    """Scores probabilities or logits by log(1 - max softmax)."""

    logits: bool

    @classmethod
    def fit(cls, known: Known, options: NoParameters, rng: np.random.Generator) -> Self:  # noqa: ARG003 (as all)
        """Check that the reference has classes; there is nothing to learn."""
        known.need_classes("maxSoftmax")
        return cls(known.what is DetectorInput.LOGITS)

    def score(self, rows: Matrix) -> Matrix:
        """Return log(1 - largest probability) of each row."""
        weights = np.exp(rows - rows.max(axis=1, keepdims=True)) if self.logits else np.maximum(rows, 0.0)
        total = weights.sum(axis=1)
        weights[np.arange(len(rows)), weights.argmax(axis=1)] = 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.log(weights.sum(axis=1)) - np.log(total)
        bounded: Matrix = np.maximum(scores, _SMALLEST)
        bounded[np.isnan(bounded)] = 0.0  # no class has any weight: as unsure as can be
        return bounded

    def classes(self, rows: Matrix) -> Labels:
        """Return the most likely class."""
        return likeliest(rows)

    def parameters(self) -> dict[str, Any]:
        """Return what is stored as JSON."""
        return {"logits": self.logits}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return nothing: the detector learns nothing."""
        return {}

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG003
        """Rebuild the detector."""
        return cls(bool(parameters["logits"]))
