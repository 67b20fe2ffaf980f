"""Reads CloudEvents of KServe's own logger: binary, structured or a batch of structured ones; gzip or not.

The logger sends a request's raw body as one event and the answer's as another, both with the same id. Whose they are
says the path (`/v1/events/{namespace}/{modelDeployment}`), else the attributes `namespace` and `inferenceservicename`.

| row of the log | comes from |
|---|---|
| request id | header `X-Request-Id`, if the logger's `metadataHeaders` name it, else the event's id |
| arm | attribute `endpoint` (the pod's label of that name), else the InferenceService |
| version | annotation `leeboard.dev/version`, if `metadataAnnotations` name it, else `unknown` |
| time, latency | the events' times |
"""

import base64
import binascii
import re
from datetime import datetime
from http import HTTPStatus
from typing import Any

import orjson

from leeboard.contract.serving import (
    V1_OUT_OF_DISTRIBUTION,
    V2_FLAG_TENSOR,
    V2_PROBABILITIES_TENSOR,
    V2_SCORE_TENSOR,
)
from leeboard_workers.serving.answers import Answer, BadAnswerError
from leeboard_workers.serving.asgi import Request
from leeboard_workers.serving.codec import BadRequestError, decode_v1, decode_v2
from leeboard_workers.serving.collector.bodies import (
    Budget,
    check_length,
    check_names,
    check_time,
    content_type,
    is_gzip,
    read_json,
)
from leeboard_workers.serving.collector.predictions import check_features
from leeboard_workers.serving.collector.refusals import RefusedError

REQUEST = "org.kubeflow.serving.inference.request"
ANSWER = "org.kubeflow.serving.inference.response"
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
VERSION_ANNOTATION = "leeboard.dev/version"

MAX_EVENTS = 1000
_LONGEST_ID = 128
_LONGEST_NAME = 253
_NANOSECONDS = re.compile(r"(\.\d{6})\d+")

Document = dict[str, Any]
Owner = tuple[str, str]


def read_events(request: Request, body: bytes, owner: Owner | None) -> list[Document]:
    """Return the halves of predictions that a request brings, ready for the journal.

    Args:
        request: Its headers hold the attributes of a binary event.
        body: Unpacked.
        owner: Namespace and ModelDeployment of the path; none: the events say.

    Raises:
        RefusedError: an event is none, or its payload is no inference request or answer.
    """
    kind, budget = content_type(request), Budget()
    if kind == BATCH:
        events = read_json(body)
        if not isinstance(events, list) or not 0 < len(events) <= MAX_EVENTS:
            raise RefusedError(f"the body must be a list of 1 to {MAX_EVENTS} events")
        return [_half(*_structured(event), owner, budget) for event in events]
    if kind == STRUCTURED:
        return [_half(*_structured(read_json(body)), owner, budget)]
    attributes = {
        name.decode("latin-1")[3:]: value.decode("latin-1")
        for name, value in request.headers.items()
        if name.startswith(b"ce-")
    }
    return [_half(attributes, body, owner, budget)]


