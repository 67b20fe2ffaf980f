"""Reads inference requests of protocol v1 and v2 into columns, and writes columns as requests of either.

v1: `{"instances": [{column: value, …}, …]}`, or lists in the order of the model's inputs, or bare values.
v2: one tensor per column, of shape [n], [n, 1] or, for columns of lists, [n, …]; or one tensor [n, inputs].
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leeboard_workers.data.encoding.rowlists import RowLists

MAX_ROWS = 10_000
MAX_COLUMNS = 10_000
MAX_CELLS = 5_000_000
MAX_DIMENSIONS = 16

_UNNAMED = "input-0"
_COLUMN_DIMENSIONS = 2

Document = dict[str, Any]


class BadRequestError(ValueError):
    """The request cannot be understood; the message names the field."""


@dataclass(frozen=True)
class Rows:
    """The rows of a request, by column; all columns are equally long."""

    columns: Mapping[str, list[Any]]
    count: int
    named: bool = True
    """False: the request's one column holds whole rows, as lists or bare values, and the model names no inputs."""

    def only(self, keep: Sequence[bool]) -> "Rows":
        """Return the rows to keep."""
        columns = {
            name: [cell for cell, kept in zip(cells, keep, strict=True) if kept] for name, cells in self.columns.items()
        }
        return Rows(columns, sum(keep), self.named)


def decode_v1(document: Any, inputs: Sequence[str]) -> Rows:
    """Read a v1 request.

    Args:
        document: The parsed body.
        inputs: Names of the model's inputs in order, as far as they are known.

    Raises:
        BadRequestError: it is no such request.
    """
    instances = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(instances, list) or not instances:
        raise BadRequestError('the body must be {"instances": […]} with at least one row')
    _check_count(len(instances))
    if any(isinstance(instance, dict) for instance in instances):
        return _from_mappings(instances)
    if isinstance(instances[0], list) and len(inputs) > 1:
        for row, instance in enumerate(instances):
            if not isinstance(instance, list) or len(instance) != len(inputs):
                raise BadRequestError(f"instances[{row}] must hold {len(inputs)} values: {', '.join(inputs[:20])}")
        return Rows(RowLists(inputs, instances), len(instances))
    if len(inputs) == 1:
        return Rows({inputs[0]: instances}, len(instances))
    return Rows({_UNNAMED: instances}, len(instances), named=False)


def decode_v2(document: Any, inputs: Sequence[str]) -> Rows:
    """Read a v2 request; arguments and errors as in `decode_v1`."""
    tensors = document.get("inputs") if isinstance(document, dict) else None
    if not isinstance(tensors, list) or not tensors:
        raise BadRequestError('the body must be {"inputs": […]} with at least one tensor')
    if len(tensors) > MAX_COLUMNS:
        raise BadRequestError(f"inputs holds {len(tensors)} tensors, more than {MAX_COLUMNS}")
    columns: dict[str, list[Any]] = {}
    counts = set()
    for at, tensor in enumerate(tensors):
        name, shape, cells = _tensor(tensor, at)
        if name in columns:
            raise BadRequestError(f"inputs holds the tensor {name!r} twice")
        columns[name] = cells
        counts.add(shape[0])
    if len(counts) > 1:
        raise BadRequestError(f"all tensors must have the same number of rows, not {sorted(counts)}")
    rows = counts.pop()
    _check_count(rows)
    (first, cells), *others = columns.items()
    whole_rows = not others and first not in inputs and isinstance(cells[0], list)
    if whole_rows and len(inputs) > 1:
        if len(cells[0]) != len(inputs):
            raise BadRequestError(f"inputs[0] {first!r} must have {len(inputs)} columns: {', '.join(inputs[:20])}")
        return Rows(RowLists(inputs, cells), rows)
    return Rows(columns, rows, named=not whole_rows)


def encode_v1(rows: Rows) -> Document:
    """Write the rows as a v1 request."""
    if not rows.named:
        return {"instances": next(iter(rows.columns.values()))}
    names = list(rows.columns)
    cells = zip(*rows.columns.values(), strict=True)
    return {"instances": [dict(zip(names, row, strict=True)) for row in cells]}


