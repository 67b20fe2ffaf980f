"""What each measured column weighs, and which columns are measured together."""

from collections.abc import Mapping, Sequence

from leeboard_workers.drift.block import ColumnMeasure

BLOCK_VALUES = 2_000_000
"""Values in one block of columns. Blocks depend on the data alone, so the numbers are the same on any cluster."""


def blocks_of(names: Sequence[str], rows: int) -> list[Sequence[str]]:
    """Return the columns in blocks of about as many values, at least one column each."""
    step = max(1, BLOCK_VALUES // max(rows, 1))
    return [names[start : start + step] for start in range(0, len(names), step)]


def weights_by_measure(measures: Sequence[ColumnMeasure], weights: Mapping[str, float] | None) -> dict[str, float]:
    """Return the weight of each measure: parts of a clock share their column's; without weights all weigh the same."""
    return {m.name: (1.0 if weights is None else weights.get(m.source, 0.0)) / m.parts for m in measures}
