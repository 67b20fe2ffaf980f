"""Turns logged predictions and labels into Arrow tables of the contract's columns.

Numbers are doubles, whatever JSON wrote, unless the batch says that the model's signature calls a column integer; truth
values stay what they are among themselves; lists of numbers are flat lists of doubles and are left out when they are
long; anything else is text, cut when it is long. A column without any value is left out: it comes with the first value.

Documents of equal kinds of columns become one table, so that ten thousand requests cost little more than a hundred;
those of different kinds stay apart, so that no number becomes a text for its neighbour's sake.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from leeboard_workers.data.columns import stored_names

MAX_LIST = 4096
"""Longer lists are left out."""
MAX_TEXT = 32_768
"""Longer texts are cut, characters."""

TIME = pa.timestamp("us", "UTC")
NUMBERS = pa.list_(pa.float64())

Document = dict[str, Any]
Taken = tuple[Document, float]
"""A document, and when it was acknowledged, seconds since the epoch."""

_INT64 = 2**63
_TYPES = {
    "bool": pa.bool_(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "list": NUMBERS,
    "text": pa.string(),
}
_OPTIONAL = ("oodScores", "ood", "probabilities", "changedColumns")


def prediction_tables(batches: Iterable[Taken], stored: Iterable[str]) -> Iterator[pa.Table]:
    """Return the rows of PredictionBatch documents, in as few tables as the kinds of their columns allow.

    Args:
        batches: Documents, already validated.
        stored: Columns that the log's table already holds.
    """
    groups: dict[_Kinds, list[Taken]] = {}
    for taken in batches:
        groups.setdefault(_Kinds.of(taken[0]), []).append(taken)
    known = list(stored)
    for kinds, group in groups.items():
        table = _table(kinds, group, known)
        known += table.column_names
        yield table


def label_tables(labels: Sequence[Document], ingest_time: float) -> list[pa.Table]:
    """Return the rows of Label documents, outcomes of text apart from those of numbers; of a row's labels the last."""
    last = {(label["requestId"], label.get("row", 0)): label for label in labels}
    numbers: list[Document] = []
    texts: list[Document] = []
    for label in last.values():
        (texts if isinstance(label.get("label"), str) else numbers).append(label)
    return [_label_table(part, ingest_time) for part in (numbers, texts) if part]


@dataclass(frozen=True)
class _Kinds:
    """What the columns of a document are stored as."""

    features: tuple[tuple[str, str], ...]
    """Names and kinds of those that hold anything."""
    answers: str | None
    members: frozenset[str]
    """Those of `_OPTIONAL` that are there."""

    @classmethod
    def of(cls, document: Document) -> "_Kinds":
        integers = frozenset(document.get("integerFeatures") or ())
        kinds = ((name, _kind(cells, integer=name in integers)) for name, cells in document["features"].items())
        return cls(
            tuple((name, kind) for name, kind in kinds if kind is not None),
            _answer_kind(document["predictions"]),
            frozenset(member for member in _OPTIONAL if document.get(member) is not None),
        )


