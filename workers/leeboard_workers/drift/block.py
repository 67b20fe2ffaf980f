"""Measures columns then and now: a block of them at a time, so that blocks can run anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from leeboard.api.checks import Check
from leeboard.contract.jobs import Distribution
from leeboard_workers.drift.distribution import distribution_of
from leeboard_workers.drift.reference import bins_of
from leeboard_workers.drift.univariate import TestOutcome, measure_distance, run_test
from leeboard_workers.drift.values import (
    CategoricalValues,
    UnsupportedColumnError,
    Values,
    as_levels_of,
    categorical_values,
    is_numeric,
    numeric_values,
)

ColumnType = Literal["numeric", "categorical"]


@dataclass(frozen=True)
class Block:
    """Some columns of both tables, and the checks."""

    names: Sequence[str]
    reference: pa.Table
    window: pa.Table
    checks: Sequence[Check]


@dataclass(frozen=True)
class ColumnMeasure:
    """What was measured of a column; by the index of the check."""

    name: str
    type: ColumnType = "numeric"
    reference_missing: float = 0.0
    window_missing: float = 0.0
    window_infinite: float = 0.0
    tests: Mapping[int, TestOutcome] = field(default_factory=dict)
    distances: Mapping[int, tuple[str, float]] = field(default_factory=dict)
    distribution: Distribution | None = None
    bins: Mapping[str, Any] | None = None
    message: str = ""


def measure_block(block: Block) -> list[ColumnMeasure]:
    """Measure each column of a block; what goes wrong with one stays with it."""
    measures = []
    for name in block.names:
        try:
            measures.append(_measure(name, block))
        except UnsupportedColumnError as error:
            measures.append(ColumnMeasure(name, message=str(error)))
        except Exception as error:  # noqa: BLE001 (one bad column must not take the others down)
            measures.append(
                ColumnMeasure(name, message=f"could not be compared: {type(error).__name__}: {error}"[:300])
            )
    return measures


def pair_of(reference: pa.ChunkedArray, window: pa.ChunkedArray) -> tuple[ColumnType, Values, Values]:
    """Read both columns by the reference's type; a reference without any value has no type, so the window's counts."""
    kind = window.type if reference.null_count == len(reference) else reference.type
    if is_numeric(kind):
        return "numeric", numeric_values(reference), numeric_values(window)
    then = categorical_values(reference)
    return "categorical", then, as_levels_of(categorical_values(window), then)


def _measure(name: str, block: Block) -> ColumnMeasure:
    for table, side in ((block.reference, "reference"), (block.window, "window")):
        if name not in table.column_names:
            return ColumnMeasure(name, message=f"the {side} has no such column")
    kind, then, now = pair_of(block.reference[name], block.window[name])
    tests, distances = {}, {}
    for index, check in enumerate(block.checks):
        if check.univariate_test is not None:
            test = check.univariate_test
            outcome = run_test(then, now, numeric=test.numeric, categorical=test.categorical)
            if outcome is not None:
                tests[index] = outcome
        elif check.univariate_distance is not None:
            distance = check.univariate_distance
            measured = measure_distance(then, now, numeric=distance.numeric, categorical=distance.categorical)
            if measured is not None:
                distances[index] = measured
    return ColumnMeasure(
        name=name,
        type=kind,
        reference_missing=then.missing / max(then.rows, 1),
        window_missing=now.missing / max(now.rows, 1),
        window_infinite=0.0 if isinstance(now, CategoricalValues) else (now.below + now.above) / max(now.rows, 1),
        tests=tests,
        distances=distances,
        distribution=distribution_of(then, now),
        bins=bins_of(then).document(),
        message=_remark(then, now),
    )


def _remark(then: Values, now: Values) -> str:
    without = [side for side, values in (("reference", then), ("window", now)) if values.present == 0]
    return f"no value in the {' and the '.join(without)}" if without else ""
