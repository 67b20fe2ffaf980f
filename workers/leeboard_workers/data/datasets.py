"""Reads a DatasetRef as an Arrow table: Delta, Parquet or CSV, from a folder, an object store or MLflow's artifacts."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset
import pyarrow.fs
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from leeboard.api.shared import DatasetFormat, DatasetRef
from leeboard_workers.data.windows import Window

_MLFLOW_SCHEMES = ("mlflow-artifacts:/", "models:/", "runs:/")


class DatasetError(ValueError):
    """A data set cannot be read; the message says which, why and what to do."""


def read_dataset(ref: DatasetRef, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a data set, or some columns of it.

    Raises:
        DatasetError: the table is missing, is not of its format, or lacks a column.
    """
    try:
        if ref.uri.startswith(_MLFLOW_SCHEMES):
            with tempfile.TemporaryDirectory(prefix="leeboard-data-") as folder:
                return _read(ref, _download(ref.uri, folder), columns)
        return _read(ref, ref.uri, columns)
    except (OSError, DeltaError, TableNotFoundError, pa.ArrowException) as error:
        raise _unreadable(ref, error) from error


def dataset_version(ref: DatasetRef) -> int | None:
    """Return the version of a Delta table that `read_dataset` reads, or none for other formats."""
    if ref.format is not DatasetFormat.DELTA or ref.uri.startswith(_MLFLOW_SCHEMES):
        return ref.version
    return ref.version if ref.version is not None else DeltaTable(_local(ref.uri)).version()


def sample_rows(table: pa.Table, max_rows: int, seed: int) -> pa.Table:
    """Return at most `max_rows` rows, drawn without replacement by the seed, in their order."""
    if table.num_rows <= max_rows:
        return table
    chosen = np.random.default_rng(seed).choice(table.num_rows, size=max_rows, replace=False)
    return table.take(pa.array(np.sort(chosen)))


def rows_between(table: pa.Table, column: str, window: Window) -> pa.Table:
    """Return the rows whose time lies in the window; times without an offset count as UTC.

    Raises:
        DatasetError: the column is missing or holds no times.
    """
    if column not in table.column_names:
        raise DatasetError(f"there is no column {column!r}; the table has {', '.join(table.column_names)}")
    times = times_of(column, table[column])
    keep = pa.array(np.ones(table.num_rows, dtype=bool))
    if window.start is not None:
        keep = pc.and_(keep, pc.greater_equal(times, pa.scalar(window.start, pa.timestamp("us", "UTC"))))
    if window.end is not None:
        keep = pc.and_(keep, pc.less(times, pa.scalar(window.end, pa.timestamp("us", "UTC"))))
    return table.filter(keep)


def times_of(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as instants in UTC; times without an offset count as UTC.

    Raises:
        DatasetError: it holds no times.
    """
    try:
        return pc.cast(column, pa.timestamp("us", "UTC"))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DatasetError(f"the column {name!r} holds no times: {error}") from error


def open_dataset(ref: DatasetRef) -> pa.dataset.Dataset:
    """Open a data set where it lies, without reading rows.

    Raises:
        DatasetError: the table is missing or is not of its format.
    """
    try:
        return _dataset(ref, ref.uri)
    except (OSError, DeltaError, TableNotFoundError, pa.ArrowException) as error:
        raise _unreadable(ref, error) from error


def is_downloaded(ref: DatasetRef) -> bool:
    """Whether the data set lies in MLflow, from which it is fetched whole."""
    return ref.uri.startswith(_MLFLOW_SCHEMES)


def pinned(ref: DatasetRef) -> DatasetRef:
    """Return the reference to what lies there now: a Delta table's newest version by its number."""
    return ref.model_copy(update={"version": dataset_version(ref)})


def _unreadable(ref: DatasetRef, error: Exception) -> DatasetError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DatasetError(f"cannot read the {ref.format} data set {ref.uri}: {reason[:300]}")


def _read(ref: DatasetRef, uri: str, columns: Sequence[str] | None) -> pa.Table:
    dataset = _dataset(ref, uri)
    missing = sorted(set(columns or ()) - set(dataset.schema.names))
    if missing:
        raise DatasetError(f"the data set {ref.uri} lacks the columns {', '.join(missing)}")
    return dataset.to_table(columns=list(columns) if columns is not None else None)


def _dataset(ref: DatasetRef, uri: str) -> pa.dataset.Dataset:
    if ref.format is DatasetFormat.DELTA:
        return DeltaTable(_local(uri), version=ref.version).to_pyarrow_dataset()
    filesystem, path = pa.fs.FileSystem.from_uri(uri) if "://" in uri else (pa.fs.LocalFileSystem(), _local(uri))
    kind = pa.dataset.ParquetFileFormat() if ref.format is DatasetFormat.PARQUET else pa.dataset.CsvFileFormat()
    return pa.dataset.dataset(path, format=kind, filesystem=filesystem)


def _local(uri: str) -> str:
    return uri.removeprefix("file://") if uri.startswith("file://") else uri.removeprefix("file:")


def _download(uri: str, folder: str) -> str:
    import mlflow.artifacts  # noqa: PLC0415 (two seconds, and only data sets in MLflow need it)

    try:
        path = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder)
    except Exception as error:  # mlflow wraps the errors of whatever store stands behind it
        raise DatasetError(f"MLflow has no artifact {uri}: {str(error)[:300]}") from error
    return str(Path(path))
