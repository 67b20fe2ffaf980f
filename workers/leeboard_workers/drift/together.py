"""Whole rows of both sides, in order of time, as a joint test takes them: as they are, or as a model reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from leeboard.api.multivariate import MultivariateTest
from leeboard_workers.drift.cuts import Cut
from leeboard_workers.drift.multivariate import JointTask, UnfitRowsError
from leeboard_workers.drift.multivariate.texts import MAX_ROWS, embedded

FEATURES = "features"
"""Column of what a model makes of a row: a list of numbers."""


@dataclass(frozen=True)
class Together:
    """Whole rows of both sides."""

    reference: pa.Table
    window: pa.Table
    features: "Together | None" = None
    """What the model's last hidden layer makes of rows of both sides: one column, `features`."""
    no_features: str = "hand in the model's own features"
    """Why there are none, and what to do."""


def joint_task(test: MultivariateTest, sides: Together, weights: Mapping[str, float]) -> JointTask:
    """Return what is tested.

    Raises:
        UnfitRowsError: what the test asks for cannot be made of these rows.
    """
    reduction = test.reduction
    if reduction is not None and reduction.model_features is not None:
        if sides.features is None:
            raise UnfitRowsError(sides.no_features)
        return JointTask(test, sides.features.reference, sides.features.window, {FEATURES: 1.0})
    if reduction is not None and reduction.sentence_embeddings is not None:
        columns = reduction.sentence_embeddings.columns
        then, now = (embedded(evenly(side, MAX_ROWS)[0], columns) for side in (sides.reference, sides.window))
        return JointTask(test, then, now, weights)
    return JointTask(test, sides.reference, sides.window, weights)


def evenly(table: pa.Table, rows: int, cuts: Sequence[Cut] = ()) -> tuple[pa.Table, tuple[Cut, ...]]:
    """Return at most so many rows, evenly spread, in their order; and where cuts of the table then lie."""
    if table.num_rows <= rows:
        return table, tuple(cuts)
    chosen = np.linspace(0, table.num_rows - 1, rows).round().astype(np.int64)
    edges = np.searchsorted(chosen, np.array(cuts, np.int64).reshape(-1, 2))
    return table.take(pa.array(chosen)), tuple((int(start), int(end)) for start, end in edges)
