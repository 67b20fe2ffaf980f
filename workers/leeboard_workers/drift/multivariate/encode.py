"""Turns mixed columns into rows of numbers, by what the reference looks like: each column enters with variance one.

A number becomes its normal score: its rank in the reference, read off the normal distribution, so that units, heavy
tails and outliers do not decide. Levels become one number each, divided by what makes their variances add up to one.
Lists of numbers of one length, such as embeddings, keep their geometry: they are centred and divided by one number, so
that the mean variance of their elements is one; an element far beyond all of the reference is cut to ten times as far
out as the farthest of them, so that one wild row does not hide the others. Missing values stand at the reference's
mean, and a number of its own says that they are missing; infinite ones are the lowest or highest rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import ndtri

from leeboard_workers.drift.calendar import is_clock
from leeboard_workers.drift.multivariate.reading import levels_of, numbers_of
from leeboard_workers.drift.univariate.pair import HUGE
from leeboard_workers.drift.values import UnsupportedColumnError, is_numeric

MAX_LEVELS = 32
"""Levels with a number of their own; the rest share one."""
QUANTILES = 2_001
"""So many quantiles of the reference stand for its ranks."""

FARTHER = 10.0
"""Elements of a list may lie so many times as far out as the farthest of the reference."""

Rows = NDArray[np.float32]


class EncodedColumn(Protocol):
    """Encodes one column."""

    def encode(self, column: pa.ChunkedArray) -> NDArray[np.float64]:
        """Return rows by numbers."""


@dataclass(frozen=True)
class NormalScores:
    """A column of numbers: its normal score, and whether it is missing."""

    knots: NDArray[np.float64]
    scores: NDArray[np.float64]
    outside: float
    """Score of what lies beyond all values of the reference: of few, that is no rare thing."""
    missing_scale: float

    @classmethod
    def fit(cls, column: pa.ChunkedArray) -> Self:
        """Learn the ranks."""
        values = numbers_of(column)
        missing = float(np.isnan(values).mean()) if len(values) else 0.0
        present = np.sort(values[~np.isnan(values)])
        if len(present) > QUANTILES:
            present = present[np.linspace(0, len(present) - 1, QUANTILES).round().astype(np.int64)]
        knots = np.unique(present)
        ranks = np.searchsorted(present, knots, "left") + np.searchsorted(present, knots, "right")
        scores = ndtri(ranks / (2.0 * max(len(present), 1)))
        outside = float(ndtri(1.0 - 0.25 / max(len(present), 1)))
        return cls(knots, scores, outside, _scale_of_share(missing))

    def encode(self, column: pa.ChunkedArray) -> NDArray[np.float64]:
        """Return score and absence."""
        values = numbers_of(column)
        missing = np.isnan(values)
        encoded = np.zeros((len(values), 2))
        if len(self.knots):
            encoded[:, 0] = self._score(values)
        encoded[missing, 0] = 0.0
        encoded[:, 1] = missing * self.missing_scale
        return encoded

    def _score(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Interpolate between the knots; beyond them the score is that of a rank outside the reference."""
        finite = np.clip(values, self.knots[0], self.knots[-1])
        scores: NDArray[np.float64] = np.interp(finite, self.knots, self.scores)
        steep = ~np.isfinite(scores) & ~np.isnan(finite)  # between knots too near each other for a slope
        scores[steep] = self.scores[np.searchsorted(self.knots, finite[steep], "right") - 1]
        scores[values < self.knots[0]] = -self.outside
        scores[values > self.knots[-1]] = self.outside
        return scores


@dataclass(frozen=True)
class Levels:
    """A column of levels: one number for each frequent level, one for all others, one for missing."""

    levels: tuple[str, ...]
    scale: float

    @classmethod
    def fit(cls, column: pa.ChunkedArray) -> Self:
        """Learn the frequent levels; ties are broken by name."""
        counted = pc.value_counts(levels_of(column).drop_null()).to_pylist()
        counts = {entry["values"]: entry["counts"] for entry in counted}
        ranked = sorted(counts, key=lambda level: (-counts[level], level))[:MAX_LEVELS]
        shares = np.array([counts[level] / len(column) for level in ranked])
        variance = float((shares * (1.0 - shares)).sum())
        return cls(tuple(ranked), 1.0 / np.sqrt(variance) if variance > 0 else 1.0)

    def encode(self, column: pa.ChunkedArray) -> NDArray[np.float64]:
        """Return one number for each level, for all others and for missing."""
        found = levels_of(column, self.levels)
        places = pc.index_in(found, pa.array(self.levels, pa.string()))
        at = np.asarray(pc.fill_null(places, len(self.levels)), dtype=np.int64)
        at[np.asarray(found.is_null())] = len(self.levels) + 1
        encoded = np.zeros((len(at), len(self.levels) + 2))
        encoded[np.arange(len(at)), at] = self.scale
        return encoded