def _table(kinds: _Kinds, group: Sequence[Taken], stored: Sequence[str]) -> pa.Table:
    counts = [len(document["predictions"]) for document, _ in group]

    def each(values: Iterable[Any]) -> list[Any]:
        return [value for value, count in zip(values, counts, strict=True) for _ in range(count)]

    def joined(member: str) -> list[Any]:
        return [cell for document, _ in group for cell in document[member]]

    times = [document["time"] for document, _ in group]
    columns: dict[str, pa.Array] = {
        "date": pa.array(each(datetime.fromtimestamp(time, UTC).date().isoformat() for time in times), pa.string()),
        "request_id": pa.array(each(document["requestId"] for document, _ in group), pa.string()),
        "row": pa.array([row for count in counts for row in range(count)], pa.int64()),
        "arm": pa.array(each(document["arm"] for document, _ in group), pa.string()),
        "version": pa.array(each(document["version"] for document, _ in group), pa.string()),
        "time": _times(each(times)),
        "ingest_time": _times(each(ingest_time for _, ingest_time in group)),
        "latency_ms": pa.array(each(document.get("latencyMs", 0.0) for document, _ in group), pa.float64()),
    }
    if "oodScores" in kinds.members:
        columns["ood_score"] = pa.array(joined("oodScores"), pa.float64())
    if "ood" in kinds.members:
        columns["ood"] = pa.array(joined("ood"), pa.bool_())
    if "probabilities" in kinds.members:
        columns["probabilities"] = pa.array([row or None for row in joined("probabilities")], NUMBERS)
    if "changedColumns" in kinds.members:
        changed = (json.dumps(document["changedColumns"], sort_keys=True) for document, _ in group)
        columns["changed_columns"] = pa.array(each(changed), pa.string())
    if kinds.answers is not None:
        columns["prediction"] = _array(joined("predictions"), kinds.answers)
    names = stored_names((name for name, _ in kinds.features), stored)
    for name, kind in kinds.features:
        columns[names[name]] = _array([cell for document, _ in group for cell in document["features"][name]], kind)
    return pa.table(columns)


def _label_table(labels: Sequence[Document], ingest_time: float) -> pa.Table:
    columns = {
        "request_id": pa.array([label["requestId"] for label in labels], pa.string()),
        "row": pa.array([label.get("row", 0) for label in labels], pa.int64()),
        "reward": pa.array([label.get("reward") for label in labels], pa.float64()),
        "time": _times([ingest_time if label.get("time") is None else label["time"] for label in labels]),
        "ingest_time": _times([ingest_time] * len(labels)),
    }
    outcomes = [label.get("label") for label in labels]
    if (kind := _answer_kind(outcomes)) is not None:
        columns["label"] = _array(outcomes, kind)
    return pa.table(columns)


def _times(seconds: Sequence[float]) -> pa.Array:
    micros = np.round(np.asarray(seconds, dtype=np.float64) * 1e6).astype(np.int64)
    return pa.array(micros, pa.int64()).cast(TIME)


def _answer_kind(values: Iterable[Any]) -> str | None:
    """Return what predictions or outcomes are stored as: numbers, or text when any is no number."""
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return None
    return "number" if kinds <= {bool, int, float} else "text"


def _kind(cells: Sequence[Any], *, integer: bool) -> str | None:
    kinds = {type(cell) for cell in cells} - {type(None)}
    if not kinds:
        return None
    if kinds == {bool}:
        return "bool"
    if kinds <= {bool, int, float}:
        whole = integer and kinds == {int} and all(cell is None or -_INT64 <= cell < _INT64 for cell in cells)
        return "integer" if whole else "number"
    return _list_kind(cells) if kinds == {list} else "text"


def _list_kind(cells: Sequence[Any]) -> str | None:
    for cell in cells:
        flat = _flat(cell or [])
        if len(flat) > MAX_LIST:
            return None
        if any(part is not None and not isinstance(part, int | float) for part in flat):
            return "text"
    return "list"


def _array(cells: Sequence[Any], kind: str) -> pa.Array:
    if kind == "number":
        cells = [None if cell is None else float(cell) for cell in cells]
    elif kind == "list":
        cells = [
            None if cell is None else [None if part is None else float(part) for part in _flat(cell)] for cell in cells
        ]
    elif kind == "text":
        cells = [_text(cell) for cell in cells]
    return pa.array(cells, _TYPES[kind])


def _flat(cells: Sequence[Any]) -> list[Any]:
    """Return the leaves of nested lists, at most a few more than `MAX_LIST`, in one walk however deep they lie."""
    flat: list[Any] = []
    levels = [iter(cells)]
    while levels and len(flat) <= MAX_LIST:
        for cell in levels[-1]:
            if isinstance(cell, list):
                levels.append(iter(cell))
                break
            flat.append(cell)
        else:
            levels.pop()
    return flat


def _text(value: Any) -> str | None:
    return value if value is None else (value if isinstance(value, str) else json.dumps(value))[:MAX_TEXT]
