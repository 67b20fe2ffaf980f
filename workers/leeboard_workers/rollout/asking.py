"""Asks a deployed arm for predictions of labelled rows, as a client would, marked so that they count for nothing."""

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import pyarrow as pa
import requests

from leeboard.contract import serving

BATCH = 50
"""Rows of one request."""
ATTEMPTS = 4
MOST_FAILURES = 3
"""After so many requests that the arm fails to answer, no more are sent: it is bad."""

_TIMEOUT_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 0.25
_SHOWN = 300


class ArmAwayError(Exception):
    """The arm cannot be reached: nothing is said about the version, the same request may go better later."""


class BadRepliesError(ValueError):
    """The arm's answers cannot be read as predictions; the message says why."""


@dataclass(frozen=True)
class ArmAt:
    """Where an arm answers."""

    address: str
    """http://host[:port]."""
    model: str
    """Public name of the model."""
    protocol: str
    """v1 or v2."""


@dataclass
class Replies:
    """What an arm answered, in the order of the rows."""

    predictions: list[Any] = field(default_factory=list)
    """None: the row was refused as out of distribution, or the request failed."""
    probabilities: list[list[float] | None] = field(default_factory=list)
    classes: list[Any] | None = None
    """Order of the probabilities, where the answer tells."""
    seconds: list[float] = field(default_factory=list)
    """Time of each request that was answered."""
    failures: int = 0
    """Rows whose request failed."""
    trouble: str = ""
    """The first failure in a sentence."""
    unasked: int = 0
    """Rows that were not sent any more."""

    @property
    def refused(self) -> int:
        """Rows that were refused as out of distribution."""
        return sum(cell is None for cell in self.predictions) - self.failures - self.unasked


def ask(arm: ArmAt, rows: pa.Table) -> Replies:
    """Ask an arm for all rows, some at a time.

    Args:
        arm: Where it answers.
        rows: Input columns by name.

    Raises:
        ArmAwayError: it cannot be reached, or answers that it is not ready, again and again.
        BadRepliesError: its answers are no predictions.
    """
    replies = Replies()
    with requests.Session() as session:
        session.headers[serving.HEADER_PURPOSE] = "verification"
        failed = 0
        for batch in _batches(rows):
            if failed >= MOST_FAILURES:
                _fill(replies, batch.num_rows)
                replies.unasked += batch.num_rows
                continue
            began = time.perf_counter()
            answer = _post(session, arm, encode(batch, arm.protocol))
            if answer.status_code not in {HTTPStatus.OK, serving.STATUS_ALL_REFUSED}:
                failed += 1
                replies.failures += batch.num_rows
                replies.trouble = replies.trouble or f"it answers {answer.status_code}: {answer.text[:_SHOWN]}"
                _fill(replies, batch.num_rows)
                continue
            replies.seconds.append(time.perf_counter() - began)
            _read(answer, arm.protocol, batch.num_rows, replies)
    return replies


def encode(rows: pa.Table, protocol: str) -> dict[str, Any]:
    """Write rows as a request of protocol v1 or v2; what JSON cannot say (NaN, infinite) becomes null."""
    columns = {name: [_cell(cell) for cell in rows[name].to_pylist()] for name in rows.column_names}
    if protocol == "v1":
        cells = zip(*columns.values(), strict=True)
        return {"instances": [dict(zip(columns, row, strict=True)) for row in cells]}
    return {
        "inputs": [
            {"name": name, "shape": [len(cells)], "datatype": _datatype(rows.schema.field(name).type), "data": cells}
            for name, cells in columns.items()
        ]
    }


def _batches(rows: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, rows.num_rows, BATCH):
        yield rows.slice(start, BATCH)


def _cell(cell: Any) -> Any:
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    return cell if cell is None or isinstance(cell, bool | int | float | str) else str(cell)


def _datatype(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "BOOL"
    if pa.types.is_integer(kind):
        return "INT64"
    return "FP64" if pa.types.is_floating(kind) else "BYTES"


def _post(session: requests.Session, arm: ArmAt, document: dict[str, Any]) -> requests.Response:
    path = f"/v1/models/{arm.model}:predict" if arm.protocol == "v1" else f"/v2/models/{arm.model}/infer"
    url, pause, why = arm.address.rstrip("/") + path, _FIRST_PAUSE_SECONDS, ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(pause)
            pause *= 2
        try:
            answer = session.post(url, json=document, timeout=_TIMEOUT_SECONDS)
        except requests.RequestException as error:
            why = f"{type(error).__name__}: {error}"[:_SHOWN]
            continue
        # A gateway or a pod that is just going away says so; the model itself has said nothing then.
        if answer.status_code not in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
            return answer
        why = f"it answers {answer.status_code}: {answer.text[:_SHOWN]}"
    raise ArmAwayError(f"the arm at {arm.address} does not answer: {why}")


def _fill(replies: Replies, rows: int) -> None:
    replies.predictions.extend([None] * rows)
    replies.probabilities.extend([None] * rows)


def _read(answer: requests.Response, protocol: str, rows: int, replies: Replies) -> None:
    try:
        document = answer.json()
        predictions, probabilities, classes = (_read_v1 if protocol == "v1" else _read_v2)(document)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise BadRepliesError(f"an answer cannot be read ({error!r}): {answer.text[:_SHOWN]}") from error
    if len(predictions) != rows:
        raise BadRepliesError(f"{rows} rows were sent, {len(predictions)} were answered")
    replies.predictions.extend(_single(cell) for cell in predictions)
    replies.probabilities.extend(probabilities if probabilities and len(probabilities) == rows else [None] * rows)
    replies.classes = classes or replies.classes


def _single(cell: Any) -> Any:
    return cell[0] if isinstance(cell, list) and len(cell) == 1 else cell


Read = tuple[list[Any], list[list[float] | None] | None, list[Any] | None]


def _read_v1(document: Any) -> Read:
    return document["predictions"], document.get(serving.V2_PROBABILITIES_TENSOR), None


def _read_v2(document: Any) -> Read:
    tensors = {tensor["name"]: tensor for tensor in document["outputs"]}
    predicted = tensors.get(serving.V2_PREDICTION_TENSOR) or document["outputs"][0]
    likely = tensors.get(serving.V2_PROBABILITIES_TENSOR)
    if likely is None:
        return _folded(predicted), None, None
    told = (likely.get("parameters") or {}).get("classes")
    return _folded(predicted), _folded(likely), json.loads(told) if told else None


def _folded(tensor: dict[str, Any]) -> list[Any]:
    """Return a tensor's data by rows."""
    data: Sequence[Any] = tensor["data"]
    shape = tensor["shape"]
    if len(shape) == 1 or (data and isinstance(data[0], list)):
        return list(data)
    width = math.prod(shape[1:])
    rows = [list(data[at * width : (at + 1) * width]) for at in range(shape[0])]
    return [None if any(cell is None for cell in row) and width > 1 else row for row in rows]
