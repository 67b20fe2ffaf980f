"""Univariate drift of 50 numeric and 10 categorical columns."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from scipy import stats

from leeboard.api.checks import Check, UnivariateDistance, UnivariateTest
from leeboard_workers.drift import compare
from tests.benchmarks.figures import Figure, median_seconds


def columns(rows: int, seed: int) -> dict[str, np.ndarray]:
    """50 numeric columns of five shapes and 10 categorical ones."""
    random = np.random.default_rng(seed)
    table: dict[str, np.ndarray] = {}
    for number in range(50):
        table[f"n{number}"] = (
            random.normal(size=rows),
            random.lognormal(size=rows),
            random.uniform(size=rows),
            random.poisson(3, size=rows).astype(float),
            random.standard_t(2, size=rows),
        )[number % 5]
    for number in range(10):
        table[f"c{number}"] = np.array([f"l{level}" for level in range(2 + 10 * number)])[
            random.integers(0, 2 + 10 * number, rows)
        ]
    return table


def figures() -> Iterator[Figure]:
    """KS, chi-square, Wasserstein and Jensen-Shannon for 60 columns; the peer computes KS and Wasserstein by scipy."""
    then, now = columns(100_000, 1), columns(100_000, 2)
    reference, window = pa.table(then), pa.table(now)
    checks = [
        Check(name="test", univariate_test=UnivariateTest()),
        Check(name="distance", univariate_distance=UnivariateDistance()),
    ]

    def peer() -> None:
        for name in then:
            if name.startswith("n"):
                stats.ks_2samp(then[name], now[name], method="asymp")
                stats.wasserstein_distance(then[name], now[name])

    ours = median_seconds(lambda: compare(reference, window, checks=checks), 3)
    yield Figure("60 columns, 100k x 100k", "scipy, KS and Wasserstein only", ours, median_seconds(peer, 3))
