"""Sums of a kernel over all pairs of rows, for all arrangements at once; the kernel matrix is never stored.

The rows are cut into blocks. Of two blocks one product of float32 gives half the negative squared distances, the
kernel makes similarities of them, and one more product with the arrangements adds them up for all arrangements; the
sums go on in float64. Half of the blocks suffice, since the kernel is symmetric. Memory: rows x (columns +
arrangements), and one block for each thread.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.drift.multivariate.arrangements import Arrangements
from leeboard_workers.drift.multivariate.device import Device
from leeboard_workers.drift.multivariate.kernels import Kernel
from leeboard_workers.drift.multivariate.sides import Sides


@dataclass(frozen=True)
class PairSums:
    """Sums of a kernel over ordered pairs of different rows, by arrangement."""

    within_reference: NDArray[np.float64]
    across: NDArray[np.float64]
    """Of one row of each side, each pair once."""
    within_window: NDArray[np.float64]

    @classmethod
    def of(
        cls, everything: float, window_with_all: NDArray[np.float64], within_window: NDArray[np.float64]
    ) -> "PairSums":
        """Tell the sides apart."""
        return cls(
            within_reference=everything - 2.0 * window_with_all + within_window,
            across=window_with_all - within_window,
            within_window=within_window,
        )


def sum_pairs(sides: Sides, kernel: Kernel, arrangements: Arrangements, device: Device) -> PairSums:
    """Sum the kernel over the pairs of rows.

    Args:
        sides: Rows of both sides.
        kernel: How alike two rows are.
        arrangements: Which spans count as the window's.
        device: Where to compute.
    """
    namespace = device.namespace
    centre = sides.reference.mean(axis=0, dtype=np.float64)  # so that float32 has the digits for the rows' norms
    scaled = (np.vstack([sides.reference, sides.window]) - centre) * kernel.scale
    half_norms = -0.5 * (scaled * scaled).sum(axis=1, keepdims=True)
    ones = np.ones_like(half_norms)
    left = device.array(np.hstack([scaled, half_norms, ones]))
    right = device.array(np.hstack([scaled, ones, half_norms]))
    weights = device.array(np.hstack([np.repeat(arrangements, sides.span, axis=0), ones]))
    rows, counted = weights.shape[0], arrangements.shape[1]

    def of_block(start: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sum within the window by arrangement, and with all others by row from `start` on."""
        mine = slice(start, min(start + device.block, rows))
        within, by_row = np.zeros(counted), np.zeros(rows - start)
        for other in range(start, rows, device.block):
            theirs = slice(other, min(other + device.block, rows))
            halves = namespace.matmul(left[mine, :], namespace.matrix_transpose(right[theirs, :]))
            values = kernel(namespace, namespace.clip(halves, max=0.0))
            if other == start:
                values = values - values * namespace.eye(values.shape[0], dtype=values.dtype, device=device.where)
            sums = namespace.matmul(values, weights[theirs, :])
            weighed = _total(namespace, sums[:, :-1] * weights[mine, :-1])
            within += (1.0 if other == start else 2.0) * device.numpy(weighed)
            by_row[: mine.stop - start] += device.numpy(sums[:, -1])
            if other != start:
                columns = namespace.matmul(namespace.matrix_transpose(values), weights[mine, -1:])
                by_row[other - start : theirs.stop - start] += device.numpy(columns[:, 0])
        return within, by_row

    parts = list(device.map(of_block, range(0, rows, device.block)))
    by_row = np.zeros(rows)
    for _, some in parts:
        by_row[rows - len(some) :] += some
    with_all = by_row.reshape(-1, sides.span).sum(axis=1) @ arrangements
    within: NDArray[np.float64] = np.sum([part[0] for part in parts], axis=0)
    return PairSums.of(float(by_row.sum()), with_all, within)


def _total(namespace: Any, values: Any) -> Any:
    return namespace.sum(values, axis=0, dtype=namespace.float64)
