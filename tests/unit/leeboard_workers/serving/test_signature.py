"""What does not fit a model's signature is a sentence that names the field, never a cut or a lost value."""

from typing import Any

import numpy as np
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from leeboard_workers.serving.codec import BadRequestError, decode_v1, decode_v2
from leeboard_workers.serving.signature import Signature

TWO = (("a", np.float32, (-1, 2)), ("b", np.int8, (-1, 1)))


def columns(kind: DataType, *, required: bool) -> Signature:
    return Signature.of(ModelSignature(inputs=Schema([ColSpec(kind, "a", required=required)])))


def tensors(*specs: tuple[str | None, Any, tuple[int, ...]]) -> Signature:
    return Signature.of(
        ModelSignature(inputs=Schema([TensorSpec(np.dtype(kind), shape, name) for name, kind, shape in specs]))
    )


def framed(signature: Signature, *instances: Any) -> Any:
    return signature.frame(decode_v1({"instances": list(instances)}, signature.names))


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize(
    ("kind", "cell", "sentence"),
    [
        (DataType.long, 2**63, "holds a number that is too large"),
        (DataType.long, 1e300, "holds a number that is too large"),
        (DataType.integer, 2**31, "holds a number that is too large"),
        (DataType.integer, -(2**31) - 1, "holds a number that is too large"),
        (DataType.integer, 1.5, "wants a whole number"),
        (DataType.float, 1e300, "holds a number that is too large"),
        (DataType.datetime, "x", "holds what is no time"),
        (DataType.datetime, 2**63, "holds what is no time"),
        (DataType.datetime, [1], "holds what is no time"),
    ],
)
def test_a_cell_that_the_column_cannot_hold_is_named(
    kind: DataType, cell: Any, sentence: str, *, required: bool
) -> None:
    beside: list[Any] = [{"a": cell}] if required else [{"a": cell}, {"a": None}]
    with pytest.raises(BadRequestError, match=f"the column 'a' {sentence}"):
        framed(columns(kind, required=required), *beside)


@pytest.mark.parametrize("kind", [DataType.datetime, DataType.long, DataType.string, DataType.boolean])
def test_only_what_is_optional_may_be_missing(kind: DataType) -> None:
    with pytest.raises(BadRequestError, match=r"the column 'a' wants .*, row 1 holds nothing"):
        framed(columns(kind, required=True), {"a": _some(kind)}, {"a": None})
    assert framed(columns(kind, required=False), {"a": _some(kind)}, {"a": None})["a"].isna().tolist() == [False, True]


def _some(kind: DataType) -> Any:
    return {DataType.datetime: "2026-02-14", DataType.long: 2**62 + 1, DataType.string: "x"}.get(kind, True)


def test_times_of_two_forms_are_one_line() -> None:
    with pytest.raises(BadRequestError, match=r"^the column 'a' holds what is no time: .+$") as told:
        framed(columns(DataType.datetime, required=True), {"a": "2026-02-14"}, {"a": "2026-02-14T09:30:00Z"})
    assert "\n" not in str(told.value)


def test_whole_numbers_are_exact_beside_missing_ones() -> None:
    frame = framed(columns(DataType.long, required=False), {"a": 2**62 + 1}, {"a": None})
    assert frame["a"][0] == 2**62 + 1


def test_several_tensors_come_by_name_and_each_of_its_type() -> None:
    signature = tensors(*TWO)
    of_one = framed(signature, {"a": [1.5, 2], "b": [3]}, {"b": [-4.0], "a": [5, None]})
    data = [1.5, 2.0, 5.0, None]
    inputs = [
        {"name": "b", "shape": [2, 1], "datatype": "INT8", "data": [3, -4]},
        {"name": "a", "shape": [2, 2], "datatype": "FP32", "data": data},
    ]
    of_two = signature.frame(decode_v2({"inputs": inputs}, signature.names))
    for found in (of_one, of_two):
        assert list(found) == ["a", "b"]
        assert [found[name].dtype for name in found] == [np.float32, np.int8]
        np.testing.assert_array_equal(found["a"], np.array([[1.5, 2.0], [5.0, np.nan]], np.float32))
        np.testing.assert_array_equal(found["b"], [[3], [-4]])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"b": None}, "the tensor 'b' is missing$"),
        ({"a": None}, "the tensor 'a' is missing$"),
        ({"zzz": [1]}, "there is no tensor 'zzz': the model takes a, b"),
        ({"a": [1.0]}, "the tensor 'a' is not rectangular"),
        ({"a": 1.0}, "the tensor 'a' is not rectangular"),
        ({"a": ["1.0", "2.0"]}, "the tensor 'a' wants numbers"),
        ({"a": [True, 1.0]}, "the tensor 'a' wants numbers"),
        ({"a": [1e300, 0.0]}, "the tensor 'a' holds a number that is too large"),
        ({"b": [300]}, "the tensor 'b' holds a number that is too large"),
        ({"b": [300.0]}, "the tensor 'b' holds a number that is too large"),
        ({"b": [1.9]}, "the tensor 'b' wants whole numbers"),
        ({"b": [True]}, "the tensor 'b' wants whole numbers"),
        ({"b": [{"x": 1}]}, "the tensor 'b'"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(changes: dict[str, Any], sentence: str) -> None:
    row = {"a": [1.0, 2.0], "b": [3]} | changes
    rows = [{"a": [1.0, 2.0], "b": [3]}, row]
    rows = [{name: cells for name, cells in one.items() if changes.get(name, 0) is not None} for one in rows]
    if "zzz" in changes:
        rows[0]["zzz"] = [1]
    with pytest.raises(BadRequestError, match=sentence):
        framed(tensors(*TWO), *rows)


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        (np.float64, ["1.5"]),
        (np.int8, [True]),
        (np.bool_, [1]),
        (np.str_, [1]),
        (np.uint8, [-1]),
        (np.int64, [2.0**63]),
    ],
)
def test_the_only_tensor_is_held_to_its_type_too(kind: Any, cells: list[Any]) -> None:
    for name in ("a", None):
        with pytest.raises(BadRequestError, match=r"the tensor '(a|input-0)' "):
            framed(tensors((name, kind, (-1,))), *cells)


def test_the_only_tensor_may_come_as_bare_rows_but_by_no_other_name() -> None:
    signature = tensors(("a", np.float32, (-1, 2)))
    for rows in ([[1, 2]], [{"a": [1, 2]}]):
        np.testing.assert_array_equal(framed(signature, *rows), [[1, 2]])
    with pytest.raises(BadRequestError, match="there is no tensor 'zzz': the model takes a"):
        framed(signature, {"zzz": [1, 2]})
    with pytest.raises(BadRequestError, match="without names, not x, y"):
        framed(tensors((None, np.float32, (-1, 2))), {"x": 1, "y": 2})
