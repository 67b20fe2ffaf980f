"""Arrow tables for the encoder; apart from it, since the transformer scores without Arrow."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from leeboard_workers.data.encoding import Column, Encoder, ListColumn, NumericColumn, TextColumn


def fit_encoder(table: pa.Table) -> Encoder:
    """Learn the columns of the reference.

    Left out are times, other kinds of columns, and columns of lists none of which holds finite numbers.

    Raises:
        ValueError: no column is of numbers, text or lists of numbers.
    """
    columns = tuple(column for name in table.column_names if (column := _fit_column(name, table[name])) is not None)
    if not columns:
        raise ValueError("the reference has no column of numbers, text or lists of numbers")
    return Encoder(columns)


def as_columns(table: pa.Table) -> dict[str, Any]:
    """Return the columns of a table as `Encoder.encode` takes them."""
    return {
        name: _as_floats(table[name]) if _is_number(table[name].type) else table[name].to_pylist()
        for name in table.column_names
    }


def _is_number(kind: pa.DataType) -> bool:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    return any(is_kind(kind) for is_kind in kinds)


def _as_floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    floats: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    return floats


def _fit_column(name: str, values: pa.ChunkedArray) -> Column | None:
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if _is_number(kind):
        return NumericColumn.fit(name, _as_floats(values))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return TextColumn.fit(name, values.to_pylist())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return ListColumn.fit(name, values.to_pylist())
    return None
