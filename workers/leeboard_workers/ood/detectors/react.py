"""Energy of the logits after the features were cut off above (Sun et al., 2021, "ReAct", arXiv:2111.12797)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import React
from leeboard_workers.ood.detectors.energy import energy
from leeboard_workers.ood.detectors.known import Head, Known, Labels, Matrix, likeliest


@dataclass(frozen=True)
class ReactScorer:
    """Scores features by the energy of the logits of what is left of them."""

    ceiling: float
    head: Head

    @classmethod
    def fit(cls, known: Known, options: React, rng: np.random.Generator) -> Self:  # noqa: ARG003 (as all detectors)
        """Take the quantile of all features of the reference.

        Raises:
            ValueError: the model does not show its last layer.
        """
        return cls(float(np.quantile(known.rows, options.quantile)), known.need_head("react"))

    def score(self, rows: Matrix) -> Matrix:
        """Return the energy of each row."""
        return energy(self.head.logits(np.minimum(rows, self.ceiling)))

    def classes(self, rows: Matrix) -> Labels:
        """Return the class of the largest logit."""
        return likeliest(self.head.logits(np.minimum(rows, self.ceiling)))

    def parameters(self) -> dict[str, Any]:
        """Return what is stored as JSON."""
        return {"ceiling": self.ceiling}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays."""
        return self.head.arrays()

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild the detector."""
        return cls(float(parameters["ceiling"]), Head(arrays["weights"], arrays["bias"]))
