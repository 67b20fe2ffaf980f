"""Kernels of two rows, from half their negative squared distance."""

from dataclasses import dataclass
from math import exp, sqrt
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

SQRT_TWO = sqrt(2.0)
MEDIAN_ROWS = 1_000
"""So many rows of the reference, evenly spread, tell the median distance."""


class Kernel(Protocol):
    """How alike two rows are, less a constant.

    No difference of means moves with the constant; near the typical value it saves the digits that float32 has.
    """

    @property
    def scale(self) -> float:
        """Rows are multiplied by it first."""

    @property
    def itself(self) -> float:
        """Value for a row and itself."""

    def __call__(self, namespace: Any, halves: Any) -> Any:
        """Return the kernel of -½ times the squared distances of scaled rows, which are never above zero."""


@dataclass(frozen=True)
class Gaussian:
    """The mean of exp(-‖x - y‖² / 2 (bsigma)²) over the bandwidths b, less its value at the median distance."""

    sigma: float
    bandwidths: tuple[float, ...] = (1.0,)

    @property
    def scale(self) -> float:
        """Makes sigma one."""
        return 1.0 / self.sigma

    @property
    def typical(self) -> float:
        """Value at the median distance, where ½ ‖x - y‖² is sigma²."""
        return sum(exp(-1.0 / bandwidth**2) for bandwidth in self.bandwidths) / len(self.bandwidths)

    @property
    def itself(self) -> float:
        """Value for a row and itself."""
        return 1.0 - self.typical

    def __call__(self, namespace: Any, halves: Any) -> Any:
        """Return the kernel."""
        values = (
            namespace.exp(halves * self.bandwidths[0] ** -2) if self.bandwidths[0] != 1.0 else namespace.exp(halves)
        )
        for bandwidth in self.bandwidths[1:]:
            values += namespace.exp(halves * bandwidth**-2)
        if len(self.bandwidths) > 1:
            values *= 1.0 / len(self.bandwidths)
        values -= self.typical
        return values


@dataclass(frozen=True)
class NegativeDistance:
    """√2 sigma - ‖x - y‖, where √2 sigma is the median distance; its discrepancy is the energy distance."""

    sigma: float

    @property
    def scale(self) -> float:
        """Distances stay what they are."""
        return 1.0

    @property
    def itself(self) -> float:
        """Value for a row and itself."""
        return SQRT_TWO * self.sigma

    def __call__(self, namespace: Any, halves: Any) -> Any:
        """Return the kernel."""
        values = namespace.sqrt(halves * -2.0)
        values *= -1.0
        values += self.itself
        return values


def median_sigma(reference: NDArray[np.float32]) -> float:
    """Return sigma: 2 sigma² is the median squared distance of the reference's rows (Gretton et al., 2012, section 8).

    Where half of the pairs are equal it is the mean squared distance; where all are, 1.
    """
    rows = reference[:: max(len(reference) // MEDIAN_ROWS, 1)][:MEDIAN_ROWS].astype(np.float64)
    norms = (rows * rows).sum(axis=1)
    squares = np.maximum(norms[:, None] + norms[None, :] - 2.0 * rows @ rows.T, 0.0)
    pairs = squares[np.tri(len(rows), k=-1, dtype=bool)]
    if len(pairs) == 0:
        return 1.0
    tiny = 1e-12 * max(float(norms.max()), 1e-300)
    typical = float(np.median(pairs))
    typical = typical if typical > tiny else float(pairs.mean())
    return float(np.sqrt(typical / 2.0)) if typical > tiny else 1.0
