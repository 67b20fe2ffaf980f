"""Measures columns then and now: some of them at a time, so that blocks of columns can run anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from leeboard.api.checks import Check
from leeboard.contract.jobs import Distribution, ValueCounts
from leeboard_workers.data.rows import Rows
from leeboard_workers.drift.distribution import distribution_of
from leeboard_workers.drift.reference import PreparedColumn, Reference, prepare_column, typed_like
from leeboard_workers.drift.univariate import DistanceOutcome, Pair, TestOutcome, measure_distance, run_test
from leeboard_workers.drift.values import CategoricalValues, NumericValues, UnsupportedColumnError, Values

ColumnType = Literal["numeric", "categorical"]

_NOTHING = ValueCounts()


@dataclass(frozen=True)
class Comparison:
    """Both sides, and the checks."""

    reference: Reference | Rows
    window: Rows
    checks: Sequence[Check]


@dataclass(frozen=True)
class ColumnMeasure:
    """What was measured of a column, or of a part of a clock; by the index of the check."""

    name: str
    source: str
    """Column of the data."""
    parts: int = 1
    """How many measures share the column's weight."""
    type: ColumnType = "numeric"
    reference_counts: ValueCounts = _NOTHING
    window_counts: ValueCounts = _NOTHING
    tests: Mapping[int, TestOutcome] = field(default_factory=dict)
    distances: Mapping[int, DistanceOutcome] = field(default_factory=dict)
    distribution: Distribution | None = None
    bins: Mapping[str, Any] | None = None
    message: str = ""


def measure_columns(asked: Comparison, names: Sequence[str]) -> list[ColumnMeasure]:
    """Measure some columns, one after the other; what goes wrong with one stays with it."""
    measures: list[ColumnMeasure] = []
    for name in names:
        try:
            measures += _measures(name, asked)
        except UnsupportedColumnError as error:
            measures.append(ColumnMeasure(name, name, message=str(error)))
        except Exception as error:  # noqa: BLE001 (one bad column must not take the others down)
            message = f"could not be compared: {type(error).__name__}: {error}"[:300]
            measures.append(ColumnMeasure(name, name, message=message))
    return measures


def _measures(name: str, asked: Comparison) -> list[ColumnMeasure]:
    for side, title in ((asked.reference, "reference"), (asked.window, "window")):
        if name not in side.names:
            return [ColumnMeasure(name, name, message=f"the {title} has no such column")]
    reference = asked.reference
    if isinstance(reference, Reference):
        prepared = list(reference.columns[name])
    else:
        prepared = prepare_column(name, reference.column(name))
    if prepared[0].message:
        return [ColumnMeasure(name, name, message=prepared[0].message)]
    window = asked.window.column(name)
    if prepared[0].kind == "unknown":
        prepared = typed_like(prepared[0], window)
    return [
        replace(_measured(column, column.read(window), asked.checks), source=name, parts=len(prepared))
        for column in prepared
    ]


def _measured(column: PreparedColumn, now: Values, checks: Sequence[Check]) -> ColumnMeasure:
    pair = Pair(column.values, now)
    tests: dict[int, TestOutcome] = {}
    distances: dict[int, DistanceOutcome] = {}
    for index, check in enumerate(checks):
        if check.univariate_test is not None:
            test = check.univariate_test
            outcome = run_test(pair, numeric=test.numeric, categorical=test.categorical)
            if outcome is not None:
                tests[index] = outcome
        elif check.univariate_distance is not None:
            distance = check.univariate_distance
            measured = measure_distance(pair, numeric=distance.numeric, categorical=distance.categorical)
            if measured is not None:
                distances[index] = measured
    return ColumnMeasure(
        name=column.label,
        source=column.source,
        type="numeric" if pair.numeric else "categorical",
        reference_counts=counts_of(column.values),
        window_counts=counts_of(now),
        tests=tests,
        distances=distances,
        distribution=distribution_of(column.values, now),
        bins=pair.bins.document(),
        message=_remark(column.values, now),
    )


def counts_of(values: Values) -> ValueCounts:
    """Count what is no finite value, each kind of it apart."""
    counts = ValueCounts(rows=values.rows, nulls=values.nulls, not_a_number=values.missing - values.nulls)
    if isinstance(values, NumericValues):
        return counts.model_copy(update={"minus_infinity": values.below, "plus_infinity": values.above})
    return counts.model_copy(update={"levels": len(values.counts) + values.other_levels, "pooled_rows": values.other})


def missing_share(counts: ValueCounts) -> float:
    """Return the share of rows without a value."""
    return (counts.nulls + counts.not_a_number) / max(counts.rows, 1)


def infinite_share(counts: ValueCounts) -> float:
    """Return the share of infinite values."""
    return (counts.minus_infinity + counts.plus_infinity) / max(counts.rows, 1)


def _remark(then: Values, now: Values) -> str:
    without = [side for side, values in (("reference", then), ("window", now)) if values.present == 0]
    if without:
        return f"no value in the {' and the '.join(without)}"
    if isinstance(then, CategoricalValues) and then.other_levels:
        levels = len(then.counts) + then.other_levels
        return f"{levels} levels in the reference: the {len(then.counts)} most frequent apart, the others together"
    return ""
