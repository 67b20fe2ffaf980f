"""Reads Arrow columns in the order of their rows: as numbers, or as the names of levels."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from leeboard_workers.drift.values import level_of

_AS_BOOLEANS = {"0": "false", "1": "true"}


def numbers_of(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return float64 values: missing ones are NaN, as is text that is no number; times are ticks of their type."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return numbers_of(column.cast(kind.value_type))
    if pa.types.is_temporal(kind):
        width = pa.int32() if kind.bit_width == pa.int32().bit_width else pa.int64()
        column = column.cast(width)
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return np.array([_parsed(text) for text in column.to_pylist()], dtype=np.float64)
    return np.array(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def levels_of(column: pa.ChunkedArray, known: tuple[str, ...] = ()) -> pa.Array:
    """Return the names of the levels, null where missing; 0 and 1 are booleans where the known levels are."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.string())
    encoded = column.combine_chunks().dictionary_encode()
    names = [None if _is_missing(value) else level_of(value) for value in encoded.dictionary.to_pylist()]
    found = {name for name in names if name is not None}
    if set(known) <= set(_AS_BOOLEANS.values()) and known and found <= set(_AS_BOOLEANS):
        names = [None if name is None else _AS_BOOLEANS[name] for name in names]
    return pa.array(names, pa.string()).take(encoded.indices)


def _is_missing(value: object) -> bool:
    return value is None or value != value  # noqa: PLR0124 (NaN differs from itself)


def _parsed(text: object) -> float:
    try:
        return float(str(text)) if text is not None else float("nan")
    except ValueError:
        return float("nan")
