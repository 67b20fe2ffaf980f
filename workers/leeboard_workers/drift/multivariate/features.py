"""Random Fourier features (Rahimi and Recht, 2007): a Gaussian kernel's sums in time linear in the rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.drift.multivariate.arrangements import Arrangements
from leeboard_workers.drift.multivariate.device import Device
from leeboard_workers.drift.multivariate.kernels import Gaussian
from leeboard_workers.drift.multivariate.pairs import PairSums
from leeboard_workers.drift.multivariate.sides import Sides

FREQUENCIES = 1_024
"""Each gives a cosine and a sine."""


def sum_features(sides: Sides, kernel: Gaussian, arrangements: Arrangements, device: Device, seed: int) -> PairSums:
    """Approximate the sums of the kernel over the pairs of rows, as `sum_pairs` makes them.

    The features of a span are added up first, so that the arrangements weigh spans, not rows. Memory: rows x columns,
    and one block x features for each thread.

    Args:
        sides: Rows of both sides.
        kernel: Gaussian.
        arrangements: Which spans count as the window's.
        device: Where to compute.
        seed: Seed of the frequencies.
    """
    namespace = device.namespace
    generator = np.random.default_rng((seed, FREQUENCIES))
    widths = np.resize(np.asarray(kernel.bandwidths), FREQUENCIES)
    rows, span = np.vstack([sides.reference, sides.window]), sides.span
    frequencies = device.array(generator.normal(size=(rows.shape[1], FREQUENCIES)) * (kernel.scale / widths))
    step = max(device.block // span, 1) * span

    def of_span(start: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        stop = min(start + step, len(rows))
        sums: Any = 0.0
        for first in range(start, stop, device.block):
            angles = namespace.matmul(device.array(rows[first : min(first + device.block, stop)]), frequencies)
            waves = namespace.concat([namespace.cos(angles), namespace.sin(angles)], axis=1)
            grouped = namespace.reshape(waves, (-1, min(span, waves.shape[0]), waves.shape[1]))
            sums = sums + namespace.sum(grouped, axis=1)
        weights = device.array(arrangements[start // span : stop // span])
        of_window = namespace.matmul(namespace.matrix_transpose(weights), sums)
        return device.numpy(namespace.sum(sums, axis=0, dtype=namespace.float64)), device.numpy(of_window)

    parts = list(device.map(of_span, range(0, len(rows), step)))
    everything, of_window = np.sum([p[0] for p in parts], axis=0), np.sum([p[1] for p in parts], axis=0)
    n, m = len(rows), len(sides.window)  # each row is its own neighbour: cos² + sin² = 1
    all_pairs = everything @ everything / FREQUENCIES - n
    with_all = of_window @ everything / FREQUENCIES - m
    within = (of_window * of_window).sum(axis=1) / FREQUENCIES - m
    less = kernel.typical
    return PairSums.of(all_pairs - less * n * (n - 1), with_all - less * m * (n - 1), within - less * m * (m - 1))
