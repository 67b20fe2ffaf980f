"""Sorts doubles: a radix sort that looks at the bits in which the values differ.

Doubles become unsigned integers of the same order (Herf, "Radix tricks", 2001). Three passes of eleven bits, counted
from the highest bit in which any two values differ, leave values out of place only where they agree in all 33; an
insertion sort mends those. Data that agree in more, such as clusters far apart, would make that slow: its moves are
bounded, and beyond the bound the full six passes run. `docs/decisions/0010-native-statistics.md` has the measurements.
"""

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


def ascending(values: Floats) -> tuple[Floats, int, int, int]:
    """Sort the finite values and count the others; the input is left alone.

    Args:
        values: Doubles, one after the other in memory.

    Returns:
        The finite values, ascending, and how many are NaN, minus infinity and plus infinity.
    """
    keys, spare = np.empty(values.size, np.uint64), np.empty(values.size, np.uint64)
    bits = values.view(np.uint64)
    bits.flags.writeable = False  # one kind of argument is compiled, whether Arrow's memory may be written or not
    missing, below, above, in_spare = _ascending(bits, keys, spare)
    count = values.size - missing - below - above
    found = (spare if in_spare else keys)[:count].view(np.float64)
    return found, missing, below, above


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
