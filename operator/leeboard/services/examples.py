"""Rows that a model can answer: its input example, else made from its signature. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from leeboard.contract.registry import Row

MAX_ROWS = 2

_BY_TYPE: dict[str, Any] = {
    "boolean": False,
    "integer": 0,
    "long": 0,
    "float": 0.0,
    "double": 0.0,
    "string": "",
    "datetime": "2020-01-01T00:00:00",
}


def example_path(model: Mapping[str, Any]) -> str | None:
    """Return the file, inside the model's folder, that holds the input example; None: it has none.

    Args:
        model: The model's `MLmodel` document.
    """
    info = model.get("saved_input_example_info")
    return (
        info.get("artifact_path") if isinstance(info, dict) and info.get("type") in {"dataframe", "ndarray"} else None
    )


def rows_of_example(document: Any) -> list[Row]:
    """Read an input example as MLflow writes it: a split or listed table, or an array."""
    if isinstance(document, dict) and {"columns", "data"} <= document.keys():
        return [dict(zip(document["columns"], row, strict=True)) for row in document["data"][:MAX_ROWS]]
    if isinstance(document, dict) and isinstance(document.get("inputs"), list):
        document = document["inputs"]
    if not isinstance(document, list):
        return []
    if all(isinstance(row, dict) for row in document) or all(isinstance(row, list) for row in document):
        return document[:MAX_ROWS]
    return [document]


def row_of_signature(model: Mapping[str, Any]) -> list[Row]:
    """Make one row from the signature: zeros, empty texts; empty when there is no signature that tells enough."""
    signature = model.get("signature") or {}
    inputs = json.loads(signature.get("inputs") or "[]")
    if not isinstance(inputs, list) or not inputs:
        return []
    if inputs[0].get("type") == "tensor":
        shape = inputs[0]["tensor-spec"]["shape"]
        flat = len(inputs) == 1 and len(shape) == 2 and shape[1] > 0  # noqa: PLR2004 (rows by columns)
        return [[0.0] * shape[1]] if flat else []
    if any(column.get("type") not in _BY_TYPE for column in inputs):
        return []
    values = [_BY_TYPE[column["type"]] for column in inputs]
    names = [column.get("name") for column in inputs]
    return [values] if None in names else [dict(zip(names, values, strict=True))]
