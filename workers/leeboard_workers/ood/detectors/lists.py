"""Finds nearest directions in a few lists of many instead of among all rows (an inverted file).

Each row lies in the list of its nearest centre; who asks looks through the lists of the centres nearest to it. How
many those are is measured: as many as find `LEAST_RECALL` of the true neighbours.

Source: Jégou, Douze and Schmid, "Product quantization for nearest neighbor search" (2011), without the quantization.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.ood.detectors.known import Labels, Matrix

FEWEST_ROWS = 5_000
"""Rows below which all are looked through: it takes less than 0.1 ms."""
LEAST_RECALL = 0.99
"""Share of the true neighbours that must be found."""

_LARGEST_SHARE = 0.25
"""Share of the lists above which looking through all rows is as fast."""
_JUDGES = 500
_BATCH = 2_048
_EPOCHS = 5
_BLOCK_CELLS = 8_000_000
"""Cosines that are held at once."""


@dataclass(frozen=True)
class Lists:
    """Centres of lists of directions; the directions themselves lie list by list in a matrix of their own."""

    centres: Matrix
    """Directions of the centres, transposed (d x lists)."""
    ends: Labels
    """Where each list begins, and where the last one ends (lists + 1)."""
    probes: int
    """Lists that are looked through for a row."""
    recall: float
    """Share of the true neighbours that are found so."""

    @classmethod
    def of(cls, directions: Matrix, neighbours: int, rng: np.random.Generator) -> tuple[Self, Labels] | None:
        """Make about √rows lists; none where so many would have to be looked through that it is no faster.

        The recall is measured on rows that the centres were not fitted to; a row is no neighbour of its own.

        Args:
            directions: Rows of length one (rows x d).
            neighbours: k.
            rng: Where the judging rows and the seed of the centres come from.

        Returns:
            The lists, and the positions of the rows list by list.
        """
        order = rng.permutation(len(directions))
        judges, others = order[:_JUDGES], order[_JUDGES:]
        centres = _centres(directions[others], math.isqrt(len(directions)), int(rng.integers(2**31)))
        of_row = np.concatenate([(block @ centres).argmax(axis=1) for block in blocks(directions, centres.shape[1])])
        sizes = np.bincount(of_row, minlength=centres.shape[1])
        ranks = _ranks_of_neighbours(directions, judges, centres, of_row, neighbours)
        wanted = int(np.quantile(ranks, LEAST_RECALL, method="inverted_cdf")) + 1
        enough = int(np.searchsorted(np.sort(sizes).cumsum(), neighbours)) + 1  # the smallest lists hold k rows
        probes = max(wanted, enough)
        if probes > _LARGEST_SHARE * len(sizes):
            return None
        ends = np.concatenate([[0], sizes.cumsum()])
        recall = float((ranks < probes).mean())
        return cls(centres, ends, probes, recall), np.argsort(of_row, kind="stable")

    def cosines(self, rows: Matrix, bank: Matrix, neighbours: int) -> Matrix:
        """Return for each direction its cosine to the k-th nearest among the rows of its lists.

        Args:
            rows: Directions (n x d).
            bank: Directions list by list, transposed (d x rows).
            neighbours: k.
        """
        near = rows @ self.centres
        chosen = near.argpartition(near.shape[1] - self.probes, axis=1)[:, -self.probes :].tolist()
        ends, found = self.ends.tolist(), np.empty(len(rows))
        for at, (row, lists) in enumerate(zip(rows, chosen, strict=True)):
            cosines = np.concatenate([row @ bank[:, ends[one] : ends[one + 1]] for one in lists])
            kth = len(cosines) - neighbours
            cosines.partition(kth)
            found[at] = cosines[kth]
        return found

    def parameters(self) -> dict[str, Any]:
        """Return what is stored as JSON."""
        return {"lists": self.centres.shape[1], "probes": self.probes, "recall": self.recall}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays."""
        return {"centres": self.centres, "ends": self.ends}

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild the lists."""
        return cls(arrays["centres"], arrays["ends"], int(parameters["probes"]), float(parameters["recall"]))


def normalized(rows: Matrix) -> Matrix:
    """Scale rows to length one; zero stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Matrix = rows / np.where(lengths > 0.0, lengths, 1.0)
    return scaled


def blocks(rows: NDArray[Any], columns: int) -> list[NDArray[Any]]:
    """Cut rows so that each block times so many columns stays within a bound of memory (64 MB of cosines)."""
    size = max(1, _BLOCK_CELLS // columns)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _centres(directions: Matrix, lists: int, seed: int) -> Matrix:
    from sklearn.cluster import MiniBatchKMeans  # noqa: PLC0415 (slow to import, and whoever scores does not need it)

    means = MiniBatchKMeans(
        lists, batch_size=_BATCH, max_iter=_EPOCHS, n_init=1, random_state=seed, compute_labels=False
    ).fit(directions)
    return np.ascontiguousarray(normalized(means.cluster_centers_).T)


def _ranks_of_neighbours(
    directions: Matrix, judges: Labels, centres: Matrix, of_row: Labels, neighbours: int
) -> Labels:
    """Return judges by neighbours: how many lists are nearer to the judge than that of its true neighbour."""
    ranks = []
    for some in blocks(judges, len(directions)):
        cosines = directions[some] @ directions.T
        np.put_along_axis(cosines, some[:, None], -2.0, axis=1)
        nearest = np.argpartition(cosines, -neighbours, axis=1)[:, -neighbours:]
        rank = (-(directions[some] @ centres)).argsort(axis=1).argsort(axis=1)
        ranks.append(np.take_along_axis(rank, of_row[nearest], axis=1))
    return np.concatenate(ranks)
