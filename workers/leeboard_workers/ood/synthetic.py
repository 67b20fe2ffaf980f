"""Outliers made from rows that belong, where no real ones are known.

- *permuted*: half of the columns, each shuffled over the rows: right values, wrong together.
- *combinations*: two columns of text take levels that never occur together.
- *range*: a column of numbers lies a tenth to a whole range outside of its range.
- *mixtures*: two rows' lists, such as images, are averaged: between the classes.
- *units*: a column of numbers is a multiple or a fraction of itself, by 1.5 to 30 times.
- *tails*: encoded rows on the far shell of their class's Gaussian (after Du et al., 2022, "Virtual outlier synthesis",
  arXiv:2202.01197): as far from its mean as one in ten thousand.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from leeboard_workers.ood.detectors.gaussian import Gaussians
from leeboard_workers.ood.detectors.known import Known, Matrix

ROWS = 1_000
"""Outliers of a kind."""

_SMALLEST_FACTOR, _LARGEST_FACTOR = 1.5, 30.0
_TAIL_DRAWS = 10_000
_PAIRS = 20
_COMBINATIONS = 200

Table = dict[str, Any]
"""Columns by name: float64 arrays, or lists of text or of lists."""


def strange_tables(
    columns: Mapping[str, Any], rng: np.random.Generator, rows: int = ROWS
) -> Iterator[tuple[str, Table]]:
    """Yield kinds of outliers, as far as the columns allow.

    Args:
        columns: Rows that belong, by column.
        rng: Source of every random choice.
        rows: How many of each kind.
    """
    size = len(next(iter(columns.values())))
    unfolded = {name: _unfolded(values) for name, values in columns.items()}
    for kind, make in (
        ("permuted", _permuted),
        ("combinations", _combined),
        ("mixtures", _mixed),
        ("range", _displaced),
        ("units", _rescaled),
    ):
        chosen = rng.integers(size, size=rows)
        table = {name: _taken(values, chosen) for name, values in unfolded.items()}
        if (made := make(table, unfolded, rng)) is not None:
            yield kind, {name: _folded(values) for name, values in made.items()}


def tails(known: Known, rng: np.random.Generator, rows: int = ROWS) -> Matrix:
    """Return rows of low likelihood under the Gaussian of some class: rows by encoded columns."""
    gaussians = Gaussians.fit(known.rows, known.labels, known.what)
    width = known.rows.shape[1]
    directions = rng.normal(size=(rows, width))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radius = np.sqrt(rng.chisquare(width, size=_TAIL_DRAWS).max())
    apart = np.linalg.solve(gaussians.whitening, (radius * directions).T).T
    far: Matrix = gaussians.means[rng.integers(len(gaussians.means), size=rows)] + apart
    return far


def _permuted(table: Table, _: Mapping[str, Any], rng: np.random.Generator) -> Table | None:
    parts = [(name, at) for name, values in table.items() for at in _parts(values)]
    if len(parts) < 2:  # noqa: PLR2004 (nothing to fall apart)
        return None
    for place in rng.permutation(len(parts))[: len(parts) // 2]:
        name, at = parts[place]
        values = table[name]
        if at is None:
            table[name] = _taken(values, rng.permutation(len(values)))
        else:
            values[:, at] = rng.permutation(values[:, at])
    return table


def _mixed(table: Table, _: Mapping[str, Any], rng: np.random.Generator) -> Table | None:
    lists = [name for name, values in table.items() if isinstance(values, np.ndarray) and values.ndim > 1]
    if not lists:
        return None
    partner = rng.permutation(len(table[lists[0]]))
    return table | {name: (table[name] + table[name][partner]) / 2.0 for name in lists}


def _combined(table: Table, columns: Mapping[str, Any], rng: np.random.Generator) -> Table | None:
    unseen = []
    for one, other in list(combinations([name for name in columns if _is_text(columns[name])], 2))[:_PAIRS]:
        seen = {pair for pair in zip(columns[one], columns[other], strict=True) if None not in pair}
        firsts, seconds = (sorted({pair[at] for pair in seen}) for at in (0, 1))
        never = [(a, b) for a in firsts for b in seconds if (a, b) not in seen]
        chosen = rng.permutation(len(never))[:_COMBINATIONS]
        unseen += [(one, other, *never[at]) for at in chosen]
    if not unseen:
        return None
    for row in range(len(next(iter(table.values())))):
        one, other, a, b = unseen[rng.integers(len(unseen))]
        table[one][row], table[other][row] = a, b
    return table


def _displaced(table: Table, columns: Mapping[str, Any], rng: np.random.Generator) -> Table | None:
    def displaced(values: Matrix, whole: Matrix) -> Matrix:
        low, high = np.nanmin(whole), np.nanmax(whole)
        beyond = rng.uniform(0.1, 1.0, size=len(values)) * ((high - low) or abs(high) or 1.0)
        return np.where(rng.random(len(values)) < 0.5, low - beyond, high + beyond)  # noqa: PLR2004 (either side)

    return _one_number_each(table, columns, rng, displaced)


def _rescaled(table: Table, columns: Mapping[str, Any], rng: np.random.Generator) -> Table | None:
    def rescaled(values: Matrix, _: Matrix) -> Matrix:
        factor = np.exp(rng.uniform(np.log(_SMALLEST_FACTOR), np.log(_LARGEST_FACTOR), size=len(values)))
        either: Matrix = np.where(rng.random(len(values)) < 0.5, factor, 1.0 / factor)  # noqa: PLR2004 (way)
        return values * either

    return _one_number_each(table, columns, rng, rescaled)


def _one_number_each(table: Table, columns: Mapping[str, Any], rng: np.random.Generator, change: Any) -> Table | None:
    """Change one number of each row: all rows of a column together, for speed."""
    parts = [(name, at) for name, values in table.items() if not _is_text(values) for at in _parts(values)]
    parts = [(name, at) for name, at in parts if np.isfinite(_part(columns[name], at)).any()]
    if not parts:
        return None
    of_row = rng.integers(len(parts), size=len(table[parts[0][0]]))
    for place in np.unique(of_row):
        name, at = parts[place]
        rows = np.flatnonzero(of_row == place)
        values, known = _part(table[name], at), _part(columns[name], at)
        values[rows] = change(values[rows], np.where(np.isfinite(known), known, np.nan))
    return table


def _parts(values: Any) -> list[int | None]:
    """Return the places of a matrix's columns; a plain column has one part, itself."""
    return list(range(values.shape[1])) if isinstance(values, np.ndarray) and values.ndim > 1 else [None]


def _part(values: Matrix, at: int | None) -> Matrix:
    return values if at is None else values[:, at]


def _taken(values: Any, places: Any) -> Any:
    return values[places] if isinstance(values, np.ndarray) else [values[place] for place in places]


def _is_text(values: Any) -> bool:
    return isinstance(values, list)


def _unfolded(values: Any) -> Any:
    """Return lists of numbers as a matrix; a missing list is missing numbers."""
    width = next((np.size(value) for value in values if isinstance(value, list)), None)
    if width is None:
        return values
    return np.array(
        [np.full(width, np.nan) if value is None else np.ravel(value) for value in values], dtype=np.float64
    )


def _folded(values: Any) -> Any:
    return values.tolist() if isinstance(values, np.ndarray) and values.ndim > 1 else values
