"""Rows that stay where they are stored, chosen once and read column by column."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from deltalake import write_deltalake

from leeboard.api.shared import DatasetFormat, DatasetRef
from leeboard_workers.data.rows import TableRows
from leeboard_workers.data.stored import StoredTable, all_rows, fingerprint


def part(start: int, rows: int, **more: Any):
    numbers = np.arange(start, start + rows)
    return pa.table({"n": numbers, "t": [f"t{number}" for number in numbers], **more})


@pytest.fixture
def folder(tmp_path: Path):
    for name, start in (("a", 0), ("b", 1_000), ("c", 2_000)):
        pyarrow.parquet.write_table(part(start, 1_000), tmp_path / f"{name}.parquet", row_group_size=300)
    return tmp_path


def stored(folder: Path, kind: DatasetFormat = DatasetFormat.PARQUET):
    return all_rows(StoredTable.of(DatasetRef(uri=str(folder), format=kind)))


def test_columns_are_read_in_the_order_of_the_files(folder: Path):
    rows = stored(folder)
    assert (rows.rows, rows.total_rows, rows.names) == (3_000, 3_000, ("n", "t"))
    assert rows.column("n").to_pylist() == list(range(3_000))


def test_a_sample_is_the_same_rows_in_every_column_and_on_every_machine(folder: Path):
    rows = stored(folder).thinned(500, seed=3)
    assert (rows.rows, rows.total_rows) == (500, 3_000)
    table = pickle.loads(pickle.dumps(rows)).table(["n", "t"])  # noqa: S301 (our own)
    assert table["t"].to_pylist() == [f"t{number}" for number in table["n"].to_pylist()]
    assert table["n"].to_pylist() == stored(folder).thinned(500, seed=3).column("n").to_pylist()
    assert table["n"].to_pylist() != stored(folder).thinned(500, seed=4).column("n").to_pylist()
    again = rows.thinned(50, seed=1)
    assert set(again.column("n").to_pylist()) < set(table["n"].to_pylist())


def test_taken_rows_are_those(folder: Path):
    places = np.array([0, 999, 1_000, 1_500, 2_999])
    assert stored(folder).taken(places).column("n").to_pylist() == places.tolist()
    assert stored(folder).taken(np.array([], dtype=int)).column("n").to_pylist() == []


def test_columns_that_came_later_are_missing_before(tmp_path: Path):
    write_deltalake(str(tmp_path), part(0, 5))
    write_deltalake(str(tmp_path), part(5, 5, late=np.ones(5)), mode="append", schema_mode="merge")
    rows = stored(tmp_path, DatasetFormat.DELTA)
    both = rows.table(["n", "late"])
    assert {(n < 5): late for n, late in zip(*(column.to_pylist() for column in both), strict=True)} == {
        True: None,
        False: 1.0,
    }


def test_new_names_are_read_from_the_old_columns(folder: Path):
    rows = stored(folder).renamed({"n": "number"})
    assert rows.names == ("number",)
    assert rows.column("number")[7].as_py() == 7


def test_a_fingerprint_changes_with_the_files(folder: Path):
    before = fingerprint(stored(folder))
    pyarrow.parquet.write_table(part(0, 1_001), folder / "d.parquet")
    assert len(before) == 3
    assert set(before) < {*fingerprint(all_rows(StoredTable.of(DatasetRef(uri=f"{folder}/"))))}


def test_a_table_in_memory_is_rows_too():
    rows = TableRows(part(0, 100)).thinned(10, seed=0)
    assert (rows.rows, rows.total_rows, rows.select(["t"]).names) == (10, 100, ("t",))
