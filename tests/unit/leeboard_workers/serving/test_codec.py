from typing import Any

import numpy as np
import pytest

from leeboard_workers.data.encoding import RowLists
from leeboard_workers.serving.codec import BadRequestError, Rows, decode_v1, decode_v2, encode_v1, encode_v2

NAMED = Rows({"a": [1, None], "b": ["x", "y"]}, 2)


def test_v1_takes_objects_lists_and_bare_values() -> None:
    assert decode_v1({"instances": [{"a": 1, "b": "x"}, {"b": "y"}]}, ()) == NAMED
    assert decode_v1({"instances": [[1, "x"], [None, "y"]]}, ("a", "b")) == NAMED
    assert decode_v1({"instances": [{"b": "x", "a": 1}, {"b": "y", "a": None}]}, ()) == NAMED
    assert decode_v1({"instances": [1, 2]}, ("a",)) == Rows({"a": [1, 2]}, 2)
    assert decode_v1({"instances": [[1], [2]]}, ()) == Rows({"input-0": [[1], [2]]}, 2, named=False)


def test_v2_takes_a_tensor_per_column_or_one_for_all() -> None:
    columns = [
        {"name": "a", "shape": [2], "datatype": "FP64", "data": [1, None]},
        {"name": "b", "shape": [2, 1], "datatype": "BYTES", "data": [["x"], ["y"]]},
    ]
    assert decode_v2({"inputs": columns}, ("a", "b")) == NAMED
    matrix = {"name": "all", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}
    assert decode_v2({"inputs": [matrix]}, ("a", "b")) == Rows({"a": [1, 3], "b": [2, 4]}, 2)
    assert decode_v2({"inputs": [matrix]}, ()) == Rows({"all": [[1, 2], [3, 4]]}, 2, named=False)
    image = {"name": "image", "shape": [1, 2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}
    assert decode_v2({"inputs": [image]}, ("image",)) == Rows({"image": [[[1, 2], [3, 4]]]}, 1)


def test_rows_come_back_from_either_protocol() -> None:
    assert decode_v1(encode_v1(NAMED), ()) == NAMED
    assert decode_v2(encode_v2(NAMED, {"a": "FP64"}), ("a", "b")) == NAMED
    nested = Rows({"image": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]}, 2)
    assert decode_v2(encode_v2(nested, {}), ("image",)) == nested


def test_datatypes_are_the_models_or_follow_the_values() -> None:
    kinds = {tensor["name"]: tensor["datatype"] for tensor in encode_v2(NAMED, {"a": "INT64"})["inputs"]}
    assert kinds == {"a": "INT64", "b": "BYTES"}
    assert encode_v2(Rows({"c": [True]}, 1), {})["inputs"][0]["datatype"] == "BOOL"


def test_rows_as_lists_are_numbers_at_once_unless_a_cell_is_none() -> None:
    numbers = RowLists(("a", "b"), [[1, None], [True, 2.5]]).numbers
    assert numbers is not None
    np.testing.assert_array_equal(numbers, [[1.0, 1.0], [np.nan, 2.5]])
    for cell in ("x", {}, [1], [1, 2], 10**400):
        assert RowLists(("a",), [[cell], [cell]]).numbers is None


def test_only_keeps_the_rows_that_are_named() -> None:
    assert NAMED.only([False, True]) == Rows({"a": [None], "b": ["y"]}, 1)


@pytest.mark.parametrize(
    ("tensor", "sentence"),
    [
        ({}, r"inputs\[0\] must be a tensor"),
        ({"name": "a", "shape": [0], "datatype": "FP64", "data": []}, "shape of the tensor 'a'"),
        ({"name": "a", "shape": [1], "data": [1]}, "'a' has no datatype"),
        ({"name": "a", "shape": [1], "datatype": "FP64"}, "data of the tensor 'a'"),
        ({"name": "a", "shape": [2], "datatype": "FP64", "data": [1]}, "holds 1 values"),
    ],
)
def test_bad_tensors_are_named(tensor: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadRequestError, match=sentence):
        decode_v2({"inputs": [tensor]}, ())


def test_tensors_must_have_equally_many_rows() -> None:
    tensors = [{"name": str(n), "shape": [n], "datatype": "FP64", "data": [1] * n} for n in (1, 2)]
    with pytest.raises(BadRequestError, match="same number of rows"):
        decode_v2({"inputs": tensors}, ())
