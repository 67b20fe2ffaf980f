"""What a model's signature says about its inputs: their names, their types, which may be missing."""

from dataclasses import dataclass
from itertools import chain
from types import NoneType
from typing import Any, Self

import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, TensorSpec
from numpy.typing import NDArray

from leeboard_workers.serving.codec import BadRequestError, Rows

_INTEGERS: dict[DataType, type[np.int32 | np.int64]] = {DataType.integer: np.int32, DataType.long: np.int64}
_FLOATS = {DataType.float: np.float32, DataType.double: np.float64}
_PLAIN: dict[DataType, tuple[type, str]] = {DataType.string: (str, "text"), DataType.boolean: (bool, "true or false")}
_NUMBERS = "fiu"
_HELD: dict[str, tuple[set[type], str]] = {
    "f": ({int, float, NoneType}, "numbers"),
    "i": ({int, float}, "whole numbers"),
    "u": ({int, float}, "whole numbers"),
    "b": ({bool}, "true or false"),
    "U": ({str}, "text"),
}
"""What JSON has for a kind of numpy's types, and its name."""
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
            BadRequestError: a column or tensor is missing, unknown or of another type; the message names it.
        """
        if self.columns:
            _check_names(rows, [column.name for column in self.columns if column.required])
            return pd.DataFrame({column.name: _cells(column, rows) for column in self.columns})
        if self.tensors_in:
            return _arrays(self.tensors_in, rows)
        if rows.named:
            return pd.DataFrame(rows.columns)
        ((name, cells),) = rows.columns.items()
        try:
            return np.asarray(cells, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise BadRequestError(f"the tensor {name!r} is not rectangular or holds what is no number") from error


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
        numbers = _checked(column, cells, (int, float), "a number", may_miss=True)
        wide = np.array(numbers, dtype=np.float64)
        return _narrowed(f"the column {column.name!r}", wide, np.dtype(_FLOATS[column.type]))
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
    kind = _INTEGERS[column.type]
    bounds = np.iinfo(kind)
    if any(number is not None and not bounds.min <= number <= bounds.max for number in numbers):
        raise BadRequestError(f"the column {column.name!r} holds a number that is too large")
    return pd.array(numbers, dtype="Int64") if None in numbers else np.array(numbers, dtype=kind)


def _times(column: ColSpec, cells: list[Any]) -> Any:
    if column.required and None in cells:
        raise BadRequestError(f"the column {column.name!r} wants a time, row {cells.index(None)} holds nothing")
    try:
        return pd.to_datetime(cells)
    except (ValueError, TypeError, OverflowError) as error:
        why = str(error).partition("\n")[0][:200]
        raise BadRequestError(f"the column {column.name!r} holds what is no time: {why}") from error


def _checked(column: ColSpec, cells: list[Any], kinds: tuple[type, ...], what: str, *, may_miss: bool) -> list[Any]:
    for row, cell in enumerate(cells):
        if cell is None and may_miss:
            continue
        if not isinstance(cell, kinds) or (isinstance(cell, bool) and bool not in kinds):
            found = "nothing" if cell is None else repr(cell)[:40]
            raise BadRequestError(f"the column {column.name!r} wants {what}, row {row} holds {found}")
    return cells


def _arrays(specs: tuple[TensorSpec, ...], rows: Rows) -> Any:
    """Return the one tensor of a model as an array, several as arrays by name."""
    names = [spec.name for spec in specs if spec.name]
    if len(names) == len(specs) and (rows.named or len(specs) > 1):
        if unknown := [name for name in rows.columns if name not in names]:
            raise BadRequestError(f"there is no tensor {unknown[0]!r}: the model takes {', '.join(names[:20])}")
        if missing := [name for name in names if name not in rows.columns]:
            raise BadRequestError(f"the tensor {missing[0]!r} is missing" + _and_more(missing[1:]))
        arrays = {spec.name: _array(spec.name, rows.columns[spec.name], spec) for spec in specs}
        return arrays if len(arrays) > 1 else arrays[names[0]]
    if len(specs) > 1 or len(rows.columns) > 1:
        raise BadRequestError(
            f"the model takes {len(specs)} tensor(s) without names, not {', '.join(rows.columns)}"[:500]
        )
    ((name, cells),) = rows.columns.items()
    return _array(name, cells, specs[0])


def _array(name: str, cells: list[Any], spec: TensorSpec) -> NDArray[Any]:
    """Return the cells of a tensor as an array of its type.

    Raises:
        BadRequestError: they are not rectangular, of another type, or out of its range.
    """
    what, kind = f"the tensor {name!r}", spec.type
    taken, told = _HELD.get(kind.kind, (None, ""))
    try:
        leaves = cells
        while leaves and isinstance(leaves[0], list):
            leaves = list(chain.from_iterable(leaves))
        found = set(map(type, leaves))
        exact = kind.kind not in _NUMBERS or (kind.kind != "f" and float not in found)
        array = np.asarray(cells, dtype=kind if exact else np.float64)
    except OverflowError as error:
        raise BadRequestError(f"{what} holds a number that is too large") from error
    except (TypeError, ValueError) as error:
        raise BadRequestError(f"{what} is not rectangular or holds values of another type") from error
    if taken is not None and not found <= taken:
        raise BadRequestError(f"{what} wants {told}, and holds values of another type")
    array = array if exact else _narrowed(what, array, kind)
    one_column = array.ndim == len(spec.shape) - 1 and spec.shape[-1] in {1, -1}  # v2 gives [n, 1] as [n]
    return array[..., None] if one_column else array


def _narrowed(what: str, wide: NDArray[np.float64], kind: np.dtype[Any]) -> NDArray[Any]:
    """Return numbers as another type, if none is cut and none is lost."""
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = wide.astype(kind)
    if kind.kind == "f":
        lost = np.isinf(narrow) & ~np.isinf(wide)
    elif (wide == np.floor(wide)).all():
        bounds = np.iinfo(kind)
        lost = (wide < float(bounds.min)) | (wide >= float(bounds.max) + 1.0)
    else:
        raise BadRequestError(f"{what} wants whole numbers, and holds others")
    if lost.any():
        raise BadRequestError(f"{what} holds a number that is too large")
    return narrow
