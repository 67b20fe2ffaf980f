"""Distance to the k-th nearest reference row, all rows normalized to length one (Sun et al., 2022, arXiv:2204.06507).

Exact for few reference rows: one matrix product and a partition. Of many, those in the nearest lists are looked
through, whose recall was measured; a neighbour that is missed makes the distance larger, never smaller. Reference,
held-out and served rows take the same way, alone or in a batch: a row's score is its own, and the threshold's promise
holds as it does for exact distances. Between rows of length one the squared distance is 2 - 2 · cosine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import NearestNeighbours
from leeboard_workers.ood.detectors.known import Known, Matrix
from leeboard_workers.ood.detectors.lists import FEWEST_ROWS, Lists, blocks, normalized


@dataclass(frozen=True)
class NearestNeighboursScorer:
    """Scores rows by their distance to the k-th nearest reference row."""

    neighbours: int
    bank: Matrix
    """Normalized reference rows, transposed (d x rows); list by list where there are lists."""
    lists: Lists | None = None

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
        directions = normalized(reference)
        found = Lists.of(directions, neighbours, rng) if len(directions) >= FEWEST_ROWS else None
        if found is None:
            return cls(neighbours, np.ascontiguousarray(directions.T))
        lists, order = found
        return cls(neighbours, np.ascontiguousarray(directions[order].T), lists)

    @property
    def recall(self) -> float | None:
        """Share of the true neighbours that are found; none where all reference rows are looked through."""
        return None if self.lists is None else self.lists.recall

    def score(self, rows: Matrix) -> Matrix:
        """Return the distance of each row to its k-th nearest reference row, between 0 and 2."""
        directions = normalized(rows)
        if self.lists is not None:
            return _distance(self.lists.cosines(directions, self.bank, self.neighbours))
        at, scores = self.bank.shape[1] - self.neighbours, [np.empty(0)]
        for some in blocks(directions, self.bank.shape[1]):
            cosines = some @ self.bank
            cosines.partition(at, axis=1)
            scores.append(_distance(cosines[:, at]))
        return np.concatenate(scores)

    def parameters(self) -> dict[str, Any]:
        """Return what is stored as JSON."""
        return {"neighbours": self.neighbours, "lists": self.lists and self.lists.parameters()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays."""
        return {"bank": self.bank} | (self.lists.arrays() if self.lists is not None else {})

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild the detector."""
        told = parameters.get("lists")
        lists = None if told is None else Lists.restore(told, arrays)
        return cls(int(parameters["neighbours"]), arrays["bank"], lists)


def _distance(cosines: Matrix) -> Matrix:
    distances: Matrix = np.sqrt(np.maximum(0.0, 2.0 - 2.0 * cosines))
    return distances
