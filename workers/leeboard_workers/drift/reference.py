"""A reference, prepared once: each column in order or counted, ready to be held against any number of windows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import pyarrow as pa

from leeboard_workers.data.mapping import Map, on_threads
from leeboard_workers.data.rows import Rows
from leeboard_workers.drift.calendar import Part, is_clock, is_part, part, parts_of
from leeboard_workers.drift.levels import categorical_values
from leeboard_workers.drift.values import (
    CategoricalValues,
    NumericValues,
    UnsupportedColumnError,
    Values,
    is_numeric,
    numeric_values,
)

Kind = Literal["numeric", "categorical", "unknown"] | Part


@dataclass(frozen=True)
class PreparedColumn:
    """One column of a reference, or one part of a clock."""

    source: str
    """Column of the data."""
    kind: Kind
    """How it is read; unknown when it holds no value, so that the window's type decides."""
    values: Values
    message: str = ""
    """Why it cannot be compared."""

    @property
    def label(self) -> str:
        """Name in the report: of parts of a clock, the column and the part."""
        return f"{self.source} ({self.kind})" if is_part(self.kind) else self.source

    def read(self, column: pa.ChunkedArray) -> Values:
        """Read the window's column as this one was read."""
        if isinstance(self.values, NumericValues):
            return numeric_values(column)
        return categorical_values(part(column, self.kind) if is_part(self.kind) else column, self.values)

    def without(self, column: pa.ChunkedArray) -> "PreparedColumn":
        """Return the column without some of its own rows."""
        if self.message:
            return self
        taken = self.read(column)
        if isinstance(self.values, NumericValues) and isinstance(taken, NumericValues):
            return replace(self, values=self.values.without(taken))
        if isinstance(self.values, CategoricalValues) and isinstance(taken, CategoricalValues):
            return replace(self, values=self.values.without(taken))
        raise TypeError("both columns must be of one type")


@dataclass(frozen=True)
class Reference:
    """The prepared columns of a reference."""

    rows: int
    """Rows that were read."""
    total_rows: int
    """Rows before sampling."""
    columns: Mapping[str, Sequence[PreparedColumn]] = field(default_factory=dict)
    """By the name of the column in the data."""

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the data."""
        return tuple(self.columns)

    def select(self, names: Iterable[str]) -> "Reference":
        """Return the reference with these of its columns."""
        return replace(self, columns={name: self.columns[name] for name in names if name in self.columns})


def prepare(rows: Rows, *, run: Map = on_threads) -> Reference:
    """Read each column of a reference once.

    Args:
        rows: The reference.
        run: Applies the reading to the columns, here or on a cluster.
    """
    prepared = run(partial(_prepared, rows), list(rows.names))
    return Reference(rows.rows, rows.total_rows, dict(zip(rows.names, prepared, strict=True)))


def prepare_column(name: str, column: pa.ChunkedArray) -> list[PreparedColumn]:
    """Prepare a column; a time stamp becomes its hour and its weekday."""
    if len(column) == column.null_count:
        return [PreparedColumn(name, "unknown", CategoricalValues({}, len(column), nulls=len(column)))]
    return _typed(name, column)


def typed_like(prepared: PreparedColumn, window: pa.ChunkedArray) -> list[PreparedColumn]:
    """Read a reference column without any value as the window's is read."""
    rows = prepared.values.rows
    return _typed(prepared.source, pa.chunked_array([pa.nulls(rows, window.type)], window.type))


def _typed(name: str, column: pa.ChunkedArray) -> list[PreparedColumn]:
    try:
        if is_clock(column.type):
            return [
                PreparedColumn(name, each, categorical_values(part(column, each))) for each in parts_of(column.type)
            ]
        if is_numeric(column.type):
            return [PreparedColumn(name, "numeric", numeric_values(column))]
        return [PreparedColumn(name, "categorical", categorical_values(column))]
    except UnsupportedColumnError as error:
        return [PreparedColumn(name, "unknown", CategoricalValues({}, len(column)), str(error))]


def _prepared(rows: Rows, name: str) -> list[PreparedColumn]:
    return prepare_column(name, rows.column(name))
