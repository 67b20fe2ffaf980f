"""Chooses the rows on which challenger and champion are compared, and which neither of them has seen.

|---------------- training rows ----------------|------ holdout ------|   Time
                                   champion's cut-off ^               now
                                                      |-- shortened --|
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from leeboard.api.training import Holdout, Split
from leeboard_workers.retrain.context import TrainingError
from leeboard_workers.retrain.tables import TIME

_HASH_SPACE = 2.0**64


@dataclass(frozen=True)
class SplitRows:
    """Training rows and holdout."""

    train: pa.Table
    """Oldest first where rows have times."""
    holdout: pa.Table
    cutoff: datetime | None
    """No training row is at or after it; none: the rows have no times."""
    seen: int
    """Rows left out of the holdout because the champion may have learnt from them."""


def split_rows(
    rows: pa.Table,
    *,
    time: str | None,
    key: npt.NDArray[np.str_] | None,
    holdout: Holdout,
    champion_cutoff: datetime | None,
) -> SplitRows:
    """Split labelled rows.

    Args:
        rows: Labelled rows.
        time: Column with the time of each row; none: there is none.
        key: Identity of each row, for a random split; none: its position.
        holdout: How the holdout is chosen.
        champion_cutoff: The champion may have learnt from rows before it; none: there is no champion.

    Raises:
        TrainingError: a split by time of rows without times.
    """
    if time is None:
        if holdout.split is Split.TIME:
            raise TrainingError("a holdout by time needs data.dataset.timestampColumn: set it, or use split: Random")
        chosen = _chosen_by_hash(rows, key, holdout.fraction)
        held = rows.filter(pa.array(chosen))
        unknown = champion_cutoff is not None  # whether the champion has seen a row cannot be told without its time
        return SplitRows(rows.filter(pa.array(~chosen)), held.slice(0, 0) if unknown else held, None, len(held))
    times = rows[time].cast(TIME).to_numpy().astype("datetime64[us]").astype(np.int64)
    order = np.argsort(times, kind="stable")
    rows, times = rows.take(pa.array(order)), times[order]
    if holdout.split is Split.TIME:
        first = times[max(len(times) - math.ceil(holdout.fraction * len(times)), 0)] if len(times) else 0
        chosen = times >= first  # rows of the boundary's instant are not torn apart
        cutoff = _instant(int(first))
    else:
        chosen = _chosen_by_hash(rows, None if key is None else key[order], holdout.fraction)
        learnt = times[~chosen]
        cutoff = _instant(int(learnt[-1]) + 1) if len(learnt) else _instant(0)
    unseen = np.ones(len(times), dtype=bool)
    if champion_cutoff is not None:
        unseen = times >= int(champion_cutoff.timestamp() * 1_000_000)
    return SplitRows(
        train=rows.filter(pa.array(~chosen)),
        holdout=rows.filter(pa.array(chosen & unseen)),
        cutoff=cutoff,
        seen=int((chosen & ~unseen).sum()),
    )


def tail(rows: pa.Table, share: float) -> tuple[pa.Table, pa.Table]:
    """Cut the last share of the rows off."""
    cut = rows.num_rows - int(rows.num_rows * share)
    return rows.slice(0, cut), rows.slice(cut)


def _chosen_by_hash(rows: pa.Table, key: npt.NDArray[np.str_] | None, fraction: float) -> npt.NDArray[np.bool_]:
    identity = np.arange(rows.num_rows).astype(str) if key is None else key
    hashes = pd.util.hash_array(identity.astype(object), categorize=False).astype(np.float64) / _HASH_SPACE
    return np.asarray(hashes < fraction)


def _instant(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