def encode_v2(rows: Rows, datatypes: dict[str, str]) -> Document:
    """Write the rows as a v2 request.

    Args:
        rows: The rows.
        datatypes: Data types of the model's inputs, as far as they are known; others follow from the values.
    """
    tensors = []
    for name, cells in rows.columns.items():
        shape = [rows.count, *_shape_of(next((cell for cell in cells if cell is not None), None))]
        datatype = datatypes.get(name) or _datatype_of(cells)
        tensors.append({"name": name, "shape": shape, "datatype": datatype, "data": laid_flat(cells)})
    return {"inputs": tensors}


def nested(data: Sequence[Any], shape: Sequence[int]) -> list[Any]:
    """Fold a flat list, which holds as many values as the shape says, into rows of the shape."""
    if len(shape) <= 1:
        return list(data)
    width = math.prod(shape[1:])
    return [nested(data[at * width : (at + 1) * width], shape[1:]) for at in range(shape[0])]


def laid_flat(data: list[Any]) -> list[Any]:
    """Return the values of nested lists in order."""
    while any(isinstance(cell, list) for cell in data):
        data = [part for cell in data for part in (cell if isinstance(cell, list) else [cell])]
    return data


def _check_count(rows: int) -> None:
    if not 0 < rows <= MAX_ROWS:
        raise BadRequestError(f"a request must hold 1 to {MAX_ROWS} rows, not {rows}")


def _from_mappings(instances: list[Any]) -> Rows:
    names: dict[str, None] = {}
    for row, instance in enumerate(instances):
        if not isinstance(instance, dict) or not instance:
            raise BadRequestError(f"instances[{row}] must be an object of column: value like the other rows")
        names.update(dict.fromkeys(instance))
    if len(names) > MAX_COLUMNS:
        raise BadRequestError(f"the instances have {len(names)} columns, more than {MAX_COLUMNS}")
    if len(names) * len(instances) > MAX_CELLS:  # a column that one row names is a cell of every row
        raise BadRequestError(
            f"{len(instances)} instances of together {len(names)} columns are more than {MAX_CELLS} cells: send fewer"
        )
    order = tuple(names)
    if all(tuple(instance) == order for instance in instances):
        return Rows(RowLists(order, [list(instance.values()) for instance in instances]), len(instances))
    return Rows({name: [instance.get(name) for instance in instances] for name in names}, len(instances))


def _tensor(tensor: Any, at: int) -> tuple[str, list[int], list[Any]]:
    name = tensor.get("name") if isinstance(tensor, dict) else None
    if not isinstance(name, str) or not name:
        raise BadRequestError(f"inputs[{at}] must be a tensor with name, shape, datatype and data")
    shape, data = tensor.get("shape"), tensor.get("data")
    if not isinstance(shape, list) or not shape or not all(type(size) is int and size > 0 for size in shape):
        raise BadRequestError(f"the shape of the tensor {name!r} must be a list of positive numbers")
    if len(shape) > MAX_DIMENSIONS:
        raise BadRequestError(f"the tensor {name!r} has {len(shape)} dimensions, more than {MAX_DIMENSIONS}")
    if not isinstance(tensor.get("datatype"), str):
        raise BadRequestError(f"the tensor {name!r} has no datatype, such as FP64 or BYTES")
    if not isinstance(data, list):
        raise BadRequestError(f"the data of the tensor {name!r} must be a list (binary tensors are not taken)")
    flat = laid_flat(data)
    if len(flat) != math.prod(shape):
        raise BadRequestError(f"the tensor {name!r} holds {len(flat)} values, its shape {shape} says otherwise")
    if len(shape) == 1 or (len(shape) == _COLUMN_DIMENSIONS and shape[1] == 1):
        return name, shape, flat
    return name, shape, nested(flat, shape)


def _shape_of(cell: Any) -> list[int]:
    return [len(cell), *_shape_of(cell[0] if cell else None)] if isinstance(cell, list) else []


def _datatype_of(cells: list[Any]) -> str:
    kinds = {type(cell) for cell in laid_flat(cells) if cell is not None}
    if kinds == {bool}:
        return "BOOL"
    return "BYTES" if str in kinds else "FP64"
