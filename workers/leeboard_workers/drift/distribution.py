"""Small histograms of a column then and now: for eyes, not for statistics."""

from itertools import pairwise

import numpy as np

from leeboard.contract.jobs import Distribution
from leeboard_workers.drift.values import CategoricalValues, Floats, NumericValues, Values

MAX_BARS = 24
MAX_LEVELS = 12
_DIGITS = 5
_TAIL = 0.005
"""Share on either side that goes into the outer bars, so that one wild value does not flatten the picture."""


def distribution_of(reference: Values, window: Values) -> Distribution | None:
    """Return shares of rows by bar; none when neither side has a value. Missing values have a bar if there are any."""
    if reference.present == 0 and window.present == 0:
        return None
    if isinstance(reference, NumericValues) and isinstance(window, NumericValues):
        labels, then, now = _numeric(reference, window)
    elif isinstance(reference, CategoricalValues) and isinstance(window, CategoricalValues):
        labels, then, now = _categorical(reference, window)
    else:
        raise TypeError("both columns must be of one type")
    if reference.missing or window.missing:
        labels = [*labels, "missing"]
        then, now = np.append(then, reference.missing), np.append(now, window.missing)
    return Distribution(labels=tuple(labels), reference=_shares(then, reference.rows), window=_shares(now, window.rows))


def _numeric(reference: NumericValues, window: NumericValues) -> tuple[list[str], Floats, Floats]:
    shown = reference if reference.present else window
    # A few too many are enough to see that they are many.
    distinct = np.unique(np.concatenate([side.distinct(MAX_BARS + 1) for side in (reference, window)]))
    if distinct.size <= MAX_BARS:
        return [_number(value) for value in distinct], _rows_at(reference, distinct), _rows_at(window, distinct)
    low = min(side.quantile(_TAIL) for side in (reference, window) if side.present)
    high = max(side.quantile(1 - _TAIL) for side in (reference, window) if side.present)
    if not low < high:
        low, high = shown.finite[0], max(shown.finite[-1], window.finite[-1] if window.present else -np.inf)
    edges = np.linspace(low, high, MAX_BARS + 1)
    inner = edges[1:-1]
    labels = [f"{_number(left)} to {_number(right)}" for left, right in pairwise(edges)]
    return labels, _binned(reference, inner), _binned(window, inner)


def _categorical(reference: CategoricalValues, window: CategoricalValues) -> tuple[list[str], Floats, Floats]:
    def weight(level: str) -> tuple[float, str]:
        then = reference.counts.get(level, 0) / max(reference.present, 1)
        now = window.counts.get(level, 0) / max(window.present, 1)
        return -max(then, now), level

    levels = sorted({*reference.counts, *window.counts}, key=weight)
    more = reference.other_levels + window.other_levels > 0
    shown = levels if len(levels) <= MAX_LEVELS and not more else levels[: MAX_LEVELS - 1]
    shown = _in_order(shown)
    then = [reference.counts.get(level, 0) for level in shown]
    now = [window.counts.get(level, 0) for level in shown]
    labels = [level[:40] for level in shown]
    if more or len(shown) < len(levels):
        labels.append("others" if more else f"{len(levels) - len(shown)} others")
        then.append(reference.present - sum(then))
        now.append(window.present - sum(now))
    return labels, np.array(then, dtype=float), np.array(now, dtype=float)


def _in_order(levels: list[str]) -> list[str]:
    """Put levels that are numbers in their order; others stay by size."""
    try:
        return sorted(levels, key=float)
    except ValueError:
        return levels


def _rows_at(values: NumericValues, distinct: Floats) -> Floats:
    left = np.searchsorted(values.finite, distinct, side="left")
    right = np.searchsorted(values.finite, distinct, side="right")
    return (right - left).astype(float)


def _binned(values: NumericValues, inner: Floats) -> Floats:
    starts = np.searchsorted(values.finite, inner, side="left")
    counts = np.diff(starts, prepend=0, append=values.finite.size).astype(float)
    counts[0] += values.below
    counts[-1] += values.above
    return counts


def _shares(counts: Floats, rows: int) -> tuple[float, ...]:
    return tuple(round(float(count) / max(rows, 1), _DIGITS) for count in counts)


def _number(value: float) -> str:
    return f"{value:.4g}"
