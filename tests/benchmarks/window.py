"""A window of ten million logged rows and ten features: from the log to the verdict, exact and sampled."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from deltalake import write_deltalake

from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import OURS, run

DATA = Path("build/bench/window")
ROWS = 10_000_000
GROUP = 1_000_000
FEATURES = 10


def figures() -> Iterator[Figure]:
    """The floor reads every column of the log once, with the keys, and does nothing with them."""
    folder = _data()
    floor = run(OURS, "window_floor", runs=1, folder=folder)
    for name, most in (("exact", ROWS), ("sample of 1M", GROUP)):
        ours = run(OURS, "window_ours", runs=1, folder=folder, max_rows=most)
        workload = f"log to verdict, 10 features, 10M rows, {name}"
        yield Figure(workload, "reading the columns", ours.seconds, floor.seconds, ours.peak_mb, floor.peak_mb)


def _data() -> str:
    """Write reference and log once, and return their folder."""
    if not (DATA / "log").exists():
        DATA.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(_features(np.random.default_rng(0), GROUP, ""), DATA / "then.parquet")
        for number in range(ROWS // GROUP):
            write_deltalake(DATA / "log", _logged(number), mode="append", partition_by=["date"])
    return str(DATA.absolute())


def _features(random: np.random.Generator, rows: int, prefix: str) -> pa.Table:
    return pa.table({f"{prefix}f{number}": random.lognormal(number, size=rows) for number in range(FEATURES)})


def _logged(number: int) -> pa.Table:
    keys = np.arange(number * GROUP, (number + 1) * GROUP)
    start = int(datetime(2026, 1, 1 + number, tzinfo=UTC).timestamp() * 1e6)
    day = pa.scalar(f"2026-01-{1 + number:02}")
    columns = {
        "request_id": pa.array([f"{key:036x}" for key in keys]),
        "row": pa.array(np.zeros(GROUP, np.int64)),
        "arm": pa.array(["a"] * GROUP),
        "time": pa.array(start + np.arange(GROUP) * 80_000, pa.timestamp("us", "UTC")),
        "date": pa.array([day.as_py()] * GROUP),
    }
    features = _features(np.random.default_rng(number + 1), GROUP, "x_")
    return pa.table(columns | {name: features[name] for name in features.column_names})
