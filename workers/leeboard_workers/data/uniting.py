"""Unites columns of tables whose types differ: numbers become doubles, whatever still clashes becomes text."""

import pyarrow as pa


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type that holds the values of both."""
    if one == other:
        return one
    both = (one, other)
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) for kind in both):
        return pa.float64()
    return pa.string()


def united(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Return a column as the common type."""
    if column.type == kind:
        return column
    if pa.types.is_boolean(column.type) and pa.types.is_floating(kind):
        column = column.cast(pa.int8())
    if pa.types.is_nested(column.type):
        text = [None if cell is None else str(cell) for cell in column.to_pylist()]
        return pa.chunked_array([pa.array(text, pa.string())])
    return column.cast(kind)
