"""Smallest divergence of a row's probabilities from the mean probabilities of a class (Hendrycks et al., 2022).

Source: "Scaling out-of-distribution detection for real-world settings", arXiv:1911.11132: min over k of KL(p || d_k).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import DetectorInput
from leeboard.api.shared import NoParameters
from leeboard_workers.ood.detectors.known import Known, Labels, Matrix, likeliest

_SMALLEST = 1e-300


@dataclass(frozen=True)
class KlMatchingScorer:
    """Scores probabilities or logits by their divergence from the nearest template."""

    logits: bool
    templates: Matrix
    """Logarithms of the mean probabilities of the rows that the model takes for a class, one column for each."""

    @classmethod
    def fit(cls, known: Known, options: NoParameters, rng: np.random.Generator) -> Self:  # noqa: ARG003 (as all)
        """Average the probabilities of the rows that the model takes for each class."""
        known.need_classes("klMatching")
        logits = known.what is DetectorInput.LOGITS
        rows = _probabilities(known.rows, logits=logits)
        predicted = likeliest(rows)
        means = np.stack([rows[predicted == number].mean(axis=0) for number in np.unique(predicted)])
        return cls(logits, np.log(np.maximum(means, _SMALLEST)).T.copy())

    def score(self, rows: Matrix) -> Matrix:
        """Return the smallest divergence of each row, in nats."""
        smallest: Matrix = np.maximum(self._divergences(rows).min(axis=1), 0.0)
        return smallest

    def classes(self, rows: Matrix) -> Labels:
        """Return the class of the nearest template."""
        return likeliest(-self._divergences(rows))

    def _divergences(self, rows: Matrix) -> Matrix:
        shares = _probabilities(rows, logits=self.logits)
        negative_entropy = np.vecdot(shares, np.log(np.maximum(shares, _SMALLEST)))
        divergences: Matrix = negative_entropy[:, None] - shares @ self.templates
        return divergences

    def parameters(self) -> dict[str, Any]:
        """Return what is stored as JSON."""
        return {"logits": self.logits}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays."""
        return {"templates": self.templates}

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild the detector."""
        return cls(bool(parameters["logits"]), arrays["templates"])


def _probabilities(rows: Matrix, *, logits: bool) -> Matrix:
    if not logits:
        return np.maximum(rows, 0.0)
    weights = np.exp(rows - rows.max(axis=1, keepdims=True))
    shares: Matrix = weights / weights.sum(axis=1, keepdims=True)
    return shares
