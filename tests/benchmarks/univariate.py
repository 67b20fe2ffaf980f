"""Univariate drift of 50 numeric and 10 categorical columns: six numbers of each, exact where the peer is exact."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import OURS, Environment, run

DATA = Path("build/bench")
ROWS = (100_000, 1_000_000)
SLOW = 100_000
"""With more rows the slowest peer is asked for less."""

SCIPY = Environment("scipy", ("scipy==1.17.1", "pandas==2.3.3", "pyarrow==25.0.1"))
NANNYML = Environment("nannyml", ("nannyml==0.13.1", "statsmodels==0.14.6", "pandas<3", "pyarrow"))
ALIBI = Environment("alibi-detect", ("alibi-detect==0.13.0", "pyarrow==20.0.0"))
FROUROS = Environment("frouros", ("frouros==0.9.0", "pandas<3", "pyarrow"))
EVIDENTLY = Environment("evidently", ("evidently==0.7.23", "pandas<3", "pyarrow"))
PEERS = (
    ("scipy, the six numbers", SCIPY, "univariate_scipy"),
    ("nannyml, binned KS, W, JS, chi-square", NANNYML, "univariate_nannyml"),
    ("alibi-detect, KS and chi-square", ALIBI, "univariate_alibi"),
    ("frouros, KS, W and chi-square", FROUROS, "univariate_frouros"),
)


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
    """Six numbers of 60 columns, from tables in memory, beside each peer on the same tables."""
    for rows in ROWS:
        folder = _data(rows)
        size = f"60 columns, {rows // 1000}k x {rows // 1000}k"
        ours = run(OURS, "univariate_ours", folder=folder)
        for name, environment, script in PEERS:
            peer = run(environment, script, runs=0 if rows > SLOW else 1, folder=folder)
            yield Figure(size, name, ours.seconds, peer.seconds, ours.peak_mb, peer.peak_mb)
        asked = "six numbers" if rows <= SLOW else "one number"
        peer = run(EVIDENTLY, "univariate_evidently", runs=0, folder=folder, preset=rows > SLOW)
        yield Figure(size, f"evidently, {asked}", ours.seconds, peer.seconds, ours.peak_mb, peer.peak_mb)


def _data(rows: int) -> str:
    """Write both sides once, and return their folder."""
    folder = DATA / f"univariate-{rows}"
    folder.mkdir(parents=True, exist_ok=True)
    for side, seed in (("then", 1), ("now", 2)):
        path = folder / f"{side}.parquet"
        if not path.exists():
            pyarrow.parquet.write_table(pa.table(columns(rows, seed)), path)
    return str(folder.absolute())
