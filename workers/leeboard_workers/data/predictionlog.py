"""Reads the prediction log: rows of windows and their arms, with their labels.

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
from leeboard_workers.data.keys import SmallestHashes, found_among, hashes_of
from leeboard_workers.data.loglabels import MAX_LABELS, PAIR_KEY, LabelFiles
from leeboard_workers.data.logwindow import KEY, LogFiles, choose_predictions
from leeboard_workers.data.stored import StoredRows
from leeboard_workers.data.windows import Window

_TIME = pa.timestamp("us", "UTC")
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

ANSWERS = (*KEY, "version", "time", "prediction", "probabilities")
"""Columns that tell what was answered, and by whom."""


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
    log: LogTables, arms: Sequence[LiveArm], windows: Sequence[Window], *, max_rows: int | None = None, seed: int = 0
) -> LogRows:
    """Read what the arms answered in some windows, each arm only while it was live.

    A table that does not exist yet counts as empty.

    Args:
        log: Where the tables lie.
        arms: Arms whose rows count.
        windows: By the time of the request.
        max_rows: More rows are sampled by the seed.
        seed: Seed of the sample.
    """
    chosen = choose_predictions(log.predictions, arms, windows, max_rows=max_rows, seed=seed)
    return LogRows(
        table=_in_time(_whole(chosen.rows)),
        total_rows=chosen.rows.total_rows,
        data_versions=chosen.data_versions,
        doubled_rows=chosen.doubled_rows,
    )


def read_labelled(
    log: LogTables,
    arms: Sequence[LiveArm],
    windows: Sequence[Window],
    *,
    max_rows: int,
    seed: int = 0,
    columns: Sequence[str] | None = None,
) -> LogRows:
    """Read the rows of `read_predictions` whose outcome is known; of several labels the newest ingested counts.

    Labels are looked at as far as `MAX_LABELS` goes; of more labels a uniform sample of the rows is taken by them, and
    the numbers of rows are estimates.

    Args:
        log: Where the tables lie.
        arms: Arms whose rows count.
        windows: By the time of the request.
        max_rows: More rows are sampled by the seed.
        seed: Seed of the sample.
        columns: Which are read, with `KEY` and `time` among them; none: all.
    """
    labels = LabelFiles.of(log.labels, windows)
    known = labels.sample(MAX_LABELS, seed)
    files = LogFiles.of(log.predictions, arms, windows)
    everyone, labelled = SmallestHashes(max_rows), SmallestHashes(max_rows)
    for keys, places in files.read_keys():
        hashes, own = hashes_of(keys, PAIR_KEY, seed), hashes_of(keys, KEY, seed)
        everyone.add(own, places)
        there = found_among(hashes, known.hashes)
        labelled.add(own[there], places[there])
    rows, found = everyone.sample(), labelled.sample()
    table = _whole(files.everything.taken(found.places), columns)
    pairs, position = np.unique(hashes_of(table, PAIR_KEY, seed), return_inverse=True)
    told = labels.table(labels.newest(pairs, seed)[position])
    for name in told.column_names:
        table = table.append_column(name, told[name])
    total = found.total if known.whole else min(round(found.total * known.total / known.hashes.size), rows.total)
    return LogRows(
        table=_in_time(table),
        total_rows=total,
        data_versions=files.versions | labels.versions,
        unlabelled_rows=rows.total - total,
    )


def count_labels(log: LogTables) -> int:
    """Return how many distinct rows have a label; beyond `MAX_LABELS` it is an estimate."""
    return LabelFiles.of(log.labels).sample(MAX_LABELS, 0).total


def _whole(rows: StoredRows, columns: Sequence[str] | None = None) -> pa.Table:
    if not rows.names:
        return _PREDICTION_SCHEMA.empty_table()
    return rows.table([name for name in rows.names if columns is None or name in columns])


def _in_time(rows: pa.Table) -> pa.Table:
    return rows.sort_by([("time", "ascending"), *((name, "ascending") for name in KEY)])