def _structured(event: Any) -> tuple[dict[str, Any], Any]:
    if not isinstance(event, dict):
        raise RefusedError("an event must be an object of attributes and data")
    if (packed := event.get("data_base64")) is not None:
        try:
            return event, base64.b64decode(packed, validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise RefusedError("data_base64 is no base64") from error
    return event, event.get("data")


def _half(attributes: dict[str, Any], data: Any, owner: Owner | None, budget: Budget) -> Document:
    kind, event_id = _text(attributes, "type"), _text(attributes, "id")
    if kind not in {REQUEST, ANSWER}:
        raise RefusedError(f"the type {kind[:80]!r} is not taken: {REQUEST} and {ANSWER} are")
    if not event_id:
        raise RefusedError("the event has no id")
    check_length("the event's id", event_id, _LONGEST_NAME)
    service = _text(attributes, "inferenceservicename")
    namespace, name = owner or (_text(attributes, "namespace"), service)
    check_names(namespace, name)
    request_id = _request_id(attributes) or event_id
    check_length("the request id", request_id, _LONGEST_ID)
    component = _text(attributes, "component")
    for told, text in (("inferenceservicename", service), ("component", component)):
        check_length(told, text, _LONGEST_NAME)
    half: Document = {
        "key": [event_id, namespace, name, service, component],
        "namespace": namespace,
        "modelDeployment": name,
        "arm": _text(attributes, "endpoint") or service or name,
        "version": _version(attributes),
        "requestId": request_id,
        "time": _time(attributes),
    }
    for member in ("arm", "version"):
        check_length(member, half[member], _LONGEST_NAME)
    document = _payload(data, budget)
    return half | (_request_half(document) if kind == REQUEST else _answer_half(document))


def _request_half(document: Any) -> Document:
    try:
        rows = (decode_v2 if isinstance(document, dict) and "inputs" in document else decode_v1)(document, ())
    except BadRequestError as error:
        raise RefusedError(f"the request cannot be read: {error}", HTTPStatus.UNPROCESSABLE_ENTITY) from error
    check_features(rows.columns.keys())
    return {"half": "request", "count": rows.count, "features": dict(rows.columns)}


def _answer_half(document: Any) -> Document:
    protocol = "v2" if isinstance(document, dict) and "outputs" in document else "v1"
    try:
        answer = Answer.read(document, protocol, None)
        predictions = answer.predictions
        matrix = answer.matrix(V2_PROBABILITIES_TENSOR)
        scores, flags = _judged(document, protocol)
    except (BadAnswerError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        sentence = f"the answer cannot be read: {str(error)[:200]}"
        raise RefusedError(sentence, HTTPStatus.UNPROCESSABLE_ENTITY) from error
    half: Document = {"half": "answer", "predictions": predictions}
    if matrix is not None:
        half["probabilities"] = [row if row and row[0] == row[0] else [] for row in matrix.tolist()]
    for member, cells in (("oodScores", scores), ("ood", flags)):
        if cells is not None and len(cells) == len(predictions):
            half[member] = cells
    return half


def _judged(document: Any, protocol: str) -> tuple[list[Any] | None, list[Any] | None]:
    """Return what an answer of Leeboard's transformer says about each row: scores and flags."""
    if protocol == "v1":
        rows = document.get(V1_OUT_OF_DISTRIBUTION)
        return ([float(row["score"]) for row in rows], [bool(row["flagged"]) for row in rows]) if rows else (None, None)
    tensors = {tensor["name"]: tensor["data"] for tensor in document["outputs"]}
    scores, flags = tensors.get(V2_SCORE_TENSOR), tensors.get(V2_FLAG_TENSOR)
    return (scores and [float(cell) for cell in scores], flags and [bool(cell) for cell in flags])


def _payload(data: Any, budget: Budget) -> Any:
    if isinstance(data, bytes):
        return read_json(budget.unpacked(data) if is_gzip(data) else data)
    return read_json(data.encode()) if isinstance(data, str) else data


def _text(attributes: dict[str, Any], name: str) -> str:
    value = attributes.get(name)
    return value if isinstance(value, str) else ""


def _mapping(attributes: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an attribute that holds a JSON object."""
    try:
        found = orjson.loads(_text(attributes, name) or "{}")
    except ValueError:  # also what JSON can write and nobody can store, such as half a surrogate
        return {}
    return found if isinstance(found, dict) else {}


def _request_id(attributes: dict[str, Any]) -> str:
    for header, value in _mapping(attributes, "metadata").items():
        if header.lower() == "x-request-id":
            first = value[0] if isinstance(value, list) and value else value
            return first if isinstance(first, str) else ""
    return ""


def _version(attributes: dict[str, Any]) -> str:
    version = _mapping(attributes, "annotations").get(VERSION_ANNOTATION)
    return version if isinstance(version, str) and version else "unknown"


def _time(attributes: dict[str, Any]) -> float:
    text = _text(attributes, "time")
    try:
        time = datetime.fromisoformat(_NANOSECONDS.sub(r"\1", text)).timestamp()
    except (ValueError, OverflowError):
        raise RefusedError(f"the event's time must be RFC 3339, not {text[:80]!r}") from None
    check_time("the event's time", time)
    return time
