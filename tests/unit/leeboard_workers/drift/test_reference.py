"""References: prepared once, kept in a folder, equal to what they were made from."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from leeboard.api.checks import CategoricalDistance, Check, UnivariateDistance, UnivariateTest
from leeboard_workers.data.rows import TableRows
from leeboard_workers.drift import compare, prepare
from leeboard_workers.drift.store import StoredReferenceError, load, save

CHECKS = [
    Check(name="test", univariate_test=UnivariateTest()),
    Check(name="distance", univariate_distance=UnivariateDistance()),
]


def table(rows: int, seed: int):
    draw = np.random.default_rng(seed)
    return pa.table(
        {
            "number": draw.normal(size=rows),
            "dirty": pa.array([None, float("nan"), float("inf"), float("-inf"), *draw.normal(size=rows - 4)]),
            "text": draw.choice(["x", "y", "z"], rows),
            "at": pa.array([datetime(2026, 1, 1 + index % 28, index % 24, tzinfo=UTC) for index in range(rows)]),
            "empty": pa.nulls(rows, pa.float64()),
            "lists": [[1]] * rows,
        }
    )


@pytest.fixture
def reference():
    return prepare(TableRows(table(900, 0)))


def test_a_prepared_reference_gives_the_numbers_of_its_rows(reference: Any):
    window = table(700, 1)
    assert compare(reference, window, CHECKS) == compare(table(900, 0), window, CHECKS)


def test_what_is_stored_is_what_is_read(reference: Any, tmp_path: Path):
    save(reference, tmp_path / "kept")
    found = load(tmp_path / "kept")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["arrays.npz", "reference.json"]
    window = table(700, 1)
    assert compare(found, window, CHECKS) == compare(reference, window, CHECKS)
    assert (found.rows, found.names) == (reference.rows, reference.names)


def test_a_reference_can_be_cut_to_some_columns(reference: Any):
    assert reference.select(["text", "nowhere"]).names == ("text",)


def test_each_kind_of_nothing_is_counted(reference: Any):
    [column] = [column for column in compare(reference, table(700, 1)).columns if column.name == "dirty"]
    counts = column.reference_counts
    assert (counts.nulls, counts.not_a_number, counts.plus_infinity, counts.minus_infinity) == (1, 1, 1, 1)
    assert column.window_infinite == pytest.approx(2 / 700)


def test_a_reference_without_values_is_read_as_the_window(reference: Any):
    window = table(700, 1).set_column(4, "empty", pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 700))
    messages = {column.name: column.message for column in compare(reference, window).columns}
    assert messages["empty (hour)"] == "no value in the reference"


@pytest.mark.parametrize("harm", ["missing", "newer", "text", "unsorted"])
def test_what_cannot_be_read_is_told(reference: Any, tmp_path: Path, harm: str):
    save(reference, tmp_path)
    document = json.loads((tmp_path / "reference.json").read_text())
    if harm == "missing":
        (tmp_path / "arrays.npz").unlink()
    elif harm == "newer":
        (tmp_path / "reference.json").write_text(json.dumps(document | {"schemaVersion": 99}))
    elif harm == "text":
        (tmp_path / "reference.json").write_text("{")
    else:
        np.savez(tmp_path / "arrays.npz", c0=np.array([2.0, 1.0]), c1=np.array([1.0]))
    with pytest.raises(StoredReferenceError):
        load(tmp_path)


def test_a_report_is_a_dictionary_a_table_and_a_page(reference: Any):
    report = compare(reference, table(700, 1))
    document = report.to_dict()
    assert json.loads(json.dumps(document))["rows"] == 700
    found = report.to_arrow()
    assert found.num_rows == len(report.columns)
    assert found["p_value"].null_count < found.num_rows
    auto = Check(name="distance", univariate_distance=UnivariateDistance(categorical=CategoricalDistance.AUTO))
    assert "levels" in compare(reference, table(700, 1), [auto]).to_arrow()["distance_reason"].to_pylist()
    assert "<html" in report.to_html("my window")
