"""Turns tabular rows into a matrix of finite numbers, by what the reference rows look like.

Numbers become normal scores (`numbers`), text one column per frequent level (`levels`), lists standardized elements
(`lists`). What a clean reference never shows is no shade of a number but an *alarm* of its column: a missing value, a
level or a value never seen, a value far out of range, a list of another length. Where the reference itself has missing
values, an encoded column of its own tells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.data.encoding.levels import TextColumn
from leeboard_workers.data.encoding.lists import ListColumn
from leeboard_workers.data.encoding.numbers import MISSING_HEIGHT, NumericBlock, NumericColumn
from leeboard_workers.data.encoding.rowlists import RowLists

Columns = Mapping[str, Sequence[Any] | NDArray[Any]]
Column = NumericColumn | TextColumn | ListColumn

__all__ = ["Column", "Columns", "Encoded", "Encoder", "ListColumn", "NumericColumn", "RowLists", "TextColumn"]

_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True)
class Encoded:
    """Some rows as numbers."""

    matrix: NDArray[np.float64]
    """Rows by encoded columns, finite."""
    alarms: NDArray[np.bool_]
    """Rows by columns of the table."""


class Encoder:
    """Encodes rows by the columns of the reference; columns that it does not know are left aside."""

    def __init__(self, columns: Sequence[Column]) -> None:
        """Lay out which encoded columns belong to which column of the table."""
        self.columns = tuple(columns)
        self.names = tuple(column.name for column in columns)
        """Names of the columns that are looked at."""
        starts = np.cumsum([0, *(column.width for column in columns)])
        self.width = int(starts[-1])
        """Encoded columns."""
        numeric = [at for at, column in enumerate(columns) if isinstance(column, NumericColumn)]
        self._starts = starts[:-1]
        self._numeric = numeric
        self._others = [(at, column) for at, column in enumerate(columns) if not isinstance(column, NumericColumn)]
        places = np.array([starts[at] for at in numeric], dtype=np.intp)
        self._values: Any = slice(None) if len(numeric) == self.width else places
        self._block = NumericBlock([column for column in columns if isinstance(column, NumericColumn)])
        self._absences = 1 + places[self._block.often_missing]

    def encode(self, columns: Columns) -> NDArray[np.float64]:
        """Return rows by encoded columns, all finite; an absent column is missing in every row."""
        return self.read(columns).matrix

    def read(self, columns: Columns) -> Encoded:
        """Encode rows, and tell which cells are what the reference never shows."""
        numbers = self._numbers(columns)
        rows = numbers.shape[1] if numbers is not None else max(map(len, columns.values()), default=0)
        matrix = np.empty((rows, self.width))
        alarms = np.zeros((rows, len(self.columns)), dtype=bool)
        if numbers is not None:
            self._fill(numbers, matrix, alarms)
            return Encoded(matrix, alarms)
        absent = [] if all(name in columns for name in self.names) else [None] * rows
        cells = [columns.get(name, absent) for name in self.names]
        for start in range(0, rows, _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            chosen = cells if rows <= _ROWS_AT_ONCE else [values[part] for values in cells]
            self._fill(chosen, matrix[part], alarms[part])
        return Encoded(matrix, alarms)

    def _numbers(self, columns: Columns) -> NDArray[np.float64] | None:
        """Return all cells at once (columns, rows), where rows came as lists of numbers in the reference's order."""
        if isinstance(columns, RowLists) and columns.names == self.names and not self._others:
            return columns.numbers
        return None

    def by_column(self, parts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum parts of encoded columns over the columns that they come from: rows by columns."""
        summed: NDArray[np.float64] = np.add.reduceat(parts, self._starts, axis=1)
        return summed

    def _fill(
        self, cells: Sequence[Any] | NDArray[np.float64], matrix: NDArray[np.float64], alarms: NDArray[np.bool_]
    ) -> None:
        if self._numeric:
            numeric = cells if not self._others else [cells[at] for at in self._numeric]
            scores, missing, raised = self._block.encode(numeric, len(matrix))
            matrix[:, self._values] = scores.T
            if raised.any():
                alarms[:, self._numeric] = raised.T
            if len(self._absences):
                matrix[:, self._absences] = MISSING_HEIGHT * missing[self._block.often_missing].T
        for at, column in self._others:
            start = self._starts[at]
            alarms[:, at] = column.encode(cells[at], matrix[:, start : start + column.width])
