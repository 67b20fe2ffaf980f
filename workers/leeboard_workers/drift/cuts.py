"""Cuts a reference, in order of time, into windows as long as the scored one.

```
times        ├─ length ─┼─ length ─┼─ length ─┼─ rest ┤      the rest is left out, and so are windows with a gap
without      ├── rows ──┼── rows ──┼── rows ──┼─ rest ┤
```
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from leeboard.api.thresholds import FEWEST_WINDOWS

Instants = npt.NDArray[np.int64]
"""Microseconds since the epoch, ascending."""

NO_TIME = -(2**62)
"""Before all times."""

Cut = tuple[int, int]
"""The first row of a window, and the first after it."""

MAX_WINDOWS = 100
"""More are thinned evenly."""
FEWEST_ROWS = 30
_WHOLE = 0.75
"""A window that the reference covers so far counts as whole: its last row comes before its end."""
_GAP = 0.5
"""Windows with fewer rows than this share of the median have a gap."""


SHORTEST = 0.75
"""Where a reference holds too few windows they may be so much shorter. That errs towards calm: a shorter window is
farther from the rest."""


def cut_by_time(times: Instants, length: int, spans: Sequence[tuple[int, int]] = ()) -> tuple[Cut, ...]:
    """Return windows of a length in time, one after the other; a quarter shorter where there would be too few.

    Args:
        times: Of the rows; those whose time is not known stand at NO_TIME.
        length: Microseconds.
        spans: Begin anew in each of these; none: one that the rows fill.
    """
    whole = _cut_by_time(times, length, spans)
    if len(whole) >= FEWEST_WINDOWS:
        return whole
    shorter = _cut_by_time(times, int(SHORTEST * length), spans)
    return shorter if len(shorter) >= FEWEST_WINDOWS else whole


def cut_by_rows(total: int, rows: int) -> tuple[Cut, ...]:
    """Return windows of so many consecutive rows; of a quarter fewer where there would be too few windows."""
    if total // max(rows, FEWEST_ROWS) < FEWEST_WINDOWS <= total // max(int(SHORTEST * rows), FEWEST_ROWS):
        rows = int(SHORTEST * rows)
    rows = max(rows, FEWEST_ROWS)
    return _thinned([(start, start + rows) for start in range(0, total - rows + 1, rows)])


def _cut_by_time(times: Instants, length: int, spans: Sequence[tuple[int, int]]) -> tuple[Cut, ...]:
    known = times[np.searchsorted(times, NO_TIME, side="right") :]
    if not known.size:
        return ()
    starts: list[int] = []
    for first, end in spans or ((int(known[0]), int(known[-1]) + 1),):
        starts += range(first, int(end - _WHOLE * length) + 1, length)
    edges = np.array(starts, np.int64)
    found = np.stack([np.searchsorted(times, edges), np.searchsorted(times, edges + length)], axis=1)
    rows = found[:, 1] - found[:, 0]
    wanted = max(_GAP * float(np.median(rows)), FEWEST_ROWS) if rows.size else 0
    return _thinned([(int(start), int(end)) for start, end in found[rows >= wanted]])


def round_down(rows: int) -> int:
    """Return the largest number of two binary digits that is not above: 1, 2, 3, 4, 6, 8, 12 and so on.

    Thresholds depend on the windows' rows. So coarse a number lets windows of about as many rows share them, and errs
    towards fewer rows, which is towards calm.
    """
    if rows < 2:  # noqa: PLR2004 (no second digit)
        return rows
    power = 1 << (rows.bit_length() - 1)
    return power + power // 2 if rows >= power + power // 2 else power


def _thinned(cuts: Sequence[Cut]) -> tuple[Cut, ...]:
    if len(cuts) <= MAX_WINDOWS:
        return tuple(cuts)
    chosen = np.linspace(0, len(cuts) - 1, MAX_WINDOWS).round().astype(int)
    return tuple(cuts[number] for number in chosen)
