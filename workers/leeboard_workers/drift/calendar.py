"""Dates and time stamps as what drifts in them: the hour and the day of the week, in UTC.

The clock itself always moves on, so that comparing it would call every window drifted.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, TypeGuard, get_args

import pyarrow as pa
import pyarrow.compute as pc

from leeboard_workers.drift.values import UnsupportedColumnError, is_text

Column: TypeAlias = Any
"""A pyarrow.Array or pyarrow.ChunkedArray."""
Part = Literal["hour", "weekday"]

_DAYS = pa.array(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"])
_INSTANT = pa.timestamp("us")
_ZONED = r"\d:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$"
_TOO_FINE = r"(\.\d{6})\d+"
"""Digits beyond microseconds."""
_SHOWN = 40


def is_clock(kind: pa.DataType) -> bool:
    """Whether columns of the Arrow type tell instants or days."""
    if pa.types.is_dictionary(kind):
        return is_clock(kind.value_type)
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def is_part(name: str) -> TypeGuard[Part]:
    """Whether it names a part of the clock."""
    return name in get_args(Part)


def parts_of(kind: pa.DataType) -> tuple[Part, ...]:
    """Return the parts of the clock that are compared."""
    if pa.types.is_dictionary(kind):
        return parts_of(kind.value_type)
    return ("weekday",) if pa.types.is_date(kind) else ("hour", "weekday")


def part(column: Column, name: Part) -> Column:
    """Return a part of the clock as levels; text that is no time is missing.

    Raises:
        UnsupportedColumnError: the column holds no time at all.
    """
    return _READ[name](instants(column))


def instants(column: Column) -> Column:
    """Return a column as time stamps in UTC; without a zone they count as UTC. Text is read as ISO 8601.

    Text that is no time becomes null.

    Raises:
        UnsupportedColumnError: the column holds no time at all.
    """
    kind = column.type
    if column.null_count == len(column):
        return pa.nulls(len(column), _INSTANT)
    if pa.types.is_dictionary(kind):
        return instants(column.cast(kind.value_type))
    if pa.types.is_date(kind):
        return pc.cast(column, pa.timestamp("s"))
    if pa.types.is_timestamp(kind):
        return pc.cast(pc.cast(column, pa.timestamp(kind.unit, "UTC")), pa.timestamp(kind.unit))
    if not is_text(kind):
        raise UnsupportedColumnError(f"holds {kind}, and times in the reference: send time stamps, or text in ISO 8601")
    found = _parsed(pc.cast(column, pa.string()))
    if found.null_count == len(found):
        first = next(text for text in column.to_pylist() if text is not None)
        raise UnsupportedColumnError(f"holds text that is no time, such as {str(first)[:_SHOWN]!r}: send ISO 8601")
    return found


def _parsed(text: Column) -> Column:
    """Read text with and without a zone; by Arrow, or if some is no time for it, each different text by itself."""
    zoned = pc.match_substring_regex(text, _ZONED)
    text = pc.replace_substring_regex(text, _TOO_FINE, r"\1")
    nothing = pa.scalar(None, pa.string())
    try:
        told = pc.cast(pc.cast(pc.if_else(zoned, text, nothing), pa.timestamp("us", "UTC")), _INSTANT)
        return pc.coalesce(told, pc.cast(pc.if_else(zoned, nothing, text), _INSTANT))
    except pa.ArrowInvalid:
        whole = text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text
        known = whole.dictionary_encode()
        return pa.array([_instant(each) for each in known.dictionary.to_pylist()], _INSTANT).take(known.indices)


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.strip())
        return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def _weekday(column: Column) -> Column:
    return pc.take(_DAYS, pc.day_of_week(column))


_READ: Mapping[Part, Callable[[Column], Column]] = {"hour": pc.hour, "weekday": _weekday}
