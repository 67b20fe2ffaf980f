"""Turns tabular rows into a matrix for the detectors, by what the reference rows look like.

A numeric column becomes a normal score: its quantile in the reference, read off the normal distribution, so that heavy
tails and odd units do not matter. Beyond the reference's range the score goes on in a straight line as steeply as the
tail before it, so that an impossible value is far away. A text column becomes one column per frequent level. Missing
values, levels never seen and lists of another length move columns of their own, which lie still in a clean reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, Sequence[Any] | NDArray[Any]]

FARTHEST = 1e3
"""No encoded value lies beyond it."""

_KNOTS = 128
_TAIL = 0.05
_FLATTEST_TAIL = 0.1
_MAX_LEVELS = 24
_RAREST_LEVEL = 0.005
_LEVEL_HEIGHT = 0.2  # with the ridge of the covariance: a rare level counts, but does not decide alone
_ALARM_HEIGHT = 6.0


@dataclass(frozen=True)
class NumericColumn:
    """A column of numbers: normal scores by interpolation between knots, and whether it is missing."""

    name: str
    knots: NDArray[np.float64]
    scores: NDArray[np.float64]
    """Of the knots; the first and the last lie beyond the reference, where the score is the farthest there is."""

    width = 2

    @classmethod
    def fit(cls, name: str, values: NDArray[np.float64]) -> Self:
        """Learn the quantiles of the finite values, and how steeply the score goes on beyond them."""
        finite = np.sort(values[np.isfinite(values)])
        if len(finite) == 0:
            finite = np.zeros(1)
        knots, scores = _normal_scores(finite)
        spread = float(np.quantile(finite, 0.841) - np.quantile(finite, 0.159)) / 2.0
        scale = spread or float(finite.std()) or 0.1 * max(abs(float(knots[0])), 1.0)
        low, high = np.quantile(finite, [_TAIL, 1.0 - _TAIL])
        below = _reach(low - knots[0], np.interp(low, knots, scores) - scores[0], scale) * (FARTHEST + scores[0])
        above = _reach(knots[-1] - high, scores[-1] - np.interp(high, knots, scores), scale) * (FARTHEST - scores[-1])
        return cls(
            name=name,
            knots=np.concatenate([[knots[0] - below], knots, [knots[-1] + above]]),
            scores=np.concatenate([[-FARTHEST], scores, [FARTHEST]]),
        )

    def encode(self, values: Sequence[Any] | NDArray[Any], into: NDArray[np.float64]) -> None:
        """Write the two encoded columns of the values."""
        encoded = np.interp(as_numbers(values), self.knots, self.scores)
        missing = np.isnan(encoded)
        encoded[missing] = 0.0
        into[:, 0] = encoded
        into[:, 1] = missing
        into[:, 1] *= _ALARM_HEIGHT


@dataclass(frozen=True)
class TextColumn:
    """A column of levels: one column per frequent level, one for the rare ones, one each for unseen and missing."""

    name: str
    levels: tuple[str, ...]
    rare: frozenset[str]

    @property
    def width(self) -> int:
        """Encoded columns."""
        return len(self.levels) + 3

    @classmethod
    def fit(cls, name: str, values: Sequence[Any]) -> Self:
        """Learn the levels; ties in frequency are broken by name."""
        levels, counts = np.unique(np.array([str(value) for value in values if value is not None]), return_counts=True)
        order = sorted(range(len(levels)), key=lambda at: (-counts[at], levels[at]))
        frequent = [at for at in order[:_MAX_LEVELS] if counts[at] >= _RAREST_LEVEL * len(values)]
        kept = tuple(str(levels[at]) for at in frequent)
        return cls(name=name, levels=kept, rare=frozenset(map(str, levels)) - set(kept))

    def encode(self, values: Sequence[Any] | NDArray[Any], into: NDArray[np.float64]) -> None:
        """Write the encoded columns of the values."""
        into[:] = 0.0
        places = {level: at for at, level in enumerate(self.levels)}
        rare, unseen, missing = (len(self.levels) + at for at in range(3))
        for row, value in enumerate(values):
            if value is None or value != value:  # noqa: PLR0124 (NaN is not itself)
                into[row, missing] = _ALARM_HEIGHT
                continue
            place = places.get(str(value))
            if place is not None:
                into[row, place] = _LEVEL_HEIGHT
            elif str(value) in self.rare:
                into[row, rare] = _LEVEL_HEIGHT
            else:
                into[row, unseen] = _ALARM_HEIGHT


@dataclass(frozen=True)
class ListColumn:
    """A column of equally long lists of numbers, each element standardized, and whether the list is unusable."""

    name: str
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @property
    def width(self) -> int:
        """Encoded columns."""
        return len(self.mean) + 1

    @classmethod
    def fit(cls, name: str, values: Sequence[Any]) -> Self:
        """Learn mean and spread of each element.

        Raises:
            ValueError: the lists differ in length.
        """
        lengths = {np.size(value) for value in values if value is not None}
        if len(lengths) != 1:
            raise ValueError(f"the lists of column {name!r} differ in length")
        rows = np.array([np.ravel(value) for value in values if value is not None], dtype=np.float64)
        rows = rows[np.isfinite(rows).all(axis=1)]
        deviation = rows.std(axis=0)
        return cls(name=name, mean=rows.mean(axis=0), scale=np.maximum(deviation, 0.01 * deviation.max() or 1.0))

    def encode(self, values: Sequence[Any] | NDArray[Any], into: NDArray[np.float64]) -> None:
        """Write the encoded columns of the values."""
        into[:] = 0.0
        for row, value in enumerate(values):
            numbers = as_numbers(np.ravel(value)) if value is not None else np.empty(0)
            if len(numbers) == len(self.mean) and np.isfinite(numbers).all():
                into[row, :-1] = np.clip((numbers - self.mean) / self.scale, -FARTHEST, FARTHEST)
            else:
                into[row, -1] = FARTHEST


Column = NumericColumn | TextColumn | ListColumn


@dataclass(frozen=True)
class Encoder:
    """Encodes rows by the columns of the reference; columns that it does not know are left aside."""

    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that are looked at."""
        return tuple(column.name for column in self.columns)

    def encode(self, columns: Columns) -> NDArray[np.float64]:
        """Return rows by encoded columns, all finite; an absent column is missing in every row."""
        rows = max((len(values) for values in columns.values()), default=0)
        matrix = np.empty((rows, sum(column.width for column in self.columns)))
        start = 0
        for column in self.columns:
            column.encode(columns.get(column.name, [None] * rows), matrix[:, start : start + column.width])
            start += column.width
        return matrix

    def by_column(self, parts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum parts of encoded columns over the columns that they come from: rows by columns."""
        starts = np.cumsum([0, *(column.width for column in self.columns[:-1])])
        summed: NDArray[np.float64] = np.add.reduceat(parts, starts, axis=1)
        return summed


def as_numbers(values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
    """Return float64 numbers: none is NaN, what is no number is infinite."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = None
    if numbers is None or numbers.ndim != 1:
        numbers = np.array([_as_number(value) for value in values], dtype=np.float64)
    return numbers


def _as_number(value: Any) -> float:
    if value is None:
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("inf")


def _reach(end: float, rise: float, scale: float) -> float:
    """Return by how much a value grows beyond the range for the score to grow by one: as in the tail before it."""
    return float(max(end, _FLATTEST_TAIL * scale) / max(rise, 1.0))


def _normal_scores(ordered: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return knots (distinct quantiles, with both ends) and their normal scores by middle ranks."""
    at = np.unique(np.linspace(0, len(ordered) - 1, _KNOTS).round().astype(np.int64))
    knots = np.unique(ordered[at])
    ranks = np.searchsorted(ordered, knots, side="left") + np.searchsorted(ordered, knots, side="right")
    shares = ranks / (2.0 * len(ordered))
    normal = NormalDist()
    return knots, np.array([normal.inv_cdf(float(share)) for share in shares])
