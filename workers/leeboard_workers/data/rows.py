"""Rows that are read column by column, from memory or from where they are stored."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import pyarrow as pa

from leeboard_workers.data.datasets import sample_rows


def each_once(names: Sequence[str], side: str) -> None:
    """Refuse several columns of one name: nobody could tell which is meant.

    Raises:
        ValueError: the side, as people call it, has such columns.
    """
    doubled = sorted(name for name, times in Counter(names).items() if times > 1)
    if doubled:
        raise ValueError(f"the {side} has several columns named {', '.join(doubled)}: rename them")


class Rows(Protocol):
    """Some rows of which a column can be had at a time; safe to send to another machine."""

    @property
    def names(self) -> Sequence[str]:
        """Columns."""

    @property
    def rows(self) -> int:
        """Rows that a column has."""

    @property
    def total_rows(self) -> int:
        """Rows before sampling."""

    def column(self, name: str) -> pa.ChunkedArray:
        """Read a column; a KeyError when there is none."""

    def table(self, names: Sequence[str]) -> pa.Table:
        """Read some columns at once."""

    def select(self, names: Sequence[str]) -> Self:
        """Return the rows with these of their columns."""

    def thinned(self, rows: int, seed: int) -> Self:
        """Return a sample of at most so many rows, drawn by the seed."""


@dataclass(frozen=True)
class TableRows:
    """A table in memory."""

    content: pa.Table
    total: int | None = None
    """Rows before sampling; none: the table is no sample."""

    @property
    def names(self) -> Sequence[str]:
        """Columns."""
        return tuple(self.content.column_names)

    @property
    def rows(self) -> int:
        """Rows."""
        return int(self.content.num_rows)

    @property
    def total_rows(self) -> int:
        """Rows before sampling."""
        return self.rows if self.total is None else self.total

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column."""
        return self.content[name]

    def table(self, names: Sequence[str]) -> pa.Table:
        """Return some columns."""
        return self.content.select(list(names))

    def select(self, names: Sequence[str]) -> Self:
        """Return the rows with these of their columns."""
        return replace(self, content=self.table(names))

    def thinned(self, rows: int, seed: int) -> Self:
        """Return a sample of at most so many rows, drawn by the seed."""
        return replace(self, content=sample_rows(self.content, rows, seed), total=self.total_rows)
