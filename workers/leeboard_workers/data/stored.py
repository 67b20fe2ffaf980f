"""Rows that stay where they are stored: chosen once, read column by column, on whatever machine.

A choice names files and row numbers of pinned tables, so it is small, and every worker reads the same rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.dataset

from leeboard.api.shared import DatasetRef
from leeboard_workers.data.datasets import open_dataset
from leeboard_workers.data.keys import Places, SmallestHashes, hashes_of_places
from leeboard_workers.data.rows import Rows
from leeboard_workers.data.uniting import common_type, united

_STEP = 4_000_000


@dataclass(frozen=True)
class StoredTable:
    """A table whose content does not change: a pinned version, or files."""

    ref: DatasetRef
    names: Mapping[str, str]
    """Column → its name in the table."""

    @classmethod
    def of(cls, ref: DatasetRef) -> Self:
        """Return a data set with all its columns. Raises DatasetError."""
        return cls(ref, {name: name for name in open_dataset(ref).schema.names})

    def fragments(self) -> Mapping[str, pa.dataset.Fragment]:
        """Return its files by path, in order."""
        return _opened(self.ref.model_dump_json())[1]

    @property
    def schema(self) -> pa.Schema:
        """Columns as they are stored."""
        return _opened(self.ref.model_dump_json())[0]

    def batches(self, path: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read stored columns of a file, piece by piece, in the order of its rows."""
        yield from self.fragments()[path].to_batches(schema=self.schema, columns=list(columns))


@dataclass(frozen=True)
class Piece:
    """Some rows of one file."""

    table: StoredTable
    path: str
    rows: int
    picked: Places | None = None
    """Row numbers, ascending; none: all rows."""

    def column(self, name: str, kind: pa.DataType) -> pa.ChunkedArray:
        """Read a column of the rows."""
        stored = self.table.names.get(name)
        if stored is None:
            return pa.chunked_array([pa.nulls(self.rows, kind)], kind)
        found, start = [], 0
        for batch in self.table.batches(self.path, [stored]):
            values = batch.column(0)
            if self.picked is not None:
                first, last = np.searchsorted(self.picked, [start, start + len(values)])
                start += len(values)
                values = values.take(pa.array(self.picked[first:last] - (start - batch.num_rows)))
            found.append(values)
        return pa.chunked_array(found, self.table.schema.field(stored).type)


@dataclass(frozen=True)
class StoredRows:
    """Chosen rows of one table or several."""

    pieces: tuple[Piece, ...]
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    """Column → type, united over the tables."""
    total_rows: int = 0
    """Rows before sampling."""

    @property
    def names(self) -> Sequence[str]:
        """Columns."""
        return tuple(self.types)

    @property
    def rows(self) -> int:
        """Rows."""
        return sum(piece.rows for piece in self.pieces)

    def column(self, name: str) -> pa.ChunkedArray:
        """Read a column."""
        kind = self.types[name]
        chunks = [chunk for piece in self.pieces for chunk in united(piece.column(name, kind), kind).chunks]
        return pa.chunked_array(chunks, kind)

    def table(self, names: Sequence[str]) -> pa.Table:
        """Read some columns at once."""
        return pa.table({name: self.column(name) for name in names})

    def select(self, names: Sequence[str]) -> Self:
        """Return the rows with these of their columns."""
        return replace(self, types={name: self.types[name] for name in names})

    def renamed(self, names: Mapping[str, str]) -> Self:
        """Return the rows with these of their columns, under new names.

        Args:
            names: Column → its new name.
        """
        tables = {
            id(piece.table): replace(
                piece.table,
                names={new: piece.table.names[old] for old, new in names.items() if old in piece.table.names},
            )
            for piece in self.pieces
        }
        return replace(
            self,
            pieces=tuple(replace(piece, table=tables[id(piece.table)]) for piece in self.pieces),
            types={new: self.types[old] for old, new in names.items()},
        )

    def thinned(self, rows: int, seed: int) -> Self:
        """Return a sample of at most so many rows, by a hash of their numbers."""
        if self.rows <= rows:
            return self
        smallest = SmallestHashes(rows)
        for start in range(0, self.rows, _STEP):
            end = min(start + _STEP, self.rows)
            smallest.add(hashes_of_places(start, end, seed), np.arange(start, end))
        return self.taken(smallest.sample().places)

    def taken(self, places: Places) -> Self:
        """Return the rows with these numbers, which ascend."""
        pieces, start = [], 0
        for piece in self.pieces:
            first, last = np.searchsorted(places, [start, start + piece.rows])
            chosen = places[first:last] - start
            start += piece.rows
            if chosen.size:
                picked = chosen if piece.picked is None else piece.picked[chosen]
                pieces.append(replace(piece, rows=chosen.size, picked=None if chosen.size == piece.rows else picked))
        return replace(self, pieces=tuple(pieces))


def all_rows(table: StoredTable) -> StoredRows:
    """Choose every row of a table; nothing but the files' descriptions is read."""
    pieces = [Piece(table, path, file.count_rows()) for path, file in table.fragments().items()]
    types = {name: table.schema.field(stored).type for name, stored in table.names.items()}
    return StoredRows(tuple(pieces), types, sum(piece.rows for piece in pieces))


def fingerprint(rows: Rows) -> list[tuple[str, int, int]]:
    """Return path, size and time of the files that the rows are read from: it changes with their content.

    Rows in memory have none.
    """
    found = set()
    for piece in rows.pieces if isinstance(rows, StoredRows) else ():
        info = piece.table.fragments()[piece.path].filesystem.get_file_info(piece.path)
        found.add((piece.path, info.size or 0, info.mtime_ns or 0))
    return sorted(found)


def types_of(tables: Sequence[StoredTable]) -> dict[str, pa.DataType]:
    """Unite the types of the tables' columns."""
    types: dict[str, pa.DataType] = {}
    for table in tables:
        for name, stored in table.names.items():
            kind = table.schema.field(stored).type
            types[name] = common_type(types.get(name, kind), kind)
    return types


@lru_cache(maxsize=16)
def _opened(ref: str) -> tuple[pa.Schema, Mapping[str, pa.dataset.Fragment]]:
    dataset = open_dataset(DatasetRef.model_validate_json(ref))
    return dataset.schema, {file.path: file for file in sorted(dataset.get_fragments(), key=lambda file: file.path)}
