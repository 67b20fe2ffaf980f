from __future__ import annotations

import json
from typing import Any

import pytest

from leeboard.services.examples import example_path, row_of_signature, rows_of_example


@pytest.mark.parametrize(
    ("document", "rows"),
    [
        ({"columns": ["a", "b"], "data": [[1, "x"], [2, "y"], [3, "z"]]}, [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        ({"inputs": [[1.0, 2.0]]}, [[1.0, 2.0]]),
        ([{"a": 1}], [{"a": 1}]),
        ([1.0, 2.0], [[1.0, 2.0]]),
        ({"inputs": {"a": [1]}}, []),
        ("text", []),
    ],
)
def test_reads_examples_as_mlflow_writes_them(document: Any, rows: Any):
    assert rows_of_example(document) == rows


def signature(*inputs: dict[str, Any]) -> dict[str, Any]:
    return {"signature": {"inputs": json.dumps(inputs)}}


@pytest.mark.parametrize(
    ("model", "rows"),
    [
        (
            signature({"type": "double", "name": "a"}, {"type": "string", "name": "b"}, {"type": "long", "name": "c"}),
            [{"a": 0.0, "b": "", "c": 0}],
        ),
        (signature({"type": "double"}, {"type": "boolean"}), [[0.0, False]]),
        (signature({"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}), [[0.0, 0.0, 0.0]]),
        (signature({"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 8, 8]}}), []),
        (signature({"type": "array", "name": "words"}), []),
        ({}, []),
        ({"signature": None}, []),
    ],
)
def test_makes_a_row_from_a_signature(model: dict[str, Any], rows: Any):
    assert row_of_signature(model) == rows


def test_finds_the_example_among_the_files():
    info = {"artifact_path": "input_example.json", "type": "dataframe"}
    assert example_path({"saved_input_example_info": info}) == "input_example.json"
    assert example_path({"saved_input_example_info": info | {"type": "sparse_matrix_csc"}}) is None
    assert example_path({}) is None
