"""Keeps the log's tables quick to open, however many small commits were made, and as long as they are wanted.

Every few seconds a commit adds a small file and a line of history. Left alone, a week would leave a hundred thousand
of each. So, in the thread that appends (nobody else writes, so nothing ever conflicts):

| what | when |
|---|---|
| small files of a day become larger ones, and large ones when the day is over | every 64 commits |
| a checkpoint, from which a reader starts | every 100 commits (by the writer, as the table's properties ask) |
| history that is older than the table's is forgotten | with each checkpoint |
| files that no kept version needs are deleted | every 6 hours |
| rows that are older than wanted are deleted | every 6 hours |
"""

import logging
import math
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from deltalake import DeltaTable

COMMITS_BETWEEN_COMPACTIONS = 64

_FEW = 8
"""Fewer small files of a partition are left alone."""
_SMALL = 16 * 2**20
_LARGE = 256 * 2**20
_TIDY_SECONDS = 6 * 3600.0
_CHECKPOINT_COMMITS = 100
_DAY_IS_OVER = timedelta(days=1)

_log = logging.getLogger(__name__)


@dataclass
class Care:
    """What was done for a table."""

    compacted: int = 0
    """Version."""
    tidied: float = -math.inf
    """By the clock that never goes back."""


@dataclass
class Upkeep:
    """How all tables are kept; used by one thread at a time."""

    history: timedelta = timedelta(days=1)
    """How long a version stays readable: what a finished job read can be read again for so long."""
    retention: timedelta | None = None
    """How long rows are kept, predictions by day of the request, labels by acknowledgement; none: for ever."""
    storage_options: dict[str, str] | None = None
    """How the object store is reached, in deltalake's words; what is missing comes from the environment."""

    @property
    def configuration(self) -> dict[str, str | None]:
        """Properties of new tables."""
        span = f"interval {max(1, round(self.history.total_seconds()))} seconds"
        return {
            "delta.checkpointInterval": str(_CHECKPOINT_COMMITS),
            "delta.logRetentionDuration": span,
            "delta.deletedFileRetentionDuration": span,
        }

    def is_table(self, uri: str) -> bool:
        """Say whether there is a table."""
        return bool(DeltaTable.is_deltatable(uri, self.storage_options))

    def open(self, uri: str) -> DeltaTable:
        """Open a table."""
        return DeltaTable(uri, storage_options=self.storage_options)

    def keep(self, table: DeltaTable, partition: str | None, care: Care) -> None:
        """Do what is due; what fails is told and tried again later, for the rows are safe already."""
        try:
            if table.version() - care.compacted >= COMMITS_BETWEEN_COMPACTIONS:
                compact(table, partition, datetime.now(UTC))
                care.compacted = table.version()
            if time.monotonic() - care.tidied >= _TIDY_SECONDS:
                care.tidied = time.monotonic()
                self.tidy(table, partition, datetime.now(UTC))
        except Exception:  # noqa: BLE001 (whatever the store says)
            care.compacted = table.version()
            _log.exception("the upkeep of %s failed; it is tried again", table.table_uri)

    def tidy(self, table: DeltaTable, partition: str | None, now: datetime) -> None:
        """Delete the rows that are too old, and the files that nobody needs."""
        if self.retention is not None:
            oldest = now - self.retention
            old = f"{partition} < '{oldest.date()}'" if partition else f"ingest_time < '{oldest.isoformat()}'"
            table.delete(old)
        hours = -(-self.history // timedelta(hours=1))
        table.vacuum(retention_hours=hours, dry_run=False, full=True, enforce_retention_duration=False)


def compact(table: DeltaTable, partition: str | None, now: datetime) -> None:
    """Make one file of many small ones, partition by partition where there are many.

    A day that is not over is compacted into files of moderate size, since each time writes them anew.
    """
    for day, size in _crowded(table, partition, now):
        chosen = None if partition is None else [(partition, "=", day)]
        table.optimize.compact(partition_filters=chosen, target_size=size, max_concurrent_tasks=1)


def _crowded(table: DeltaTable, partition: str | None, now: datetime) -> list[tuple[str, int]]:
    files = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    over = (now - _DAY_IS_OVER).date().isoformat() if partition else ""
    days = [file[f"partition.{partition}"] if partition else "" for file in files]
    target = {day: _LARGE if day < over else _SMALL for day in days}
    small = Counter(day for day, file in zip(days, files, strict=True) if file["size_bytes"] < target[day])
    return [(day, target[day]) for day, count in sorted(small.items()) if count >= _FEW]
