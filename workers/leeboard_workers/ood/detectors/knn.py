"""Distance to the k-th nearest reference row, all rows normalized to length one (Sun et al., 2022, arXiv:2204.06507).

Exact: one matrix product and a partition. Between rows of length one the squared distance is 2 - 2 · cosine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import NearestNeighbours
from leeboard_workers.ood.detectors.known import Known, Matrix

_BLOCK_CELLS = 8_000_000
"""Cosines that are held at once (64 MB)."""


@dataclass(frozen=True)
class NearestNeighboursScorer:
    """Scores rows by their distance to the k-th nearest reference row."""

    neighbours: int
    bank: Matrix
    """Normalized reference rows, transposed (d x rows)."""

    @classmethod
    def fit(cls, known: Known, options: NearestNeighbours, rng: np.random.Generator) -> Self:
        """Keep the reference rows, or a sample of them.

        Raises:
            ValueError: fewer rows than neighbours.
        """
        reference, neighbours = known.rows, options.neighbours
        if len(reference) < neighbours:
            raise ValueError(
                f"knn with {neighbours} neighbours needs as many reference rows, there are {len(reference)}"
            )
        if len(reference) > options.max_reference_rows:
            size = max(options.max_reference_rows, neighbours)
            reference = reference[np.sort(rng.choice(len(reference), size=size, replace=False))]
        return cls(neighbours=neighbours, bank=np.ascontiguousarray(_normalized(reference).T))

    def score(self, rows: Matrix) -> Matrix:
        """Return the distance of each row to its k-th nearest reference row, between 0 and 2."""
        directions = _normalized(rows)
        scores = np.empty(len(rows))
        block = max(1, _BLOCK_CELLS // self.bank.shape[1])
        for start in range(0, len(rows), block):
            cosines = directions[start : start + block] @ self.bank
            at = cosines.shape[1] - self.neighbours
            cosines.partition(at, axis=1)
            scores[start : start + block] = np.sqrt(np.maximum(0.0, 2.0 - 2.0 * cosines[:, at]))
        return scores

    def parameters(self) -> dict[str, Any]:
        """Return what is stored as JSON."""
        return {"neighbours": self.neighbours}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays."""
        return {"bank": self.bank}

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild the detector."""
        return cls(neighbours=int(parameters["neighbours"]), bank=arrays["bank"])


def _normalized(rows: Matrix) -> Matrix:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    normalized: Matrix = rows / np.where(lengths > 0.0, lengths, 1.0)
    return normalized
