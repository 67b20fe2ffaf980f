"""Appends rows to the Delta tables of the prediction log, each journal segment exactly once.

A commit carries three application transactions: the number of the segment (so that a segment replayed after a crash is
recognized), the number of rows ever appended, and the time of the newest row. They live in the table's own log and its
checkpoints, and so survive restarts, compaction and the loss of the collector's disk.

Rows whose columns cannot be united with a table's go into the next one, an *epoch* (`…/predictions-2`); the first that
fits is taken, so that a replay decides as the first run did.
"""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from leeboard_workers.data.predictionlog import MAX_EPOCHS, epoch_uri

_ROWS = "leeboard.rows"
_NEWEST = "leeboard.newest-micros"
_MAX_COLUMNS = 4096


@dataclass
class _Epoch:
    uri: str
    types: dict[str, pa.DataType]
    rows: int = 0
    newest: int = 0
    segment: int = -1
    """Newest segment that is in it."""
    exists: bool = False
    arriving: list[pa.Table] = field(default_factory=list)


@dataclass(frozen=True)
class Extent:
    """What is in a table."""

    rows: int
    """Rows ever appended."""
    newest: float | None
    """Time of the newest row, seconds since the epoch."""
    segment: int
    """Newest segment of the journal that is in it."""


class LogTable:
    """One table of the log, with its epochs."""

    def __init__(self, uri: str, journal: str, *, partition: str | None = None) -> None:
        """Look what is there.

        Args:
            uri: Of the first epoch.
            journal: Identity of the journal whose segments are appended.
            partition: Column to partition by.
        """
        self.uri = uri
        self._application = f"leeboard.journal.{journal}"
        self._partition = partition
        self._epochs: list[_Epoch] = []
        while len(self._epochs) < MAX_EPOCHS and DeltaTable.is_deltatable(address := self._next_uri()):
            self._epochs.append(self._opened(address))
        self.extent = self._extent()
        """What is in the table; replaced as a whole by each commit."""

    @property
    def stored(self) -> list[str]:
        """Columns of all epochs."""
        return list({name: None for epoch in self._epochs for name in epoch.types})

    def add(self, rows: pa.Table) -> None:
        """Put rows with those that the next `commit` appends."""
        for epoch in self._epochs:
            if _fits(rows.schema, epoch.types):
                rows = _bounded(rows, epoch.types)
                break
        else:
            if len(self._epochs) == MAX_EPOCHS:
                epoch = self._epochs[-1]
                rows = rows.select([name for name in rows.column_names if _same(rows.schema, name, epoch.types)])
            else:
                epoch = _Epoch(self._next_uri(), {})
                self._epochs.append(epoch)
        for name in rows.column_names:
            epoch.types.setdefault(name, rows.schema.field(name).type)
        epoch.arriving.append(rows)

    def commit(self, segment: int) -> None:
        """Append what was added, as the segment; what an epoch already holds of it is not appended again."""
        for epoch in self._epochs:
            arriving, epoch.arriving = epoch.arriving, []
            if not arriving or epoch.segment >= segment:
                continue
            table = _once(_united(arriving, epoch.types))
            newest = max(epoch.newest, pc.max(table["time"]).cast(pa.int64()).as_py())
            marks = {self._application: segment, _ROWS: epoch.rows + table.num_rows, _NEWEST: newest}
            write_deltalake(
                epoch.uri,
                table,
                mode="append",
                schema_mode="merge" if epoch.exists else None,
                partition_by=[self._partition] if self._partition else None,
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(name, mark) for name, mark in marks.items()]
                ),
            )
            epoch.rows, epoch.newest, epoch.segment, epoch.exists = marks[_ROWS], newest, segment, True
        self.extent = self._extent()

    def _extent(self) -> Extent:
        return Extent(
            rows=sum(epoch.rows for epoch in self._epochs),
            newest=max((epoch.newest for epoch in self._epochs), default=0) / 1e6 or None,
            segment=max((epoch.segment for epoch in self._epochs), default=-1),
        )

    def _next_uri(self) -> str:
        return epoch_uri(self.uri, len(self._epochs) + 1)

    def _opened(self, uri: str) -> _Epoch:
        table = DeltaTable(uri)
        schema = pa.schema(table.schema().to_arrow())
        marks = [table.transaction_version(name) for name in (_ROWS, _NEWEST, self._application)]
        rows, newest, segment = marks
        return _Epoch(
            uri=uri,
            types={name: _plain(schema.field(name).type) for name in schema.names},
            rows=rows or 0,
            newest=newest or 0,
            segment=-1 if segment is None else segment,
            exists=True,
        )


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type that rows are built with: Delta may hand out views and other widths of the same."""
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_list_view(kind):
        return pa.list_(kind.value_type)
    return kind


def _same(schema: pa.Schema, name: str, types: dict[str, pa.DataType]) -> bool:
    kind = schema.field(name).type
    known = types.get(name, kind)
    return bool(known == kind or (pa.types.is_boolean(kind) and pa.types.is_floating(known)))


def _fits(schema: pa.Schema, types: dict[str, pa.DataType]) -> bool:
    return all(_same(schema, name, types) for name in schema.names)


def _bounded(rows: pa.Table, types: dict[str, pa.DataType]) -> pa.Table:
    """Leave out new columns of a table that has very many."""
    room = _MAX_COLUMNS - len(types)
    new = [name for name in rows.column_names if name not in types]
    return rows if len(new) <= room else rows.drop_columns(new[max(room, 0) :])


def _united(tables: list[pa.Table], types: dict[str, pa.DataType]) -> pa.Table:
    present = {name for table in tables for name in table.column_names}
    schema = pa.schema([(name, kind) for name, kind in types.items() if name in present])
    return pa.concat_tables([_cast(table, schema) for table in tables])


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        if name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, kind))
        elif pa.types.is_boolean(table[name].type) and pa.types.is_floating(kind):
            columns.append(table[name].cast(pa.int8()).cast(kind))
        else:
            columns.append(table[name])
    return pa.table(columns, schema=schema)


def _once(table: pa.Table) -> pa.Table:
    """Drop predictions that were sent twice, because an acknowledgement was lost."""
    if "arm" not in table.column_names:
        return table
    keys = zip(*(table[name].to_pylist() for name in ("request_id", "row", "arm")), strict=True)
    first = {key: at for at, key in reversed(list(enumerate(keys)))}
    return table if len(first) == table.num_rows else table.take(pa.array(sorted(first.values())))
