"""`make bench`: what speed means here, side by side with a peer in the same run; a table and build/bench.json.

Times alone are noise: the ratio within a run is the figure.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from scipy import stats

from leeboard.api.checks import Check, UnivariateDistance, UnivariateTest
from leeboard.api.outofdistribution import Detector, Mahalanobis
from leeboard_workers.drift import compare
from leeboard_workers.ood.fitting import fit_on_rows
from tests.support.playeddeployment import PlayedDeployment

RUNS = 5


def median_seconds(work: Callable[[], Any], runs: int = RUNS) -> float:
    work()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


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


def drift(rows: int) -> tuple[float, float]:
    """KS, chi-square, Wasserstein and Jensen-Shannon for 60 columns; the peer computes KS and Wasserstein by scipy."""
    then, now = columns(rows, 1), columns(rows, 2)
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

    return median_seconds(lambda: compare(reference, window, checks=checks), 3), median_seconds(peer, 3)


def scoring(batch: int) -> tuple[float, float]:
    """Mahalanobis of 64 numeric columns, from the request's columns to flags; the floor is one product alone."""
    random = np.random.default_rng(0)
    names = [f"x{number}" for number in range(64)]
    reference = pa.table({name: random.normal(size=5_000) for name in names})
    detector = fit_on_rows(Detector(mahalanobis=Mahalanobis()), reference, None, acceptance=0.95, seed=0, provenance={})
    request = {name: random.normal(size=batch).tolist() for name in names}
    left, right = random.normal(size=(batch, 64)), random.normal(size=(64, 64))
    return (
        median_seconds(lambda: detector.score_rows(request), 200),
        median_seconds(lambda: left @ right, 200),
    )


def deciding() -> tuple[float, float]:
    """One pass of a ModelDeployment at rest, without its I/O; the floor is reading its status from JSON."""
    world = PlayedDeployment()
    world.serve()
    text = json.dumps(world.seen().subject.status.document())
    return median_seconds(world.step, 200), median_seconds(lambda: json.loads(text), 200)


def main() -> None:
    console = Console()
    figures: dict[str, tuple[float, float]] = {}
    for name, work in (
        ("drift, 60 columns, 100k x 100k; peer: scipy, KS and Wasserstein only", lambda: drift(100_000)),
        ("scoring, batch of 1, 64 columns; floor: one matrix product", lambda: scoring(1)),
        ("scoring, batch of 32, 64 columns; floor: one matrix product", lambda: scoring(32)),
        ("deciding, one ModelDeployment at rest; floor: parsing its status", deciding),
    ):
        console.print(f"measuring {name}", style="dim")
        figures[name] = work()
    table = Table("workload", "ms", "peer or floor, ms", "ratio", title="Medians of this run")
    for name, (ours, theirs) in figures.items():
        table.add_row(name, f"{ours * 1e3:.3f}", f"{theirs * 1e3:.3f}", f"{ours / theirs:.2f}")
    console.print(table)
    target = Path("build/bench.json")
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({name: {"seconds": a, "peer": b} for name, (a, b) in figures.items()}, indent=1))
    console.print(f"written to {target}")


if __name__ == "__main__":
    main()
