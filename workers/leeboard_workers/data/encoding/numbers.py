"""Columns of numbers: each value becomes its normal score in the reference, all columns of a request in one pass.

A normal score is the quantile in the reference, read off the normal distribution, so that heavy tails and odd units do
not matter. Beyond the reference's range it goes on in a straight line as steeply as the tail before it, so that an
impossible value is far away.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.data.encoding.interpolation import Interpolation

FARTHEST = 1e3
"""No encoded value lies beyond it."""

LARGEST = 1e100
"""Larger numbers count as infinite in a reference, for their squares leave the range of numbers."""

FAR = 8.0
"""A normal score beyond it is impossible rather than rare."""

RARELY = 0.001
"""What happens to a smaller share of the reference's rows raises an alarm."""

MISSING_HEIGHT = 6.0
"""How far a missing value moves the column that tells so, where the reference has missing values too."""

_KNOTS = 128
_TAIL = 0.05
_FLATTEST_TAIL = 0.1
_MAX_KNOWN = 256
_FEWEST_FOR_KNOWN = 500
_FOLDS = 10
_NEW_VALUES = 0.005
_SAME_VALUE = 1e-6

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class NumericColumn:
    """What the reference knows of a column of numbers."""

    name: str
    knots: Numbers
    """Distinct quantiles, with both ends."""
    scores: Numbers
    """Their normal scores."""
    below: float
    """By how much a value falls under the first knot for its score to fall by one."""
    above: float
    """By how much a value rises over the last knot for its score to rise by one."""
    known: Numbers
    """All values between the ends, where new ones do not come up; empty for a column that brings new ones."""
    often_missing: bool
    """Whether the reference has missing values: a column of its own then tells."""

    @property
    def width(self) -> int:
        """Encoded columns."""
        return 1 + self.often_missing

    @classmethod
    def fit(cls, name: str, values: Numbers) -> Self:
        """Learn the quantiles of the finite values, how the score goes on beyond them, and what values there are.

        A number beyond `LARGEST` is none of them.
        """
        finite = values[np.abs(values) <= LARGEST]
        known = _closed_set(finite)
        often_missing = bool(np.isnan(values).mean() > RARELY)
        finite = np.sort(finite) if len(finite) else np.zeros(1)
        knots, scores = _normal_scores(finite)
        spread = float(np.quantile(finite, 0.841) - np.quantile(finite, 0.159)) / 2.0
        scale = spread or float(finite.std()) or 0.1 * max(abs(float(knots[0])), 1.0)
        low, high = np.quantile(finite, [_TAIL, 1.0 - _TAIL])
        return cls(
            name=name,
            knots=knots,
            scores=scores,
            below=_reach(low - knots[0], np.interp(low, knots, scores) - scores[0], scale),
            above=_reach(knots[-1] - high, scores[-1] - np.interp(high, knots, scores), scale),
            known=known,
            often_missing=often_missing,
        )


