"""Keeps the rows of a table that a gate's slice lets through; a missing value is let through by no comparison."""

import operator
from collections.abc import Callable
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from leeboard.api.slices import All, Comparison, Filter, Membership, Not, Some, Value, parse
from leeboard_workers.retrain.context import TrainingError

_COMPARISONS: dict[str, Callable[[pa.ChunkedArray, pa.Scalar], pa.ChunkedArray]] = {
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
    "==": pc.equal,
    "!=": pc.not_equal,
}


def rows_in(rows: pa.Table, text: str) -> pa.Table:
    """Return the rows that the slice lets through, in their order.

    Raises:
        TrainingError: the slice cannot be read, or names a column that is not there or of another type.
    """
    try:
        found = parse(text)
    except ValueError as error:
        raise TrainingError(str(error)) from error
    return rows.filter(pc.fill_null(_mask(rows, found), False))  # noqa: FBT003 (Arrow's own)


def _mask(rows: pa.Table, found: Filter) -> pa.ChunkedArray:
    """Say of each row whether it is let through; null: it cannot be told."""
    match found:
        case Not():
            return pc.invert(_mask(rows, found.part))
        case All():
            return reduce(pc.and_kleene, (_mask(rows, part) for part in found.parts))
        case Some():
            return reduce(pc.or_kleene, (_mask(rows, part) for part in found.parts))
        case Membership():
            same = (_compared(rows, Comparison(found.column, "==", value)) for value in found.values)
            return reduce(pc.or_kleene, same, pa.chunked_array([pa.array([False] * rows.num_rows)]))
        case Comparison():
            return _compared(rows, found)


def _compared(rows: pa.Table, found: Comparison) -> pa.ChunkedArray:
    if found.column not in rows.column_names:
        raise TrainingError(
            f"the slice names the column {found.column!r}, and there is none; there are {', '.join(rows.column_names)}"
        )
    column = rows[found.column]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return _COMPARISONS[found.operator](column, _scalar(found.value, column.type))
    except pa.ArrowException as error:
        raise TrainingError(
            f"the slice compares the column {found.column!r}, which holds {column.type}, with {found.value!r}: "
            "write a value of its own kind"
        ) from error


def _scalar(value: Value, kind: pa.DataType) -> pa.Scalar:
    """Return the value as the column keeps it: the log keeps numbers and truth values as doubles."""
    if isinstance(value, bool) and pa.types.is_floating(kind):
        value = operator.index(value)
    if isinstance(value, str) and pa.types.is_temporal(kind):
        return pa.scalar(value).cast(kind)
    return pa.scalar(value)
