"""How far the distribution functions of two ascending samples are apart, both ways that it is measured; exact.

Where they are farthest apart is searched: the functions are looked up at every 64th row, and between two such places
only where they could be farther apart still. The area between them is the same across as it is down, so it is summed
over the shares of rows, where nothing has to be compared (Vallender, 1974).
"""

from dataclasses import dataclass

import numpy as np

from leeboard_workers.data.native import compiled
from leeboard_workers.drift.sorting import Floats

BLOCK = 64
"""Rows of the larger sample between two places that are looked up."""


@dataclass(frozen=True)
class Gap:
    """The distance between two empirical distribution functions F and G."""

    largest: float
    """sup |F - G|: the statistic of Kolmogorov and Smirnov."""
    area: float
    """The integral of |F - G|: the first Wasserstein distance (Vallender, 1974)."""


def gap(then: Floats, now: Floats) -> Gap:
    """Measure two samples, each ascending, finite and not empty."""
    longer, shorter = _read_only(then), _read_only(now)
    if longer.size < shorter.size:
        longer, shorter = shorter, longer
    pairs = float(then.size) * float(now.size)
    return Gap(_largest(longer, shorter) / pairs, _area(longer, shorter) / pairs)


def _read_only(values: Floats) -> Floats:
    view = values.view()
    view.flags.writeable = False  # one kind of argument is compiled
    return view


@compiled
def _area(one: Floats, other: Floats) -> float:
    """Return n m times the integral of the distance between the quantile functions.

    Counted in steps of 1 / n m of the rows, the i-th value lasts from i m to (i + 1) m, the other's j-th from j n on.
    """
    n, m = one.size, other.size
    if n == m:
        return _pair_by_pair(one, other) * m
    i, j, ends, others_ends, place, area = 0, 0, m, n, 0, 0.0
    while i < n and j < m:
        until = min(ends, others_ends)
        area += abs(one[i] - other[j]) * (until - place)
        place = until
        if ends == until:
            i += 1
            ends += m
        if others_ends == until:
            j += 1
            others_ends += n
    return area


@compiled
def _pair_by_pair(one: Floats, other: Floats) -> float:
    first, second, third, fourth = 0.0, 0.0, 0.0, 0.0  # four sums: none waits for the one before it
    whole = one.size - one.size % 4
    for i in range(0, whole, 4):
        first += abs(one[i] - other[i])
        second += abs(one[i + 1] - other[i + 1])
        third += abs(one[i + 2] - other[i + 2])
        fourth += abs(one[i + 3] - other[i + 3])
    for i in range(whole, one.size):
        first += abs(one[i] - other[i])
    return (first + second) + (third + fourth)


@compiled
def _largest(longer: Floats, shorter: Floats) -> int:
    """Return n m times the largest distance of the distribution functions, which is an integer."""
    n, m = longer.size, shorter.size
    rows, others = np.zeros(n // BLOCK + 2, np.int64), np.zeros(n // BLOCK + 2, np.int64)
    places, most = 0, 0
    i, j = 0, 0
    while i < n:
        start = min(i + BLOCK, n)
        value = longer[start - 1]
        i, j = _first_above(longer, value, start), _first_above(shorter, value, j)
        places += 1
        rows[places], others[places] = i, j
        most = max(most, abs(i * m - j * n))
    for place in range(places):
        begin, end = (rows[place], others[place]), (rows[place + 1], others[place + 1])
        # both functions rise: farther apart they cannot be
        if max(end[0] * m - begin[1] * n, end[1] * n - begin[0] * m) > most:
            most = max(most, _largest_between(longer, shorter, begin, end))
    return most


@compiled
def _first_above(values: Floats, bound: float, start: int) -> int:
    """Return the first place from `start` on, before which there is nothing above the bound, with a value above it."""
    low, high, step = start, start, 16
    while high < values.size and values[high] <= bound:
        low = high + 1
        high += step
        step *= 2
    high = min(high, values.size)
    while low < high:
        middle = (low + high) // 2
        if values[middle] <= bound:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _largest_between(one: Floats, other: Floats, begin: tuple[int, int], end: tuple[int, int]) -> int:
    """Return the largest distance, times n m, by a merge of these rows; the ends were looked up."""
    n, m = one.size, other.size
    (i, j), (i_end, j_end) = begin, end
    apart, most = i * m - j * n, 0
    last = min(one[i] if i < i_end else other[j], other[j] if j < j_end else one[i])
    while i < i_end and j < j_end:
        left, right = one[i], other[j]
        value = min(left, right)
        if value != last:  # between ties the difference is not one of the distribution functions
            most = max(most, abs(apart))
            last = value
        of_one, of_other = left <= right, right <= left
        i += of_one
        j += of_other
        apart += of_one * m - of_other * n
    while i < i_end and one[i] == last:
        i += 1
        apart += m
    while j < j_end and other[j] == last:
        j += 1
        apart -= n
    return max(most, abs(apart))  # what remains of one side alone leads straight to the end
