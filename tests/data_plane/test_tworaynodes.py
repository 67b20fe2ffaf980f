"""The same numbers on one machine's cores and on a real Ray cluster of two nodes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from leeboard_workers.drift import compare
from tests.support import tworaynodes


def write(path: Path, seed: int):
    draw = np.random.default_rng(seed)
    columns = {f"n{number}": draw.lognormal(number / 10 * seed, 1, 6_000) for number in range(6)}
    table = pa.table(columns | {"c": draw.choice(["x", "y", "z"], 6_000)})
    pyarrow.parquet.write_table(table, path)
    return table


def test_two_nodes_give_the_numbers_of_one(tmp_path: Path):
    then, now = write(tmp_path / "then.parquet", 0), write(tmp_path / "now.parquet", 1)
    script = [sys.executable, "-m", tworaynodes.__name__, str(tmp_path / "then.parquet"), str(tmp_path / "now.parquet")]
    done = subprocess.run(script, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["nodes"] == 2
    assert found["report"] == json.loads(json.dumps(compare(then, now).to_dict()))
