"""What a model's signature says about its inputs: their names, their types, which may be missing."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, TensorSpec

from leeboard_workers.serving.codec import BadRequestError, Rows

_INTEGERS = {DataType.integer: np.int32, DataType.long: np.int64}
_FLOATS = {DataType.float: np.float32, DataType.double: np.float64}
_PLAIN: dict[DataType, tuple[type, str]] = {DataType.string: (str, "text"), DataType.boolean: (bool, "true or false")}
_TENSOR_TYPES = {
    DataType.boolean: "BOOL",
    DataType.integer: "INT32",
    DataType.long: "INT64",
    DataType.float: "FP32",
    DataType.double: "FP64",
}


@dataclass(frozen=True)
class Signature:
    """The inputs of a model; without a signature there are no columns, and rows are taken as they come."""

    columns: tuple[ColSpec, ...] = ()
    tensors_in: tuple[TensorSpec, ...] = ()
    tensors_out: tuple[TensorSpec, ...] = ()

    @classmethod
    def of(cls, signature: ModelSignature | None) -> Self:
        """Read MLflow's signature."""
        if signature is None or signature.inputs is None:
            return cls()
        inputs = tuple(signature.inputs.inputs)
        outputs = signature.outputs
        told = tuple(outputs.inputs) if outputs is not None and outputs.is_tensor_spec() else ()
        if signature.inputs.is_tensor_spec():
            return cls(tensors_in=inputs, tensors_out=told)
        return cls(columns=tuple(column for column in inputs if column.name is not None), tensors_out=told)

    @property
    def names(self) -> list[str]:
        """Names of the inputs, in order."""
        return [column.name for column in self.columns] or [tensor.name for tensor in self.tensors_in if tensor.name]

    def matrices(self) -> dict[str, int]:
        """Return name and width of the outputs that are matrices and have names."""
        matrices = (tensor for tensor in self.tensors_out if tensor.name and len(tensor.shape) == 2)  # noqa: PLR2004
        return {tensor.name: int(tensor.shape[1]) for tensor in matrices}

    def tensors(self) -> list[dict[str, Any]]:
        """Describe the inputs as v2 metadata."""
        if self.columns:
            return [
                {"name": column.name, "datatype": _TENSOR_TYPES.get(column.type, "BYTES"), "shape": [-1]}
                for column in self.columns
            ]
        return [
            {"name": tensor.name or "input-0", "datatype": "FP64", "shape": [int(size) for size in tensor.shape]}
            for tensor in self.tensors_in
        ]

    def frame(self, rows: Rows) -> Any:
        """Return what the model's predict takes: a data frame, or an array for models of tensors.

        Raises:
            BadRequestError: a column is missing or of another type; the message names it.
        """
        if self.columns:
            _check_names(rows, [column.name for column in self.columns if column.required])
            return pd.DataFrame({column.name: _cells(column, rows) for column in self.columns})
        if self.tensors_in and len(rows.columns) > 1:
            return {name: np.asarray(cells) for name, cells in rows.columns.items()}
        if self.tensors_in or not rows.named:
            return _array(rows, self.tensors_in[0].type if self.tensors_in else None)
        return pd.DataFrame(rows.columns)


def _check_names(rows: Rows, required: list[str]) -> None:
    missing = [name for name in required if name not in rows.columns]
    if missing and not rows.named:
        raise BadRequestError(f"name the columns, or give them in this order: {', '.join(required[:20])}")
    if missing:
        raise BadRequestError(f"the column {missing[0]!r} is missing" + _and_more(missing[1:]))


def _and_more(names: list[str]) -> str:
    return f", and so are {', '.join(map(repr, names[:20]))}" if names else ""


def _cells(column: ColSpec, rows: Rows) -> Any:
    cells = rows.columns.get(column.name, [None] * rows.count)
    if column.type in _FLOATS:
        return np.array(_checked(column, cells, (int, float), "a number", may_miss=True), dtype=_FLOATS[column.type])
    if column.type in _INTEGERS:
        return _whole_numbers(column, cells)
    if column.type == DataType.datetime:
        return _times(column, cells)
    if column.type in _PLAIN:
        kind, what = _PLAIN[column.type]
        return _checked(column, cells, (kind,), what, may_miss=not column.required)
    return cells


def _whole_numbers(column: ColSpec, cells: list[Any]) -> Any:
    whole = [int(cell) if isinstance(cell, float) and cell.is_integer() else cell for cell in cells]
    numbers = _checked(column, whole, (int,), "a whole number", may_miss=not column.required)
    if None in numbers:
        return pd.array(numbers, dtype="Int64")
    try:
        return np.array(numbers, dtype=_INTEGERS[column.type])
    except OverflowError as error:
        raise BadRequestError(f"the column {column.name!r} holds a number that is too large") from error


def _times(column: ColSpec, cells: list[Any]) -> Any:
    try:
        return pd.to_datetime(cells)
    except (ValueError, TypeError) as error:
        raise BadRequestError(f"the column {column.name!r} holds what is no time: {error}") from error


def _checked(column: ColSpec, cells: list[Any], kinds: tuple[type, ...], what: str, *, may_miss: bool) -> list[Any]:
    for row, cell in enumerate(cells):
        if cell is None and may_miss:
            continue
        if not isinstance(cell, kinds) or (isinstance(cell, bool) and bool not in kinds):
            found = "nothing" if cell is None else repr(cell)[:40]
            raise BadRequestError(f"the column {column.name!r} wants {what}, row {row} holds {found}")
    return cells


def _array(rows: Rows, dtype: Any) -> Any:
    name, cells = next(iter(rows.columns.items()))
    try:
        return np.asarray(cells, dtype=dtype if dtype is not None else np.float64)
    except (TypeError, ValueError) as error:
        raise BadRequestError(f"the tensor {name!r} is not rectangular or holds values of another type") from error
