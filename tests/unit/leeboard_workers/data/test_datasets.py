from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from deltalake import write_deltalake

from leeboard.api.shared import DatasetRef
from leeboard_workers.data.datasets import DatasetError, dataset_version, read_dataset, rows_between, sample_rows
from leeboard_workers.data.windows import Window

TABLE = pa.table({"a": [1.0, 2.0, 3.0], "b": ["x", "y", None]})


def written(tmp_path: Path, kind: str) -> str:
    path = str(tmp_path / "table")
    if kind == "Delta":
        write_deltalake(path, TABLE)
    elif kind == "Csv":
        pyarrow.csv.write_csv(TABLE.select(["a"]), path)
    else:
        pyarrow.parquet.write_table(TABLE, path)
    return path


@pytest.mark.parametrize("kind", ["Delta", "Parquet", "Csv"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_reads_every_format(tmp_path: Path, kind: str, scheme: str) -> None:
    ref = DatasetRef(uri=scheme + written(tmp_path, kind), format=kind)
    assert read_dataset(ref, ["a"])["a"].to_pylist() == [1, 2, 3]


def test_reads_the_version_of_a_delta_table_that_is_asked_for(tmp_path: Path) -> None:
    uri = written(tmp_path, "Delta")
    write_deltalake(uri, TABLE, mode="append")
    assert read_dataset(DatasetRef(uri=uri, format="Delta", version=0)).num_rows == 3
    assert read_dataset(DatasetRef(uri=uri, format="Delta")).num_rows == 6
    assert dataset_version(DatasetRef(uri=uri, format="Delta")) == 1


def test_reads_an_artifact_of_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    mlflow.set_tracking_uri(server)
    mlflow.create_experiment("e", artifact_location=str(tmp_path / "artifacts"))
    mlflow.set_experiment("e")
    with mlflow.start_run() as run:
        mlflow.log_artifact(written(tmp_path, "Parquet"), "training")
    ref = DatasetRef(uri=f"runs:/{run.info.run_id}/training/table")
    assert read_dataset(ref).equals(TABLE)


@pytest.mark.parametrize("kind", ["Delta", "Parquet", "Csv"])
def test_a_missing_table_is_one_sentence(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DatasetError, match=f"cannot read the {kind} data set"):
        read_dataset(DatasetRef(uri=str(tmp_path / "nowhere"), format=kind))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="lacks the columns z"):
        read_dataset(DatasetRef(uri=written(tmp_path, "Parquet")), ["a", "z"])


def test_a_sample_keeps_the_order_and_is_the_same_each_time() -> None:
    table = pa.table({"a": list(range(1000))})
    sample = sample_rows(table, 50, seed=3)
    assert sample.equals(sample_rows(table, 50, seed=3))
    assert sample["a"].to_pylist() == sorted(set(sample["a"].to_pylist()))


def test_rows_between_hold_the_start_and_not_the_end() -> None:
    times = [datetime(2026, 1, day) for day in (1, 2, 3)]  # noqa: DTZ001 (a table without offsets)
    table = pa.table({"time": times})
    window = Window(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
    assert rows_between(table, "time", window).num_rows == 1
    with pytest.raises(DatasetError, match="no column 'when'"):
        rows_between(table, "when", window)
