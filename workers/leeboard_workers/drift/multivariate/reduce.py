"""Fewer numbers for each row, learnt from the reference alone."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]

_STEP = 65_536


class Reduction(Protocol):
    """Makes few numbers of many."""

    def __call__(self, rows: Rows) -> Rows:
        """Return rows by fewer numbers."""


def principal_components(reference: Rows, components: int) -> Reduction:
    """Project on the directions in which the reference varies most (Pearson, 1901)."""
    mean, directions = principal_axes(reference, components)
    return lambda rows: ((rows - mean) @ directions).astype(np.float32)


def random_projection(width: int, components: int, seed: int) -> Reduction:
    """Project on Gaussian directions, which keep distances up to a factor (Johnson and Lindenstrauss, 1984)."""
    if components >= width:
        return lambda rows: rows
    directions = np.random.default_rng(seed).normal(size=(width, components)) / np.sqrt(components)
    return lambda rows: (rows @ directions.astype(np.float32)).astype(np.float32)


def principal_axes(
    reference: Rows, components: int | None, variance: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean of the reference and its principal directions (numbers x components), largest first.

    Directions have a fixed sign: their largest element is positive.

    Args:
        reference: Rows x numbers.
        components: Directions; None: as many as explain the variance.
        variance: Share of the variance.
    """
    mean = reference.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((len(mean), len(mean)))
    for start in range(0, len(reference), _STEP):
        centred = reference[start : start + _STEP] - mean
        covariance += centred.T @ centred
    sizes, vectors = np.linalg.eigh(covariance)
    sizes, vectors = np.maximum(sizes[::-1], 0.0), vectors[:, ::-1]
    if components is None:
        explained = np.cumsum(sizes) / max(float(sizes.sum()), 1e-300)
        components = int(np.searchsorted(explained, variance)) + 1
    directions = vectors[:, :components]
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
    return mean.astype(np.float32), (directions * np.where(largest < 0, -1.0, 1.0)).astype(np.float32)
