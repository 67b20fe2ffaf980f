"""Finds the row and the column that a model stumbles over, by trial, so that a client is told what to mend.

A model that fails at everything is broken, which is no fault of the client: a row that it has answered before must
still be answered. Then rows are halved until one that fails is left, and its columns are put into the row that is
answered, half by half, until one is left. That takes some ten to twenty predictions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Blame:
    """What the model stumbles over."""

    row: int
    column: str | None
    """None: only several columns together make it fail."""
    cell: Any
    error: Exception

    def __str__(self) -> str:
        """Say it in a sentence."""
        what = "" if self.column is None else f": the column {self.column!r} holds {self.cell!r:.40}"
        return f"the model cannot read row {self.row}{what} ({str(self.error)[:200]})"


def table_of(rows: Any) -> pd.DataFrame | None:
    """Return rows as a table: a table as it is, an array of rows with its columns numbered; none for other things."""
    if isinstance(rows, pd.DataFrame):
        return rows
    matrix = isinstance(rows, np.ndarray) and rows.ndim == 2  # noqa: PLR2004 (rows by columns)
    return pd.DataFrame(rows) if matrix else None


def blame(predict: Callable[[pd.DataFrame], Any], rows: pd.DataFrame, good: pd.DataFrame) -> Blame | None:
    """Return what is wrong with rows that fail, or none when it is the model that is broken.

    Args:
        predict: Raises where it fails.
        rows: Rows that failed.
        good: One row that was answered before, of the same columns.
    """

    def failure(frame: pd.DataFrame) -> Exception | None:
        try:
            predict(frame)
        except Exception as error:  # noqa: BLE001 (whatever a model raises)
            return error
        return None

    if failure(good) is not None:
        return None
    row = _narrowed(range(len(rows)), lambda part: failure(rows.iloc[part[0] : part[-1] + 1]) is not None)
    if row is None:
        return None
    bad = rows.iloc[[row]].reset_index(drop=True)
    error = failure(bad)
    if error is None:
        return None

    def mixed(part: Sequence[int]) -> pd.DataFrame:
        names = {rows.columns[at] for at in part}
        return pd.DataFrame({name: bad[name] if name in names else good[name] for name in rows.columns})

    at = _narrowed(range(rows.shape[1]), lambda part: failure(mixed(part)) is not None)
    if at is None:
        return Blame(row, None, None, error)
    cell = bad.iloc[0, at]
    plain = cell.item() if isinstance(cell, np.generic) else cell
    return Blame(row, str(rows.columns[at]), plain, failure(mixed([at])) or error)


def _narrowed(places: Sequence[int], fails: Callable[[Sequence[int]], bool]) -> int | None:
    """Return one place that fails by itself, of places that fail together."""
    while len(places) > 1:
        half = len(places) // 2
        parts = places[:half], places[half:]
        places = next((part for part in parts if fails(part)), ())
    return places[0] if places else None
