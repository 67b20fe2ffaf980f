"""Linear interpolation in a table of knots, for many values at once: numpy's answers, in a quarter of its time.

numpy looks each value up by a binary search, whose branches no processor can guess: 50 ns a value in a table of some
thousand knots. Here a guide says for each of many equal cells which knot it begins behind (the guide table of Chen and
Asau, "On generating random variates from an empirical distribution", 1974), and few steps without branches do the rest.
"""

import numpy as np
from numpy.typing import NDArray

_CELLS = 256
"""Cells for each unit of the axis, four bytes each."""

_FEW_VALUES = 512
"""So few are faster by numpy's own function."""

Numbers = NDArray[np.float64]


class Interpolation:
    """A function that is linear between knots."""

    def __init__(self, knots: Numbers, values: Numbers) -> None:
        """Lay out the guide.

        Args:
            knots: Ascending, of which the first is negative; no value lies below it or above the last.
            values: Of the function at the knots.
        """
        self._knots, self._values = knots, values
        self._slopes = np.append(np.diff(values) / np.diff(knots), 0.0)
        starts = np.arange(int(np.ceil(knots[-1]) * _CELLS) + 2) / _CELLS
        self._guide = (np.searchsorted(knots, starts, side="right") - 1).astype(np.int32)
        most = int(np.diff(self._guide).max(initial=0))
        self._steps = tuple(1 << power for power in reversed(range(most.bit_length())))

    def __call__(self, sought: Numbers) -> Numbers:
        """Return the function's values at the sought places, which are not negative or NaN (then NaN)."""
        if sought.size < _FEW_VALUES:
            return np.interp(sought, self._knots, self._values)
        with np.errstate(invalid="ignore"):  # NaN as a cell
            at = self._guide.take((sought * _CELLS).astype(np.int32), mode="clip")
        for step in self._steps:
            ahead = at + np.int32(step)
            at += np.int32(step) * (self._knots.take(ahead, mode="clip") <= sought)
        found: Numbers = sought - self._knots.take(at, mode="clip")
        found *= self._slopes.take(at, mode="clip")
        found += self._values.take(at, mode="clip")
        return found
