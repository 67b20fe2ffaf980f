"""Appends rows to the Delta tables of the prediction log, each journal segment exactly once and each row once.

A commit carries three application transactions: the number of the segment (so that a segment replayed after a crash is
recognized), the number of rows ever acknowledged, and the time of the newest row. They live in the table's own log and
its checkpoints, and so survive restarts, compaction and the loss of the collector's disk.

Rows whose columns cannot be united with a table's without losing something go into the next one, an *epoch*
(`…/predictions-2`); the first that fits is taken, so that a replay decides as the first run did.
"""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from leeboard_workers.data.epochs import MAX_EPOCHS, epoch_uri
from leeboard_workers.serving.collector.repeats import LabelRepeats, PredictionRepeats, Repeats
from leeboard_workers.serving.collector.uniting import cast_rows, fits, plain
from leeboard_workers.serving.collector.upkeep import Care, Upkeep

_ROWS = "leeboard.rows"
_NEWEST = "leeboard.newest-micros"
_MAX_COLUMNS = 4096


@dataclass
class _Epoch:
    uri: str
    types: dict[str, pa.DataType]
    table: DeltaTable | None = None
    """None: not made yet."""
    rows: int = 0
    newest: int = 0
    segment: int = -1
    """Newest segment that is in it."""
    arriving: list[pa.Table] = field(default_factory=list)
    repeats: int = 0
    """Rows that arrived and are in the log already."""
    care: Care = field(default_factory=Care)


@dataclass(frozen=True)
class Extent:
    """What is in a table."""

    rows: int
    """Rows ever acknowledged and carried here, those that came again included: this never falls."""
    newest: float | None
    """Time of the newest row, seconds since the epoch."""
    segment: int
    """Newest segment of the journal that is in it."""


class LogTable:
    """One table of the log, with its epochs."""

    def __init__(self, uri: str, journal: str, upkeep: Upkeep, *, labels: bool = False) -> None:
        """Look what is there.

        Args:
            uri: Of the first epoch.
            journal: Identity of the journal whose segments are appended.
            upkeep: How tables are kept, and how the store is reached.
            labels: Whether it holds labels; else predictions, partitioned by date.
        """
        self.uri = uri
        self._application = f"leeboard.journal.{journal}"
        self._upkeep = upkeep
        self._partition = None if labels else "date"
        self._epochs: list[_Epoch] = []
        while len(self._epochs) < MAX_EPOCHS and upkeep.is_table(address := self._next_uri()):
            self._epochs.append(self._opened(address))
        self._labels = labels
        self._repeats: Repeats | None = None
        self.extent = self._extent()
        """What is in the table; replaced as a whole by each commit."""

    @property
    def stored(self) -> list[str]:
        """Columns of all epochs."""
        return list({name: None for epoch in self._epochs for name in epoch.types})

    def add(self, rows: pa.Table) -> int:
        """Put rows with those that the next `commit` appends; returns how many of them the log holds already."""
        if self._repeats is None:
            epochs = [epoch.table for epoch in self._epochs if epoch.table is not None]
            self._repeats = LabelRepeats(epochs) if self._labels else PredictionRepeats(epochs)
        fresh = self._repeats.without(rows)
        if fresh.num_rows:
            self._place(fresh)
        repeated: int = rows.num_rows - fresh.num_rows
        if repeated:
            self._epochs[0].repeats += repeated  # what comes again came before, so there is one
        return repeated

    def commit(self, segment: int) -> None:
        """Append what was added, as the segment; what an epoch already holds of it is not appended again."""
        for epoch in self._epochs:
            arriving, epoch.arriving = epoch.arriving, []
            repeats, epoch.repeats = epoch.repeats, 0
            if not (arriving or repeats) or epoch.segment >= segment:
                continue
            table = _united(arriving, epoch.types)
            newest = epoch.newest
            if table.num_rows:
                newest = max(newest, pc.max(table["time"]).cast(pa.int64()).as_py())
            marks = {self._application: segment, _ROWS: epoch.rows + table.num_rows + repeats, _NEWEST: newest}
            self._append(epoch, table, marks)
            epoch.rows, epoch.newest, epoch.segment = marks[_ROWS], newest, segment
        self.extent = self._extent()

    def keep(self) -> None:
        """Compact, thin out and tidy what is due."""
        for epoch in self._epochs:
            if epoch.table is not None:
                self._upkeep.keep(epoch.table, self._partition, epoch.care)

    def _place(self, rows: pa.Table) -> None:
        for epoch in self._epochs:
            if fits(rows, epoch.types):
                rows = _bounded(rows, epoch.types)
                break
        else:
            if len(self._epochs) == MAX_EPOCHS:
                epoch = self._epochs[-1]
                rows = rows.select([name for name in rows.column_names if fits(rows.select([name]), epoch.types)])
            else:
                epoch = _Epoch(self._next_uri(), {})
                self._epochs.append(epoch)
        for name in rows.column_names:
            epoch.types.setdefault(name, rows.schema.field(name).type)
        epoch.arriving.append(rows)

    def _append(self, epoch: _Epoch, table: pa.Table, marks: dict[str, int]) -> None:
        write_deltalake(
            epoch.uri if epoch.table is None else epoch.table,
            table,
            mode="append",
            schema_mode=None if epoch.table is None else "merge",
            partition_by=self._partition,
            configuration=self._upkeep.configuration if epoch.table is None else None,
            storage_options=self._upkeep.storage_options,
            commit_properties=CommitProperties(
                app_transactions=[Transaction(name, mark) for name, mark in marks.items()]
            ),
        )
        if epoch.table is None:
            epoch.table = self._upkeep.open(epoch.uri)

    def _extent(self) -> Extent:
        return Extent(
            rows=sum(epoch.rows for epoch in self._epochs),
            newest=max((epoch.newest for epoch in self._epochs), default=0) / 1e6 or None,
            segment=max((epoch.segment for epoch in self._epochs), default=-1),
        )

    def _next_uri(self) -> str:
        return epoch_uri(self.uri, len(self._epochs) + 1)

    def _opened(self, uri: str) -> _Epoch:
        table = self._upkeep.open(uri)
        schema = pa.schema(table.schema().to_arrow())
        rows, newest, segment = (table.transaction_version(name) for name in (_ROWS, _NEWEST, self._application))
        return _Epoch(
            uri=uri,
            types={name: plain(schema.field(name).type) for name in schema.names},
            table=table,
            rows=rows or 0,
            newest=newest or 0,
            segment=-1 if segment is None else segment,
        )


def _bounded(rows: pa.Table, types: dict[str, pa.DataType]) -> pa.Table:
    """Leave out new columns of a table that has very many."""
    room = _MAX_COLUMNS - len(types)
    new = [name for name in rows.column_names if name not in types]
    return rows if len(new) <= room else rows.drop_columns(new[max(room, 0) :])


def _united(tables: list[pa.Table], types: dict[str, pa.DataType]) -> pa.Table:
    present = {name for table in tables for name in table.column_names}
    schema = pa.schema([(name, kind) for name, kind in types.items() if name in present or not tables])
    if not tables:
        return schema.empty_table()
    return pa.concat_tables([cast_rows(table, schema) for table in tables]).combine_chunks()