@dataclass(frozen=True)
class Vectors:
    """A column of equally long lists of numbers, and whether one is missing or of another length."""

    mean: NDArray[np.float64]
    scale: float
    farthest: float
    """Scaled elements are cut there."""

    @classmethod
    def fit(cls, column: pa.ChunkedArray) -> Self:
        """Learn mean and spread.

        Raises:
            UnsupportedColumnError: the lists differ in length, or hold nothing.
        """
        lengths = pc.unique(pc.list_value_length(column.drop_null())).to_pylist()
        if len(lengths) != 1 or not lengths[0]:
            raise UnsupportedColumnError("its lists differ in length or are empty: exclude the column")
        matrix = _matrix(column.drop_null(), lengths[0])
        matrix = matrix[np.isfinite(matrix).all(axis=1)]
        if len(matrix) == 0:
            raise UnsupportedColumnError("no list of the reference is without missing numbers: exclude the column")
        largest = float(np.abs(matrix).max())
        unit = largest if largest > HUGE else 1.0
        matrix = matrix / unit
        mean, spread = matrix.mean(axis=0), float(np.sqrt(matrix.var(axis=0).mean())) or 1.0
        farthest = float(np.abs(matrix - mean).max()) / spread
        return cls(mean * unit, spread * unit, FARTHER * max(farthest, 1.0))

    def encode(self, column: pa.ChunkedArray) -> NDArray[np.float64]:
        """Return the scaled elements, and whether the list is unusable."""
        encoded = np.zeros((len(column), len(self.mean) + 1))
        fitting = np.asarray(pc.fill_null(pc.equal(pc.list_value_length(column), len(self.mean)), False))  # noqa: FBT003 (Arrow's)
        matrix = _matrix(column.filter(pa.array(fitting)), len(self.mean))
        usable = np.isfinite(matrix).all(axis=1)
        at = np.flatnonzero(fitting)[usable]
        with np.errstate(over="ignore"):
            scaled = (matrix[usable] - self.mean) / self.scale
        encoded[at, :-1] = np.clip(scaled, -self.farthest, self.farthest)
        encoded[:, -1] = 1.0
        encoded[at, -1] = 0.0
        return encoded


@dataclass(frozen=True)
class EncodedTables:
    """The columns of both tables as numbers."""

    reference: Rows
    """Rows x numbers."""
    window: Rows
    """Rows x numbers."""
    origins: tuple[str, ...]
    """The column that each number comes from."""
    refused: tuple[str, ...]
    """Columns that are left out, each with the reason."""


def encoded(
    reference: pa.Table, window: pa.Table, names: Sequence[str], teacher: pa.Table | None = None
) -> EncodedTables:
    """Encode columns of both tables by what the reference looks like; a column that cannot be encoded is left out.

    Args:
        reference: Rows.
        window: Rows.
        names: Columns of both.
        teacher: Rows that the encoding is learned from; none: the reference.
    """
    teacher = reference if teacher is None else teacher
    then: list[NDArray[np.float32]] = []
    now: list[NDArray[np.float32]] = []
    origins: list[str] = []
    refused: list[str] = []
    for name in names:
        try:
            column = _fit(teacher[name])
            pair = column.encode(reference[name]), column.encode(window[name])
        except (UnsupportedColumnError, pa.ArrowException, TypeError) as error:
            refused.append(f"{name} is left out: {str(error).splitlines()[0]}")
            continue
        then.append(pair[0].astype(np.float32))
        now.append(pair[1].astype(np.float32))
        origins += [name] * pair[0].shape[1]
    return EncodedTables(
        np.hstack([np.empty((reference.num_rows, 0), np.float32), *then]),
        np.hstack([np.empty((window.num_rows, 0), np.float32), *now]),
        tuple(origins),
        tuple(refused),
    )


def _fit(column: pa.ChunkedArray) -> EncodedColumn:
    if is_clock(column.type):
        raise UnsupportedColumnError("times are compared by hour and weekday, column by column")
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_fixed_size_list(column.type):
        return Vectors.fit(column)
    return NormalScores.fit(column) if is_numeric(column.type) else Levels.fit(column)


def _scale_of_share(share: float) -> float:
    """Return what makes the variance of an indicator one; of one that never moves, one."""
    variance = share * (1.0 - share)
    return 1.0 / float(np.sqrt(variance)) if variance > 0 else 1.0


def _matrix(lists: pa.ChunkedArray, width: int) -> NDArray[np.float64]:
    flat = pc.list_flatten(lists)
    return np.asarray(pc.cast(flat, pa.float64()), dtype=np.float64).reshape(-1, width)
