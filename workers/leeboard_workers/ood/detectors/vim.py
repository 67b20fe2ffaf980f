"""Virtual logit: how much of the features lies outside their principal space, against the energy of the logits.

Source: Wang et al., 2022, arXiv:2203.10807. The origin is where the logits are as near to zero as can be, and the
residual's length is scaled so that on the reference the virtual logit is as large as the largest real one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import Vim
from leeboard_workers.ood.detectors.energy import energy
from leeboard_workers.ood.detectors.known import Known, Labels, Matrix, likeliest


@dataclass(frozen=True)
class VimScorer:
    """Scores features by their virtual logit plus the energy of their logits."""

    projection: Matrix
    """Features to scaled residual coordinates and to logits, side by side (d x (residual dimensions + C))."""
    offset: Matrix
    """What is added to both."""
    classes_count: int

    @classmethod
    def fit(cls, known: Known, options: Vim, rng: np.random.Generator) -> Self:  # noqa: ARG003 (as all detectors)
        """Find the principal space of the features, seen from the origin.

        Raises:
            ValueError: the model does not show its last layer, or the principal space leaves nothing over.
        """
        head = known.need_head("vim")
        width = known.rows.shape[1]
        kept = options.dimensions if options.dimensions is not None else width // 2
        if not kept < width:
            raise ValueError(f"vim with {kept} dimensions needs more features than that, there are {width}")
        origin = -np.linalg.pinv(head.weights.T) @ head.bias
        centred = known.rows - origin
        _, directions = np.linalg.eigh(centred.T @ centred / len(centred))
        residual = directions[:, : width - kept]  # eigh sorts ascending
        lengths = np.linalg.norm(centred @ residual, axis=1)
        mean_length = float(lengths.mean())
        alpha = float(head.logits(known.rows).max(axis=1).mean()) / mean_length if mean_length > 0.0 else 1.0
        projection = np.hstack([alpha * residual, head.weights])
        offset = np.concatenate([-alpha * origin @ residual, head.bias])
        return cls(np.ascontiguousarray(projection), offset, len(head.bias))

    def score(self, rows: Matrix) -> Matrix:
        """Return the virtual logit plus the energy of each row."""
        projected = rows @ self.projection
        projected += self.offset
        residual = projected[:, : -self.classes_count]
        scores: Matrix = np.sqrt(np.vecdot(residual, residual)) + energy(projected[:, -self.classes_count :])
        return scores

    def classes(self, rows: Matrix) -> Labels:
        """Return the class of the largest logit."""
        at = -self.classes_count
        return likeliest(rows @ self.projection[:, at:] + self.offset[at:])

    def parameters(self) -> dict[str, Any]:
        """Return what is stored as JSON."""
        return {"classes": self.classes_count}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays."""
        return {"projection": self.projection, "offset": self.offset}

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild the detector."""
        return cls(arrays["projection"], arrays["offset"], int(parameters["classes"]))
