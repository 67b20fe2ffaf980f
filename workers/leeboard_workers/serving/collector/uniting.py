"""Says whether rows can go into a table as it is, and makes them do so; nothing is ever lost on the way.

| table holds | doubles come | whole numbers come | truth values come |
|---|---|---|---|
| doubles | as they are | up to 2^53 | as 0 and 1 |
| whole numbers | when all of them are whole | as they are | as 0 and 1 |
| truth values | no | no | as they are |

Delta itself would cast: merging 1.5 into a column of whole numbers stores 1, without a word.
"""

import pyarrow as pa
import pyarrow.compute as pc

_EXACT = 2**53
"""Up to here each whole number is a double of its own."""


def fits(rows: pa.Table, types: dict[str, pa.DataType]) -> bool:
    """Say whether each column can be stored as the table's type; columns that the table lacks can."""
    return all(name not in types or _storable(rows[name], types[name]) for name in rows.column_names)


def cast_rows(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows that fit in the schema's columns; those that are missing are null."""
    columns = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        if name not in rows.column_names:
            columns.append(pa.nulls(rows.num_rows, kind))
            continue
        column = rows[name]
        if pa.types.is_boolean(column.type) and column.type != kind:
            column = column.cast(pa.int8())
        columns.append(column if column.type == kind else column.cast(kind))
    return pa.table(columns, schema=schema)


def plain(kind: pa.DataType) -> pa.DataType:
    """Return the type that rows are built with: Delta may hand out views and other widths of the same."""
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_list_view(kind):
        return pa.list_(kind.value_type)
    return kind


def _storable(column: pa.ChunkedArray, kind: pa.DataType) -> bool:
    comes = column.type
    if comes == kind:
        return True
    number = bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
    if pa.types.is_boolean(comes):
        return number
    if pa.types.is_integer(comes) and pa.types.is_floating(kind):
        return _within(column)
    if pa.types.is_floating(comes) and pa.types.is_integer(kind):
        return _within(column) and bool(pc.all(pc.equal(pc.floor(column), column)).as_py())
    return False


def _within(column: pa.ChunkedArray) -> bool:
    bounds = pc.min_max(column).as_py()
    if bounds["min"] is None:
        return True
    whole = pa.types.is_integer(column.type) or bool(pc.all(pc.is_finite(column)).as_py())
    return whole and bounds["min"] >= -_EXACT and bounds["max"] <= _EXACT
