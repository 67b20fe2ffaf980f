"""The OpenAPI document of the collector, at /openapi.json, made from the contract's models."""

import functools
from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from leeboard.contract.labelfile import COLUMNS
from leeboard.contract.serving import Label, LabelBatch, PredictionBatch, TableState
from leeboard_workers.serving.collector import events, labels

Document = dict[str, Any]

_NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}
_SENTENCE = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_TAKEN = {
    "type": "object",
    "properties": {
        "accepted": {"type": "integer", "description": "Documents, labels or events that are on disk."},
        "refused": {"type": "integer"},
        "refusedAt": {"type": "array", "items": {"type": "integer"}, "description": "Which of the batches, from 0."},
        "errors": {"type": "array", "items": {"type": "string"}, "description": "One sentence for the first of them."},
    },
    "required": ["accepted", "refused", "errors"],
}
_BYTES = {"type": "string", "format": "binary"}
_EVENT = {
    "type": "object",
    "properties": {
        "specversion": {"const": "1.0"},
        "type": {"enum": [events.REQUEST, events.ANSWER]},
        "id": {"type": "string", "minLength": 1, "maxLength": 128},
        "time": {"type": "string", "format": "date-time"},
        "inferenceservicename": _NAME,
        "namespace": _NAME,
        "data": {"type": "object"},
    },
    "required": ["type", "id", "time"],
}
_REFUSALS = {
    400: "A document is wrong; the sentence names the field, or the line.",
    401: "The namespace has a token, and none was sent.",
    403: "The token is another one.",
    413: "The body, unpacked or not, holds too much: send less at once.",
    415: "The body is packed in an unknown way.",
    422: "The payload of an event is no inference request or answer.",
    429: "The journal is full; Retry-After says when to come again.",
    503: "The journal cannot be written; Retry-After says when to come again.",
}


@functools.cache
def document() -> Document:
    """Return the document."""
    models = [(model, "validation") for model in (PredictionBatch, Label, LabelBatch, TableState)]
    _, schemas = models_json_schema(models, by_alias=True, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    parameters = [{"name": name, "in": "path", "required": True, "schema": _NAME} for name in _OWNER]
    batch, label_batch = _ref("PredictionBatch"), _ref("LabelBatch")
    rows = {"type": "array", "items": _ref("Label"), "minItems": 1, "maxItems": labels.MAX_LABELS}
    table = f"Columns {', '.join(COLUMNS)}; request_id must be there."
    label_bodies = {
        labels.JSON: {"schema": {"oneOf": [rows, {"type": "object", "properties": {"labels": rows}}]}},
        labels.CSV: {"schema": {"type": "string", "description": table}},
        labels.ARROW_STREAM: {"schema": _BYTES | {"description": table}},
        labels.ARROW_FILE: {"schema": _BYTES | {"description": table}},
    }
    event_bodies = {
        events.STRUCTURED: {"schema": _EVENT},
        events.BATCH: {"schema": {"type": "array", "items": _EVENT, "minItems": 1, "maxItems": events.MAX_EVENTS}},
        labels.JSON: {"schema": {"type": "object", "description": "Binary mode: the attributes are headers ce-…"}},
    }
    batches = {"oneOf": [batch, {"type": "array", "items": batch, "minItems": 1}]}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Leeboard's collector", "version": version("leeboard")},
        "paths": {
            "/v1/predictions": {"post": _post("Log predictions.", {labels.JSON: {"schema": batches}})},
            "/v1/labels": {"post": _post("Log outcomes that became known.", {labels.JSON: {"schema": label_batch}})},
            _LABELS: {"post": _post("Log outcomes of a model.", label_bodies), "parameters": parameters},
            "/v1/events": {"post": _post("Log CloudEvents of KServe's logger.", event_bodies)},
            _EVENTS: {"post": _post("Log CloudEvents of a model.", event_bodies), "parameters": parameters},
            _TABLES: {
                "get": {
                    "summary": "Where the log of a model lies, and how much it holds.",
                    "responses": _responses({"schema": _ref("TableState")}, {400}),
                },
                "parameters": parameters,
            },
            "/healthz": {"get": {"summary": "Lives.", "responses": _responses({"schema": {"type": "object"}}, set())}},
            "/metrics": {"get": {"summary": "For Prometheus.", "responses": {"200": {"description": "Metrics."}}}},
        },
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "Of the namespace."}},
        },
    }


_OWNER = ("namespace", "modelDeployment")
_LABELS = "/v1/labels/{namespace}/{modelDeployment}"
_EVENTS = "/v1/events/{namespace}/{modelDeployment}"
_TABLES = "/v1/tables/{namespace}/{modelDeployment}"


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _post(summary: str, bodies: Document) -> Document:
    return {
        "summary": summary,
        "description": "Acknowledged is on disk. What is sent again is recognized. gzip is understood.",
        "security": [{}, {"token": []}],
        "requestBody": {"required": True, "content": bodies},
        "responses": _responses({"schema": _TAKEN}, set(_REFUSALS)),
    }


def _responses(answer: Document, refusals: set[int]) -> Document:
    sentence = {"application/json": {"schema": _SENTENCE}}
    refused = {str(code): {"description": _REFUSALS[code], "content": sentence} for code in sorted(refusals)}
    return {"200": {"description": "Done.", "content": {"application/json": answer}}} | refused
