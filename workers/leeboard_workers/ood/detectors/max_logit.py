"""Minus the largest logit (Hendrycks et al., 2022, "Scaling out-of-distribution detection", arXiv:1911.11132)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard.api.shared import NoParameters
from leeboard_workers.ood.detectors.known import Known, Labels, Matrix, likeliest


@dataclass(frozen=True)
class MaxLogitScorer:
    """Scores logits by the largest one."""

    @classmethod
    def fit(cls, known: Known, options: NoParameters, rng: np.random.Generator) -> Self:  # noqa: ARG003 (as all)
        """Check that the reference are logits of classes; there is nothing to learn."""
        known.need_classes("maxLogit")
        return cls()

    def score(self, rows: Matrix) -> Matrix:
        """Return minus the largest logit of each row."""
        scores: Matrix = -rows.max(axis=1)
        return scores

    def classes(self, rows: Matrix) -> Labels:
        """Return the class of the largest logit."""
        return likeliest(rows)

    def parameters(self) -> dict[str, Any]:
        """Return nothing: the detector learns nothing."""
        return {}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return nothing: the detector learns nothing."""
        return {}

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG003
        """Rebuild the detector."""
        return cls()
