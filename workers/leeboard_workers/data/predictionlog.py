"""Reads the prediction log: rows of a window and its arms, with their labels.

A ModelDeployment's log is a Delta table of predictions and one of labels (`leeboard.contract.serving`). When columns
came that could not be united with the table's, the collector opened a further table beside it, an *epoch*, whose name
ends in `-2`, `-3`, …; readers unite them here: numbers become doubles, whatever still clashes becomes text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from leeboard.contract.jobs import LiveArm, LogTables
from leeboard.contract.serving import FEATURE_PREFIX
from leeboard_workers.data.columns import feature_columns
from leeboard_workers.data.datasets import sample_rows
from leeboard_workers.data.epochs import epochs
from leeboard_workers.data.logwindow import KEY, choose_predictions
from leeboard_workers.data.uniting import united_tables
from leeboard_workers.data.windows import Window

_TIME = pa.timestamp("us", "UTC")
_LABEL_SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("row", pa.int64()),
        ("label", pa.float64()),
        ("reward", pa.float64()),
        ("time", _TIME),
        ("ingest_time", _TIME),
    ]
)
_PREDICTION_SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("row", pa.int64()),
        ("arm", pa.string()),
        ("version", pa.string()),
        ("time", _TIME),
        ("ingest_time", _TIME),
        ("prediction", pa.float64()),
        ("ood_score", pa.float64()),
        ("ood", pa.bool_()),
        ("latency_ms", pa.float64()),
    ]
)


@dataclass(frozen=True)
class LogRows:
    """Rows of the log, in order of (time, request_id, row, arm), each key once."""

    table: pa.Table
    """Columns of the contract, with features under `x_` and their true names; with labels also `label`, `reward`,
    `label_time` and `label_ingest_time`."""
    total_rows: int
    """Rows before sampling."""
    data_versions: dict[str, int]
    """Delta versions that were read, by the table's URI."""
    unlabelled_rows: int = 0
    """Rows that were left out because their outcome is not known."""
    doubled_rows: int = 0
    """Rows that were left out because their key had been logged before."""

    @property
    def features(self) -> pa.Table:
        """The features alone, under their own names."""
        return features_of(self.table)


def features_of(rows: pa.Table) -> pa.Table:
    """Return the features of rows of the log, under their own names."""
    names = feature_columns(rows.column_names)
    return rows.select(list(names)).rename_columns([name.removeprefix(FEATURE_PREFIX) for name in names])


def read_predictions(
    log: LogTables, arms: Sequence[LiveArm], window: Window, *, max_rows: int | None = None, seed: int = 0
) -> LogRows:
    """Read what the arms answered in the window, each arm only while it was live.

    A table that does not exist yet counts as empty.

    Args:
        log: Where the tables lie.
        arms: Arms whose rows count.
        window: By the time of the request.
        max_rows: More rows are sampled by the seed.
        seed: Seed of the sample.
    """
    chosen = choose_predictions(log.predictions, arms, window, max_rows=max_rows, seed=seed)
    names = chosen.rows.names
    table = chosen.rows.table(names) if names else _PREDICTION_SCHEMA.empty_table()
    rows = table.sort_by([("time", "ascending"), *((name, "ascending") for name in KEY)])
    return LogRows(
        table=rows,
        total_rows=chosen.rows.total_rows,
        data_versions=chosen.data_versions,
        doubled_rows=chosen.doubled_rows,
    )


def read_labelled(
    log: LogTables, arms: Sequence[LiveArm], window: Window, *, max_rows: int | None = None, seed: int = 0
) -> LogRows:
    """Read the rows of `read_predictions` whose outcome is known; of several labels the newest ingested counts."""
    predictions = read_predictions(log, arms, window)
    labels, versions = _labels(log.labels)
    joined = _joined(predictions.table, labels)
    sampled = joined if max_rows is None else sample_rows(joined, max_rows, seed)
    return LogRows(
        table=sampled,
        total_rows=joined.num_rows,
        data_versions=predictions.data_versions | versions,
        unlabelled_rows=predictions.total_rows - joined.num_rows,
    )


def count_labels(log: LogTables) -> int:
    """Return how many distinct rows have a label."""
    return int(_labels(log.labels)[0].num_rows)


def _labels(uri: str) -> tuple[pa.Table, dict[str, int]]:
    found = epochs(uri)
    tables = [table.to_pyarrow_dataset().to_table() for _, table in found]
    labels = united_tables(tables) if tables else _LABEL_SCHEMA.empty_table()
    labels = _once(labels.sort_by([("ingest_time", "descending")]), ("request_id", "row"))
    names = {"time": "label_time", "ingest_time": "label_ingest_time"}
    labels = labels.rename_columns([names.get(name, name) for name in labels.column_names])
    return labels, {address: table.version() for address, table in found}


def _joined(rows: pa.Table, labels: pa.Table) -> pa.Table:
    """Add the labels to the rows that have one, in the rows' order."""
    keys = ["request_id", "row"]
    left = rows.select(keys).append_column("at", pa.array(np.arange(rows.num_rows)))
    right = labels.select(keys).append_column("label_at", pa.array(np.arange(labels.num_rows)))
    pairs = left.join(right, keys, join_type="inner").sort_by("at")  # Arrow cannot join tables that hold lists
    joined, found = rows.take(pairs["at"]), labels.drop_columns(keys).take(pairs["label_at"])
    for name in found.column_names:
        joined = joined.append_column(name, found[name])
    return joined


def _once(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """Keep the first row of each key."""
    if table.num_rows == 0:
        return table
    numbered = table.select(list(key)).append_column("position", pa.array(np.arange(table.num_rows)))
    first = numbered.group_by(list(key), use_threads=False).aggregate([("position", "min")])["position_min"]
    if len(first) == table.num_rows:
        return table
    return table.take(pa.array(np.sort(first.to_numpy())))
