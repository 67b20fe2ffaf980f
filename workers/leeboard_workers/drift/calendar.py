"""Dates and time stamps as what drifts in them: the hour and the day of the week, in UTC.

The clock itself always moves on, so that comparing it would call every window drifted.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, TypeGuard, get_args

import pyarrow as pa
import pyarrow.compute as pc

Column: TypeAlias = Any
"""A pyarrow.Array or pyarrow.ChunkedArray."""
Part = Literal["hour", "weekday"]

_DAYS = pa.array(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"])


def is_clock(kind: pa.DataType) -> bool:
    """Whether columns of the Arrow type tell instants or days."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def is_part(name: str) -> TypeGuard[Part]:
    """Whether it names a part of the clock."""
    return name in get_args(Part)


def parts_of(kind: pa.DataType) -> tuple[Part, ...]:
    """Return the parts of the clock that are compared."""
    return ("weekday",) if pa.types.is_date(kind) else ("hour", "weekday")


def part(column: Column, name: Part) -> Column:
    """Return a part of the clock as levels; times without a zone count as UTC, text is read as ISO 8601.

    Raises:
        pyarrow.ArrowInvalid: the text is no time.
    """
    return _READ[name](_in_utc(column))


def _in_utc(column: Column) -> Column:
    if pa.types.is_date(column.type):
        return pc.cast(column, pa.timestamp("s"))
    if pa.types.is_timestamp(column.type):
        unit = column.type.unit
        return pc.cast(pc.cast(column, pa.timestamp(unit, "UTC")), pa.timestamp(unit))
    return pc.cast(pc.cast(column, pa.timestamp("us", "UTC")), pa.timestamp("us"))


def _weekday(column: Column) -> Column:
    return pc.take(_DAYS, pc.day_of_week(column))


_READ: Mapping[Part, Callable[[Column], Column]] = {"hour": pc.hour, "weekday": _weekday}
