"""How far the model's answers in a window are from those on the reference."""

from dataclasses import dataclass

import pyarrow as pa

from leeboard.api.checks import CategoricalDistance, NumericDistance, Prediction
from leeboard_workers.drift.bins import has_few_values
from leeboard_workers.drift.reference import prepare_column, typed_like
from leeboard_workers.drift.univariate import Pair, measure_distance
from leeboard_workers.drift.values import NumericValues, Values


@dataclass(frozen=True)
class AnswerDistance:
    """The answers then and now."""

    value: float
    method: CategoricalDistance
    then: Values
    now: Values


def answer_distance(check: Prediction, reference: pa.ChunkedArray, window: pa.ChunkedArray) -> AnswerDistance | None:
    """Measure the distance; few different numbers are classes. None: a side has no answer."""
    column = prepare_column("prediction", reference)[0]
    if column.kind == "unknown":
        column = typed_like(column, window)[0]
    then, now = column.values, column.read(window)
    if isinstance(then, NumericValues) and isinstance(now, NumericValues) and has_few_values(then):
        then, now = Pair(then, now).levels
    method = CategoricalDistance.JENSEN_SHANNON if check.method is CategoricalDistance.AUTO else check.method
    measured = measure_distance(Pair(then, now), numeric=NumericDistance(method.value), categorical=method)
    if measured is None or then.present == 0 or now.present == 0:
        return None
    return AnswerDistance(measured.value, method, then, now)
