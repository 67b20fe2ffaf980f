"""From two tables to the outcome of a joint test: columns become numbers, numbers are reduced, the test is run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from leeboard.api.multivariate import MultivariateTest, Reduction
from leeboard_workers.drift.multivariate.classifier import domain_classifier
from leeboard_workers.drift.multivariate.device import fastest
from leeboard_workers.drift.multivariate.discrepancy import Permuting, energy_distance, maximum_mean_discrepancy
from leeboard_workers.drift.multivariate.encode import EncodedTables, encoded
from leeboard_workers.drift.multivariate.outcome import JointOutcome, UnfitRowsError
from leeboard_workers.drift.multivariate.reconstruction import pca_reconstruction
from leeboard_workers.drift.multivariate.reduce import principal_components, random_projection
from leeboard_workers.drift.multivariate.sides import Sides

FEWEST_ROWS = 2
_TOLD_REFUSALS = 3


@dataclass(frozen=True)
class JointTask:
    """What is tested."""

    test: MultivariateTest
    reference: pa.Table
    """In order of time."""
    window: pa.Table
    """In order of time."""
    weights: Mapping[str, float]
    """Weight by column; those that weigh nothing take no part."""
    seed: int = 0


def run_joint_test(task: JointTask) -> JointOutcome:
    """Test all columns at once.

    The numbers of a column are multiplied by the root of its weight, so that squared distances are weighted sums.

    Raises:
        UnfitRowsError: no column is left, or a side has too few rows.
    """
    names = [
        name
        for name in task.reference.column_names
        if name in task.window.column_names and task.weights.get(name, 0.0) > 0
    ]
    for table, side in ((task.reference, "reference"), (task.window, "window")):
        if table.num_rows < FEWEST_ROWS:
            raise UnfitRowsError(f"the {side} has {table.num_rows} rows: a joint test needs {FEWEST_ROWS} at least")
    tables = encoded(task.reference, task.window, names)
    if not tables.origins:
        reasons = f": {'; '.join(tables.refused[:_TOLD_REFUSALS])}" if tables.refused else ""
        raise UnfitRowsError(f"no column can be tested jointly{reasons}")
    outcome = _run(task, names, _weighted(tables, task.weights))
    more = len(tables.refused) - _TOLD_REFUSALS
    refused = (*tables.refused[:_TOLD_REFUSALS], *([f"and {more} more columns"] if more > 0 else []))
    return replace(outcome, notes=(*outcome.notes, *refused))


def _run(task: JointTask, names: Sequence[str], tables: EncodedTables) -> JointOutcome:
    test = task.test
    sides = Sides.cut(tables.reference, tables.window, test.spans)
    device = fastest()
    if (mmd := test.maximum_mean_discrepancy) is not None:
        return maximum_mean_discrepancy(
            _reduced(sides, mmd.reduce, task.seed),
            bandwidths=tuple(mmd.bandwidths),
            permuting=Permuting(mmd.permutations, task.seed),
            device=device,
        )
    if (energy := test.energy_distance) is not None:
        reduced = _reduced(sides, energy.reduce, task.seed)
        return energy_distance(reduced, permuting=Permuting(energy.permutations, task.seed), device=device)
    if test.domain_classifier is not None:
        return domain_classifier(sides, tables.origins, folds=test.domain_classifier.folds, seed=task.seed)
    if test.pca_reconstruction is None:
        raise ValueError("the test has no member that is known here")
    pca = test.pca_reconstruction
    return pca_reconstruction(_taught_by_half(task, names, sides), components=pca.components, variance=pca.variance)


def _taught_by_half(task: JointTask, names: Sequence[str], sides: Sides) -> Sides:
    """Encode anew by the rows that components are fitted on: to ranks among themselves the others would not be new."""
    then = task.reference.slice(task.reference.num_rows - len(sides.reference))
    now = task.window.slice(task.window.num_rows - len(sides.window))
    again = encoded(then, now, names, teacher=then.filter(pa.array(sides.fitted)))
    found = _weighted(again, task.weights)
    return sides.with_numbers(found.reference, found.window)


def _weighted(tables: EncodedTables, weights: Mapping[str, float]) -> EncodedTables:
    mine = np.array([weights[name] for name in tables.origins])
    roots = np.sqrt(mine / mine.mean()).astype(np.float32)
    if np.ptp(roots) == 0:
        return tables
    return replace(tables, reference=tables.reference * roots, window=tables.window * roots)


def _reduced(sides: Sides, reduction: Reduction | None, seed: int) -> Sides:
    if reduction is None or reduction.model_features is not None or reduction.sentence_embeddings is not None:
        return sides  # of the latter the rows were made before
    if reduction.pca is not None:
        reduce = principal_components(sides.reference, reduction.pca.components)
    elif reduction.random_projection is not None:
        reduce = random_projection(sides.reference.shape[1], reduction.random_projection.components, seed)
    else:
        raise ValueError("the reduction has no member that is known here")
    return sides.with_numbers(reduce(sides.reference), reduce(sides.window))
