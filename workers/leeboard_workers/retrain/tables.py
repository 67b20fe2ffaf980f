"""Turns Arrow rows into what estimators take."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from leeboard_workers.retrain.context import TrainingError

TIME = pa.timestamp("us", "UTC")


def inputs_of(rows: pa.Table, features: Sequence[str]) -> pd.DataFrame:
    """Return the features as the data frame that the model was trained on.

    Raises:
        TrainingError: a feature is not among the columns.
    """
    missing = [name for name in features if name not in rows.column_names]
    if missing:
        raise TrainingError(f"the rows lack the columns {', '.join(missing)} that the model takes")
    return rows.select(list(features)).to_pandas()


def labels_of(rows: pa.Table, label: str, classes: Sequence[Any] | None = None) -> npt.NDArray[Any]:
    """Return the labels, in the type of the model's classes where it has any: the log keeps all numbers as doubles."""
    values: npt.NDArray[Any] = rows[label].to_numpy()
    if classes is None or len(classes) == 0:
        return _whole_numbers(values) if values.dtype.kind == "f" else values
    kind = np.asarray(classes).dtype
    if kind.kind in "iub" and values.dtype.kind == "f" and (values == np.floor(values)).all():
        typed: npt.NDArray[Any] = values.astype(kind)
        return typed
    if kind.kind in "OU" and values.dtype.kind not in "OU":
        return _whole_numbers(values).astype(str)
    return values


def labelled(rows: pa.Table, label: str) -> pa.Table:
    """Return the rows that have a label.

    Raises:
        TrainingError: there is no such column.
    """
    if label not in rows.column_names:
        raise TrainingError(f"there is no label column {label!r}; the columns are {', '.join(rows.column_names)}")
    return rows.filter(pc.is_valid(pc.if_else(pc.is_valid(rows[label]), _known(rows[label]), None)))


def _known(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return null where a number is NaN."""
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def _whole_numbers(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    whole = values.dtype.kind == "f" and np.isfinite(values).all() and (values == np.floor(values)).all()
    return values.astype(np.int64) if whole else values
