"""Recognizes rows that the log holds already: a sender who heard no acknowledgement sends again.

A prediction is known by (request id, row, arm), a label by (request id, row) and what it says: the same word twice is
one word, another word is news. What was appended lately is remembered; after a restart it is read from the table, so a
row is doubled only if it comes again long after some hundred thousand others, and readers count even that one once.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from leeboard_workers.serving.collector.recent import KEPT, Recent


class Repeats(Protocol):
    """What recognizes rows of one table of the log."""

    def without(self, rows: pa.Table) -> pa.Table:
        """Return the rows that are new, and remember them."""


class PredictionRepeats:
    """Recognizes predictions."""

    def __init__(self, epochs: list[DeltaTable]) -> None:
        """Learn what was appended lately.

        Args:
            epochs: The log's tables.
        """
        self._next = Recent()
        """By request and arm: the first row that is not there."""
        for table in epochs:
            self.without(_newest(table, ["request_id", "row", "arm"]))

    def without(self, rows: pa.Table) -> pa.Table:
        """Return the rows that are new, and remember them."""
        fresh = []
        keys = zip(*(rows[name].to_pylist() for name in ("request_id", "arm", "row")), strict=True)
        for at, (request, arm, row) in enumerate(keys):
            if row >= (self._next.get((request, arm)) or 0):
                self._next.put((request, arm), row + 1)
                fresh.append(at)
        return rows if len(fresh) == rows.num_rows else rows.take(pa.array(fresh, pa.int64()))


class LabelRepeats:
    """Recognizes labels."""

    def __init__(self, epochs: list[DeltaTable]) -> None:
        """Learn what was appended lately.

        Args:
            epochs: The log's tables.
        """
        self._said = Recent()
        """By request and row: what its newest label says."""
        labels = [label for table in epochs for label in _sayings(_newest(table, [*_SAID, "ingest_time"]))]
        for label in sorted(labels, key=lambda label: label.ingest_time):
            self._is_news(label)

    def without(self, rows: pa.Table) -> pa.Table:
        """Return the rows that are new, and remember them."""
        fresh = [at for at, label in enumerate(_sayings(rows)) if self._is_news(label)]
        return rows if len(fresh) == rows.num_rows else rows.take(pa.array(fresh, pa.int64()))

    def _is_news(self, label: "_Saying") -> bool:
        said = hash((label.label, label.reward, label.time))
        if self._said.get((label.request_id, label.row)) == said:
            return False
        self._said.put((label.request_id, label.row), said)
        return True


_SAID = ("request_id", "row", "label", "reward", "time")


class _Saying(NamedTuple):
    request_id: str
    row: int
    label: float | str | None
    reward: float | None
    time: datetime | None
    """None: it named no time, so it has that of its acknowledgement, another one each time it is sent."""
    ingest_time: datetime


def _sayings(rows: pa.Table) -> Iterator[_Saying]:
    names = (*_SAID, "ingest_time")
    columns = (rows[name].to_pylist() if name in rows.column_names else [None] * rows.num_rows for name in names)
    for request_id, row, label, reward, time, ingest_time in zip(*columns, strict=True):
        yield _Saying(request_id, row, label, reward, None if time == ingest_time else time, ingest_time)


def _newest(table: DeltaTable, columns: list[str]) -> pa.Table:
    """Return some columns of about as many of the newest rows as are remembered, in order of their acknowledgement."""
    since, rows = None, 0
    for file in _files(table):
        if since is not None and rows >= KEPT and file["max.ingest_time"] < since:
            break
        since = min(since or file["min.ingest_time"], file["min.ingest_time"])
        rows += file["num_records"]
    dataset = table.to_pyarrow_dataset()
    present = [name for name in dict.fromkeys([*columns, "ingest_time"]) if name in dataset.schema.names]
    wanted = None if since is None else pc.field("ingest_time") >= since
    found = dataset.to_table(present, filter=wanted).sort_by([("ingest_time", "ascending"), ("row", "ascending")])
    return found.slice(max(0, found.num_rows - KEPT))


def _files(table: DeltaTable) -> list[dict[str, Any]]:
    """Return the files that say of when their rows are, the newest first."""
    names = ["num_records", "min.ingest_time", "max.ingest_time"]
    actions = pa.table(table.get_add_actions(flatten=True))
    if not set(names) <= set(actions.column_names):
        return []
    files = [file for file in actions.select(names).to_pylist() if None not in file.values()]
    return sorted(files, key=lambda file: file["max.ingest_time"], reverse=True)
