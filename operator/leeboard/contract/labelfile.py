"""How labels stand in a CSV file: a header, then one line per label.

    request_id,row,label,reward,time
    3f0c…,0,late,,2026-02-14T09:30:00Z

`request_id` must be there, `row` is 0 when it is left out. A label is a number if it is written as one in decimal
digits (`12`, `-0.5`, `1e5`; not `1_2`), a truth value if it is `true` or `false`, else text. A time is RFC 3339 with
its offset, or seconds since 1970; left out, it is that of the collector's acknowledgement.
"""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from leeboard.contract.serving import Label

COLUMNS = ("request_id", "row", "label", "reward", "time")

_LAST_SECOND = 253_402_300_799  # of the year 9999
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True)
class BadLine:
    """A line that holds no label."""

    line: int
    """Counted from 1, the header."""
    sentence: str


def read_labels(lines: Iterable[str]) -> Iterator[tuple[int, Label] | BadLine]:
    """Read the labels of a CSV file, each with the number of its line.

    Raises:
        ValueError: the header is missing or names an unknown column; one sentence.
    """
    reader = csv.reader(lines)
    try:
        header = [name.strip().lstrip("\ufeff") for name in next(reader, [])]
        _check_header(header)
        for cells in reader:
            if cells:
                yield _read_line(reader.line_num, header, cells)
    except csv.Error as error:
        yield BadLine(reader.line_num, f"this is no CSV: {error}")


def label_of(cells: Mapping[str, Any]) -> Label:
    """Make a label of cells that are text, numbers, truth values or times; empty ones count as left out.

    Raises:
        ValueError: a cell cannot be read; one sentence that names its column.
    """
    stripped = {name: _stripped(cells.get(name)) for name in COLUMNS}
    given = {name: value for name, value in stripped.items() if value is not None and value != ""}
    if "request_id" not in given:
        raise ValueError("request_id is missing: say which request the label belongs to")
    document: dict[str, Any] = {"requestId": str(given["request_id"])}
    if "row" in given:
        document["row"] = _whole(given["row"])
    if "label" in given:
        document["label"] = _outcome(given["label"])
    if "reward" in given:
        document["reward"] = _number("reward", given["reward"])
    if "time" in given:
        document["time"] = _time(given["time"])
    if not {"label", "reward"} & document.keys():
        raise ValueError("there is neither a label nor a reward")
    try:
        return Label.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        column = str(first["loc"][0]).replace("requestId", "request_id")
        raise ValueError(f"{column}: {first['msg']}") from None


def _check_header(header: list[str]) -> None:
    known = ", ".join(COLUMNS)
    if "request_id" not in header:
        raise ValueError(f"the first line must name the columns, request_id among them; known are {known}")
    if unknown := [name for name in header if name not in COLUMNS]:
        raise ValueError(f"there is no column {unknown[0][:80]!r}; known are {known}")
    if len(set(header)) < len(header):
        raise ValueError("the first line names a column twice")


def _read_line(line: int, header: list[str], cells: list[str]) -> tuple[int, Label] | BadLine:
    if len(cells) != len(header):
        return BadLine(line, f"it has {len(cells)} cells for {len(header)} columns")
    try:
        return line, label_of(dict(zip(header, cells, strict=True)))
    except ValueError as error:
        return BadLine(line, str(error))


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _decimal(value: Any) -> float:
    """Return a number; of a text only one that is written in decimal digits, though Python reads more."""
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        raise ValueError(value)
    return float(value)


def _whole(value: Any) -> int:
    try:
        number = _decimal(value)
    except (ValueError, OverflowError, TypeError):
        number = math.nan
    if not number.is_integer():
        raise ValueError(f"row must be a whole number, not {str(value)[:80]!r}")
    return int(number)


def _number(name: str, value: Any) -> float:
    try:
        number = _decimal(value)
    except (ValueError, OverflowError, TypeError):
        raise ValueError(f"{name} must be a number, not {str(value)[:80]!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number, not {str(value)[:80]!r}")
    return number


def _outcome(value: Any) -> float | int | str | bool:
    if not isinstance(value, str):
        return value if isinstance(value, bool) else _number("label", value)
    if value.lower() in _TRUTH:
        return _TRUTH[value.lower()]
    try:
        number = _decimal(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else value


def _time(value: Any) -> float:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    try:
        seconds = _decimal(value)
    except (ValueError, TypeError, OverflowError):
        seconds = _instant(str(value))
    if not 0 <= seconds <= _LAST_SECOND:
        raise ValueError(f"time must be seconds since 1970, not {str(value)[:80]!r}")
    return seconds


def _instant(text: str) -> float:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        sentence = f"time must be such as 2026-02-14T09:30:00Z, or seconds since 1970, not {text[:80]!r}"
        raise ValueError(sentence) from None
    if time.tzinfo is None:
        raise ValueError(f"time {text[:80]!r} has no offset: write it with a Z, such as 2026-02-14T09:30:00Z")
    return time.timestamp()
