"""Turns logged predictions and labels into Arrow tables of the contract's columns.

Numbers are doubles, whatever JSON wrote; truth values stay what they are among themselves; lists of numbers are flat
lists of doubles and are left out when they are long; anything else is text. A column without any value is left out: it
comes with the first value.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from leeboard_workers.data.columns import stored_names

MAX_LIST = 4096
"""Longer lists are left out."""

TIME = pa.timestamp("us", "UTC")
NUMBERS = pa.list_(pa.float64())

Document = dict[str, Any]


def prediction_rows(batch: Document, ingest_time: float, stored: Iterable[str]) -> pa.Table:
    """Return the rows of one PredictionBatch document.

    Args:
        batch: The document, already validated.
        ingest_time: When it was acknowledged, seconds since the epoch.
        stored: Columns that the table already holds.
    """
    count = len(batch["predictions"])
    columns: dict[str, pa.Array] = {
        "date": pa.array([datetime.fromtimestamp(batch["time"], UTC).date().isoformat()] * count, pa.string()),
        "request_id": pa.array([batch["requestId"]] * count, pa.string()),
        "row": pa.array(range(count), pa.int64()),
        "arm": pa.array([batch["arm"]] * count, pa.string()),
        "version": pa.array([batch["version"]] * count, pa.string()),
        "time": _times([batch["time"]] * count),
        "ingest_time": _times([ingest_time] * count),
        "latency_ms": pa.array([batch.get("latencyMs", 0.0)] * count, pa.float64()),
    }
    if batch.get("oodScores") is not None:
        columns["ood_score"] = pa.array(batch["oodScores"], pa.float64())
    if batch.get("ood") is not None:
        columns["ood"] = pa.array(batch["ood"], pa.bool_())
    if batch.get("probabilities") is not None:
        columns["probabilities"] = pa.array([row or None for row in batch["probabilities"]], NUMBERS)
    if batch.get("changedColumns") is not None:
        changed = json.dumps(batch["changedColumns"], sort_keys=True)
        columns["changed_columns"] = pa.array([changed] * count, pa.string())
    if (predictions := _answers(batch["predictions"])) is not None:
        columns["prediction"] = predictions
    for feature, column in stored_names(batch["features"], stored).items():
        if (cells := _cells(batch["features"][feature])) is not None:
            columns[column] = cells
    return pa.table(columns)


def label_rows(labels: Sequence[Document], ingest_time: float) -> list[pa.Table]:
    """Return the rows of Label documents; outcomes of text apart from those of numbers."""
    numbers: list[Document] = []
    texts: list[Document] = []
    for label in labels:
        (texts if isinstance(label.get("label"), str) else numbers).append(label)
    return [_label_table(part, ingest_time) for part in (numbers, texts) if part]


def _label_table(labels: Sequence[Document], ingest_time: float) -> pa.Table:
    columns = {
        "request_id": pa.array([label["requestId"] for label in labels], pa.string()),
        "row": pa.array([label.get("row", 0) for label in labels], pa.int64()),
        "reward": pa.array([label.get("reward") for label in labels], pa.float64()),
        "time": _times([ingest_time if label.get("time") is None else label["time"] for label in labels]),
        "ingest_time": _times([ingest_time] * len(labels)),
    }
    if (outcomes := _answers([label.get("label") for label in labels])) is not None:
        columns["label"] = outcomes
    return pa.table(columns)


def _times(seconds: Sequence[float]) -> pa.Array:
    micros = np.round(np.asarray(seconds, dtype=np.float64) * 1e6).astype(np.int64)
    return pa.array(micros, pa.int64()).cast(TIME)


def _answers(values: list[Any]) -> pa.Array | None:
    """Return predictions or outcomes: double, or text when any is no number."""
    present = [value for value in values if value is not None]
    if not present:
        return None
    if all(isinstance(value, bool | int | float) for value in present):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([_text(value) for value in values], pa.string())


def _cells(values: list[Any]) -> pa.Array | None:
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return None
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds <= {bool, int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if kinds == {list}:
        return _lists(values)
    return pa.array([_text(value) for value in values], pa.string())


def _lists(values: list[Any]) -> pa.Array | None:
    flat = [None if value is None else _flat(value) for value in values]
    if any(len(row) > MAX_LIST for row in flat if row is not None):
        return None
    if any(not isinstance(cell, int | float) for row in flat if row is not None for cell in row if cell is not None):
        return pa.array([_text(value) for value in values], pa.string())
    return pa.array(
        [None if row is None else [None if cell is None else float(cell) for cell in row] for row in flat], NUMBERS
    )


def _flat(cells: list[Any]) -> list[Any]:
    while any(isinstance(cell, list) for cell in cells):
        cells = [part for cell in cells for part in (cell if isinstance(cell, list) else [cell])]
    return cells


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
