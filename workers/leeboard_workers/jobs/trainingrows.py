"""The labelled rows of a retraining, from the prediction log or from a data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leeboard.contract.jobs import RetrainRequest
from leeboard_workers.data.datasets import dataset_version, read_dataset, rows_between, sample_rows
from leeboard_workers.data.predictionlog import count_labels, read_labelled
from leeboard_workers.data.windows import Window
from leeboard_workers.retrain.context import TrainingError
from leeboard_workers.retrain.tables import labelled

MAX_ROWS = 5_000_000
"""More rows are sampled: the worker holds them in memory."""

_KEY, _INGESTED = "\0key", "\0ingested"


@dataclass(frozen=True)
class TrainingRows:
    """Features, label and time of each row."""

    table: pa.Table
    label: str
    time: str | None
    key: npt.NDArray[np.str_] | None
    """Identity of each row, where the log gives one."""
    unlabelled: int
    """Rows left out because their outcome is not known."""
    data_versions: dict[str, int]
    labels_in_log: int | None
    """Labelled rows that the log held."""
    ingested: pa.ChunkedArray | None = None
    """When each row and its label were both in the log; none: the rows do not come from a log."""

    @property
    def ingest_mark(self) -> datetime | None:
        """When the newest of the rows came into the log; none: there is no log, or no row."""
        newest: datetime | None = pc.max(self.ingested).as_py() if self.ingested is not None else None
        return newest

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that may be a feature."""
        return tuple(name for name in self.table.column_names if name not in (self.label, self.time))


def read_training_rows(request: RetrainRequest) -> TrainingRows:
    """Read the rows that a request names.

    Raises:
        TrainingError: there is no label column, or nothing to read from.
        DatasetError: the data set cannot be read.
    """
    if request.dataset is not None:
        return _from_dataset(request)
    if request.log is not None:
        return _from_log(request)
    raise TrainingError("the request names neither a data set nor a prediction log to learn from")


def _from_log(request: RetrainRequest) -> TrainingRows:
    if request.log is None:
        raise TrainingError("the request names no prediction log")
    window = Window.between(request.data_from_time, request.data_to_time)
    # Counted first: labels that arrive meanwhile are new to the next run.
    mark = count_labels(request.log)
    rows = read_labelled(request.log, request.arms, [window], max_rows=MAX_ROWS, seed=request.seed)
    features, table = rows.features, rows.table
    label, time = (_free(name, features.column_names) for name in ("label", "time"))
    known = labelled(
        features.append_column(label, table["label"])
        .append_column(time, table["time"])
        .append_column(_INGESTED, _later(table["ingest_time"], table["label_ingest_time"]))
        .append_column(_KEY, pc.binary_join_element_wise(table["request_id"], table["row"].cast(pa.string()), "/")),
        label,
    )
    return TrainingRows(
        table=known.drop_columns([_KEY, _INGESTED]),
        label=label,
        time=time,
        key=np.asarray(known[_KEY].to_pylist(), dtype=str),
        unlabelled=rows.total_rows - known.num_rows if rows.total_rows <= MAX_ROWS else 0,
        data_versions=rows.data_versions,
        labels_in_log=mark,
        ingested=known[_INGESTED],
    )


def _from_dataset(request: RetrainRequest) -> TrainingRows:
    ref = request.dataset
    if ref is None or ref.label_column is None:
        raise TrainingError("data.dataset needs a labelColumn to train on")
    version = dataset_version(ref)
    rows = read_dataset(ref)
    if ref.timestamp_column is not None:
        rows = rows_between(rows, ref.timestamp_column, Window.between(request.data_from_time, request.data_to_time))
    known = sample_rows(labelled(rows, ref.label_column), MAX_ROWS, request.seed)
    return TrainingRows(
        table=known,
        label=ref.label_column,
        time=ref.timestamp_column,
        key=None,
        unlabelled=max(rows.num_rows - known.num_rows, 0) if rows.num_rows <= MAX_ROWS else 0,
        data_versions={} if version is None else {ref.uri: version},
        labels_in_log=None,
    )


def _later(one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the later of two times of each row; Arrow's own maximum does not take zones."""
    return pc.if_else(pc.greater(other, one), other, one)


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name = f"_{name}"
    return name
