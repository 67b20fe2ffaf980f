"""From Parquet files to the verdict: ten million rows, exact, beside engines that compute only the quantiles."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import OURS, Environment, run

DATA = Path("build/bench/stored")
ROWS = 10_000_000
REFERENCE_ROWS = 1_000_000
GROUP = 1_000_000

POLARS = Environment("polars", ("polars==2.1.0",))
DUCKDB = Environment("duckdb", ("duckdb==2.0.0",))


def figures() -> Iterator[Figure]:
    """KS, Wasserstein, chi-square and Jensen-Shannon of five numeric columns and one of text."""
    folder = _data()
    ours = run(OURS, "stored_ours", runs=2, folder=folder)
    for name, environment, script in (
        ("polars, quantiles and counts only", POLARS, "stored_polars"),
        ("duckdb, quantiles and counts only", DUCKDB, "stored_duckdb"),
    ):
        peer = run(environment, script, runs=2, folder=folder)
        workload = "Parquet to verdict, 6 columns, 10M rows"
        yield Figure(workload, name, ours.seconds, peer.seconds, ours.peak_mb, peer.peak_mb)


def _data() -> str:
    """Write both sides once, and return their folder."""
    DATA.mkdir(parents=True, exist_ok=True)
    for side, rows, seed in (("then", REFERENCE_ROWS, 1), ("now", ROWS, 2)):
        path = DATA / f"{side}.parquet"
        if path.exists():
            continue
        random = np.random.default_rng(seed)
        with pyarrow.parquet.ParquetWriter(path, _group(random, 1).schema) as writer:
            for _ in range(rows // GROUP):
                writer.write_table(_group(random, GROUP))
    return str(DATA.absolute())


def _group(random: np.random.Generator, rows: int) -> pa.Table:
    columns = {
        "a": random.normal(size=rows),
        "b": random.lognormal(size=rows),
        "c": random.uniform(size=rows),
        "d": random.poisson(3, size=rows).astype(float),
        "e": random.standard_t(2, size=rows),
    }
    levels = np.array([f"l{level}" for level in range(50)])
    return pa.table(columns | {"f": levels[random.integers(0, 50, rows)]})
