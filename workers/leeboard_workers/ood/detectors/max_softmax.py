"""One minus the largest class probability, in log space (Hendrycks and Gimpel, 2017, arXiv:1610.02136).

In floating point 1 - p is 0 as soon as p rounds to 1, and all confident rows tie. The log of the sum of the *other*
classes' probabilities has the same order and does not saturate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_SMALLEST = float(np.log(np.nextafter(0.0, 1.0)))
_FEWEST_CLASSES = 2


@dataclass(frozen=True)
class MaxSoftmaxScorer:
    """Scores probabilities or logits by log(1 - max softmax)."""

    logits: bool

    @classmethod
    def fit(cls, reference: NDArray[np.float64], *, logits: bool) -> Self:
        """Check that the reference has classes; there is nothing to learn."""
        if reference.shape[1] < _FEWEST_CLASSES:
            raise ValueError("maxSoftmax needs a model with at least two classes")
        return cls(logits)

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log(1 - largest probability) of each row."""
        weights = np.exp(rows - rows.max(axis=1, keepdims=True)) if self.logits else np.clip(rows, 0.0, None)
        largest = weights.argmax(axis=1)
        others = weights.copy()
        others[np.arange(len(rows)), largest] = 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.log(others.sum(axis=1)) - np.log(weights.sum(axis=1))
        bounded: NDArray[np.float64] = np.maximum(scores, _SMALLEST)
        bounded[np.isnan(bounded)] = 0.0  # no class has any weight: as unsure as can be
        return bounded

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
