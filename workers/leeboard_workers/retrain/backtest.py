"""Trains as of then and tests on what came next, several times: how the trainer would have fared.

Expanding   train ████████▒▒            Sliding   train ████████▒▒
            train ██████████▒▒                    train   ████████▒▒
            train ████████████▒▒                  train     ████████▒▒
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from leeboard.api.base import seconds
from leeboard.api.training import Backtest, Scheme
from leeboard_workers.retrain.tables import TIME


@dataclass(frozen=True)
class Fold:
    """One training window and what came next."""

    train_from: datetime
    train_to: datetime
    """Excluded; the test begins here."""
    test_to: datetime
    """Excluded."""


def plan_folds(first: datetime, end: datetime, backtest: Backtest, *, not_before: datetime | None = None) -> list[Fold]:
    """Lay the folds so that the last test ends with the training rows.

    Args:
        first: Time of the oldest training row.
        end: No training row is at or after it.
        backtest: Folds, horizon and scheme.
        not_before: A warm start has seen what is older, so no test may begin before it.

    Returns:
        The folds, oldest first; those that would have nothing to train on are left out.
    """
    horizon = timedelta(seconds=seconds(backtest.horizon))
    earliest = max(first, not_before) if not_before else first
    starts = [end - number * horizon for number in range(backtest.folds, 0, -1)]
    starts = [start for start in starts if start > earliest]
    if not starts:
        return []
    length = starts[0] - first
    return [
        Fold(
            train_from=first if backtest.scheme is Scheme.EXPANDING else start - length,
            train_to=start,
            test_to=start + horizon,
        )
        for start in starts
    ]


def rows_of(rows: pa.Table, time: str, fold: Fold) -> tuple[pa.Table, pa.Table]:
    """Return the fold's training and test rows."""
    return _between(rows, time, fold.train_from, fold.train_to), _between(rows, time, fold.train_to, fold.test_to)


def first_instant(rows: pa.Table, time: str) -> datetime:
    """Return the time of the oldest row."""
    oldest: datetime = pc.min(rows[time].cast(TIME)).as_py()
    return oldest.astimezone(UTC)


def mean_metrics(folds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each metric over the folds that have it."""
    names = dict.fromkeys(name for fold in folds for name in fold)
    return {name: sum(values) / len(values) for name in names if (values := [f[name] for f in folds if name in f])}


def _between(rows: pa.Table, time: str, start: datetime, end: datetime) -> pa.Table:
    times = rows[time].cast(TIME)
    return rows.filter(pc.and_(pc.greater_equal(times, pa.scalar(start, TIME)), pc.less(times, pa.scalar(end, TIME))))
