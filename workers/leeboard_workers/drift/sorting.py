"""Sorts doubles: by numpy, or by a radix sort that looks at the bits in which the values differ.

Which of them is faster depends on the processor, by factors of three to ten either way, so both are tried once.

Doubles become unsigned integers of the same order (Herf, "Radix tricks", 2001). Three passes of eleven bits, counted
from the highest bit in which any two values differ, leave values out of place only where they agree in all 33; an
insertion sort mends those. Data that agree in more, such as clusters far apart, would make that slow: its moves are
bounded, and beyond the bound the full six passes run. `docs/decisions/0010-native-statistics.md` has the measurements.
"""

import time
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from leeboard_workers.data.native import compiled

Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.uint64]

_RADIX = 11
_QUICK_PASSES = 3
_ALL_PASSES = 6
_MOVES_PER_VALUE = 2
_SIGN = np.uint64(1 << 63)
_ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_TRIAL_VALUES = 1 << 16
_TRIALS = 3


def ascending(values: Floats) -> tuple[Floats, int, int, int]:
    """Sort the finite values and count the others; the input is left alone.

    Args:
        values: Doubles, one after the other in memory.

    Returns:
        The finite values, ascending, and how many are NaN, minus infinity and plus infinity.
    """
    return by_numpy(values) if numpy_is_faster() else by_radix(values)


@cache
def numpy_is_faster() -> bool:
    """Whether numpy's sort outruns the radix sort on this processor."""
    values = np.random.default_rng(0).normal(size=_TRIAL_VALUES)
    by_radix(values)  # compiled by now
    return _seconds(by_numpy, values) < _seconds(by_radix, values)


def _seconds(sort: Callable[[Floats], object], values: Floats) -> float:
    found = []
    for _ in range(_TRIALS):
        began = time.perf_counter()
        sort(values)
        found.append(time.perf_counter() - began)
    return min(found)


def by_numpy(values: Floats) -> tuple[Floats, int, int, int]:
    """Do what `ascending` does, by numpy's sort: it puts minus infinity first, and NaN last."""
    found = np.sort(values)
    start = int(np.searchsorted(found, -np.inf, side="right"))
    end, present = (int(np.searchsorted(found, bound, side="left")) for bound in (np.inf, np.nan))
    return found[start:end], values.size - present, start, present - end


def by_radix(values: Floats) -> tuple[Floats, int, int, int]:
    """Do what `ascending` does, by the radix sort."""
    keys, spare = np.empty(values.size, np.uint64), np.empty(values.size, np.uint64)
    bits = values.view(np.uint64)
    bits.flags.writeable = False  # one kind of argument is compiled, whether Arrow's memory may be written or not
    missing, below, above, in_spare = _ascending(bits, keys, spare)
    count = values.size - missing - below - above
    found = (spare if in_spare else keys)[:count].view(np.float64)
    return found, missing, below, above


def remaining(values: Floats, taken: Floats) -> Floats:
    """Return the ascending values without some of them.

    Args:
        values: Ascending.
        taken: Ascending; each of them is among the values, as often as it stands here.
    """
    left = np.empty(values.size - taken.size)
    _remaining(values, taken, left)
    return left


@compiled
def _remaining(values: Floats, taken: Floats, left: Floats) -> None:
    next_taken, place = 0, 0
    for i in range(values.size):
        if next_taken < taken.size and values[i] == taken[next_taken]:
            next_taken += 1
        elif place < left.size:
            left[place] = values[i]
            place += 1


@compiled
def _ordered_keys(bits: Keys, keys: Keys) -> tuple[int, int, int, np.uint64, np.uint64]:
    """Write the keys of the finite values, closed up; return the counts of the others, and the extremes."""
    lowest, highest = _ONES, np.uint64(0)
    infinity = np.uint64(0x7FF0_0000_0000_0000)
    missing, below, above, count = 0, 0, 0, 0
    for i in range(bits.size):
        value = bits[i]
        size = value & ~_SIGN
        if size >= infinity:
            if size > infinity:
                missing += 1
            elif value == size:
                above += 1
            else:
                below += 1
            continue
        key = value ^ (np.uint64(np.int64(value) >> 63) | _SIGN)
        keys[count] = key
        count += 1
        lowest, highest = min(lowest, key), max(highest, key)
    return missing, below, above, lowest, highest


@compiled
def _passes(source: Keys, target: Keys, lowest: np.uint64, shift: int, passes: int) -> bool:
    """Sort by `passes` digits of (key - lowest) >> shift, lowest first; return whether the result is in target."""
    buckets, mask = 1 << _RADIX, np.uint64((1 << _RADIX) - 1)
    counts = np.zeros((passes, buckets), np.int64)
    for i in range(source.size):
        key = (source[i] - lowest) >> np.uint64(shift)
        for digit in range(passes):
            counts[digit, (key >> np.uint64(_RADIX * digit)) & mask] += 1
    one, other, swapped = source, target, False
    for digit in range(passes):
        places, total, most = counts[digit], 0, 0
        for bucket in range(buckets):
            rows = places[bucket]
            most = max(most, rows)
            places[bucket] = total
            total += rows
        if most == source.size:  # all alike in this digit
            continue
        distance = np.uint64(shift + _RADIX * digit)
        for i in range(source.size):
            key = one[i]
            bucket = ((key - lowest) >> distance) & mask
            other[places[bucket]] = key
            places[bucket] += 1
        one, other, swapped = other, one, not swapped
    return swapped


@compiled
def _mended(keys: Keys) -> bool:
    """Insert what stands out of place; return false, with the same keys, when too much does."""
    budget = _MOVES_PER_VALUE * keys.size
    for i in range(1, keys.size):
        key, place = keys[i], i
        while place > 0 and keys[place - 1] > key:
            keys[place] = keys[place - 1]
            place -= 1
        keys[place] = key
        budget -= i - place
        if budget < 0:
            return False
    return True


@compiled
def _ascending(bits: Keys, keys: Keys, spare: Keys) -> tuple[int, int, int, bool]:
    """Leave the finite values, ascending, at the front of keys or of spare; return the others' counts, and which."""
    missing, below, above, lowest, highest = _ordered_keys(bits, keys)
    count = bits.size - missing - below - above
    one, other, in_spare = keys[:count], spare[:count], False
    if count > 0:
        width, span = 0, highest - lowest
        while span > np.uint64(0):
            span >>= np.uint64(1)
            width += 1
        shift = max(width - _RADIX * _QUICK_PASSES, 0)
        if _passes(one, other, lowest, shift, _QUICK_PASSES):
            one, other, in_spare = other, one, True
        if shift > 0 and not _mended(one) and _passes(one, other, lowest, 0, _ALL_PASSES):
            one, in_spare = other, not in_spare
    for i in range(count):
        key = one[i]
        one[i] = key ^ (np.uint64(np.int64(~key) >> 63) | _SIGN)
    return missing, below, above, in_spare