class NumericBlock:
    """Several columns of numbers, encoded together: one interpolation for all values of a request.

    The knots of column j are scaled to [2j, 2j + 1], so that all columns share one table; a column of one value has
    no other knot than 2j.
    """

    def __init__(self, columns: Sequence[NumericColumn]) -> None:
        """Lay out the shared tables."""
        spans = np.array([column.knots[-1] - column.knots[0] for column in columns])
        self.often_missing = np.array([column.often_missing for column in columns], dtype=bool)
        self._low = _upright([column.knots[0] for column in columns])
        self._top = _upright(spans > 0.0)
        self._unit = np.where(spans > 0.0, spans, 1.0)[:, None]
        self._start = 2.0 * _upright(range(len(columns)))
        self._fall = self._unit[:, 0] / np.array([column.below for column in columns])
        self._rise = self._unit[:, 0] / np.array([column.above for column in columns])
        knots = np.concatenate([[-1.0], *(self._scaled(at, column.knots) for at, column in enumerate(columns))])
        self._score = Interpolation(knots, np.concatenate([[0.0], *(column.scores for column in columns)]))
        self._closed = np.array([at for at, column in enumerate(columns) if len(column.known)], dtype=np.intp)
        known = [self._scaled(at, columns[at].known) for at in self._closed]
        self._known = np.concatenate([[-1.0], *known, [np.inf]])

    def encode(self, cells: Sequence[Any] | Numbers, rows: int) -> tuple[Numbers, NDArray[np.bool_], NDArray[np.bool_]]:
        """Return normal scores, which cells are missing, and which raise an alarm: each of shape (columns, rows)."""
        values = cells if isinstance(cells, np.ndarray) else as_block(cells, rows)
        with np.errstate(invalid="ignore", over="ignore"):
            values = (values - self._low) / self._unit
            inside = np.maximum(np.minimum(values, self._top), 0.0)
            beyond = values
            beyond -= inside
            inside += self._start
            scores = self._score(inside)
        missing = np.zeros(scores.shape, dtype=bool)
        alarms = missing.copy()
        if (outside := np.nonzero(beyond))[0].size:  # few cells at most; also those that are missing
            columns, steps = outside[0], beyond[outside]
            steps *= np.where(steps > 0.0, self._rise[columns], self._fall[columns])
            reached = np.clip(scores[outside] + steps, -FARTHEST, FARTHEST)
            missing[outside] = absent = np.isnan(reached)
            scores[outside] = np.where(absent, 0.0, reached)
            alarms[outside] = np.where(absent, ~self.often_missing[columns], np.abs(reached) > FAR)
        if len(self._closed):
            alarms[self._closed] |= self._new(inside[self._closed]) & (beyond[self._closed] == 0.0)
        return scores, missing, alarms

    def _scaled(self, at: int, values: Numbers) -> Numbers:
        scaled: Numbers = 2.0 * at + (values - self._low[at, 0]) / self._unit[at, 0]
        return scaled

    def _new(self, sought: Numbers) -> NDArray[np.bool_]:
        """Return which scaled values are none of the reference's."""
        above = np.searchsorted(self._known, sought)
        np.minimum(above, len(self._known) - 1, out=above)  # NaN is sorted behind the last
        nearest = np.minimum(self._known[above] - sought, sought - self._known[above - 1])
        new: NDArray[np.bool_] = nearest > _SAME_VALUE
        return new


def as_block(cells: Sequence[Any], rows: int) -> Numbers:
    """Return float64 numbers of shape (columns, rows): none is NaN, what is no number is infinite."""
    if all(type(column) is list for column in cells):
        try:
            return np.fromiter(chain.from_iterable(cells), np.float64, len(cells) * rows).reshape(len(cells), rows)
        except (TypeError, ValueError):
            pass  # some cell is no number
    return np.stack([as_numbers(column) for column in cells])


def as_numbers(values: Sequence[Any] | NDArray[Any]) -> Numbers:
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
    except (TypeError, ValueError, OverflowError):
        return float("inf")


def _upright(values: Iterable[float]) -> Numbers:
    return np.array(list(values), dtype=np.float64).reshape(-1, 1)


def _reach(end: float, rise: float, scale: float) -> float:
    """Return by how much a value grows beyond the range for the score to grow by one: as in the tail before it."""
    return float(max(end, _FLATTEST_TAIL * scale) / max(rise, 1.0))


def _normal_scores(ordered: Numbers) -> tuple[Numbers, Numbers]:
    """Return knots (distinct quantiles, with both ends) and their normal scores by middle ranks."""
    at = np.unique(np.linspace(0, len(ordered) - 1, _KNOTS).round().astype(np.int64))
    knots = np.unique(ordered[at])
    ranks = np.searchsorted(ordered, knots, side="left") + np.searchsorted(ordered, knots, side="right")
    shares = ranks / (2.0 * len(ordered))
    normal = NormalDist()
    return knots, np.array([normal.inv_cdf(float(share)) for share in shares])


def _closed_set(values: Numbers) -> Numbers:
    """Return all values of a column that takes few, again and again, such as counts, grades and readings of a gauge.

    New values inside the range must hardly come up: each tenth of the reference in turn, in its own order, holds at
    most one in 200 that the other nine tenths lack. The order matters: readings of one day resemble each other.
    """
    distinct, places = np.unique(values, return_inverse=True)
    if len(values) < _FEWEST_FOR_KNOWN or len(distinct) > _MAX_KNOWN:
        return np.empty(0)
    total = np.bincount(places, minlength=len(distinct))
    new = 0
    for fold in np.array_split(places, _FOLDS):
        here = np.bincount(fold, minlength=len(distinct))
        elsewhere = np.flatnonzero(total > here)
        inside = slice(elsewhere[0], elsewhere[-1] + 1) if len(elsewhere) else slice(0, 0)
        new += int(here[inside][total[inside] == here[inside]].sum())
    return distinct if new <= _NEW_VALUES * len(values) else np.empty(0)
