"""Chooses what a warm start learns: rows that are new to the model, and a sample of older ones against forgetting.

|------ learnt ------|~~ held out then ~~|---- came later ----|   Time
              model's cut-off ^          ^ model's ingest mark
late labels of learnt rows, and everything from the cut-off on, are new
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeboard_workers.data.datasets import sample_rows
from leeboard_workers.retrain.tables import TIME


@dataclass(frozen=True)
class WarmRows:
    """What is learnt."""

    table: pa.Table
    """In the order of the rows that it was chosen from."""
    new: int
    replayed: int


def is_new(
    times: pa.ChunkedArray, ingested: pa.ChunkedArray | None, cutoff: datetime, mark: datetime | None
) -> pa.ChunkedArray:
    """Say of each row whether the model has had no chance to learn it.

    Args:
        times: When each row happened.
        ingested: When each row and its label were in the log; none: there is no log.
        cutoff: The model has learnt no row at or after it.
        mark: What came into the log later was not there when it learnt; none: nothing is known of that.
    """
    later = pc.greater_equal(times.cast(TIME), pa.scalar(cutoff, TIME))
    if ingested is None or mark is None:
        return later
    return pc.or_(later, pc.greater(ingested.cast(TIME), pa.scalar(mark, TIME)))


def warm_rows(rows: pa.Table, new: pa.ChunkedArray, *, fraction: float, seed: int) -> WarmRows:
    """Return the new rows and so many older ones that these are a given share of all, as far as there are so many.

    Args:
        rows: Rows that may be learnt.
        new: Whether each is new to the model.
        fraction: Share of the result that is to be older rows.
        seed: Seed of the sample.
    """
    at = np.arange(rows.num_rows)
    fresh = np.asarray(new.to_numpy(), dtype=bool)
    wanted = round(fraction / (1 - fraction) * int(fresh.sum()))
    older = sample_rows(pa.table({"at": at[~fresh]}), wanted, seed)["at"].to_numpy() if wanted else at[:0]
    chosen = np.sort(np.concatenate([at[fresh], older]))
    return WarmRows(rows.take(pa.array(chosen)), new=int(fresh.sum()), replayed=len(older))
