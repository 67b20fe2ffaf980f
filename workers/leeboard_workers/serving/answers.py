"""Reads a predictor's answer, and writes what the client gets: refused rows, flags, the other protocol."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from leeboard.contract.serving import (
    V1_OUT_OF_DISTRIBUTION,
    V2_FEATURES_TENSOR,
    V2_FLAG_TENSOR,
    V2_LOGITS_TENSOR,
    V2_P_VALUE_TENSOR,
    V2_PREDICTION_TENSOR,
    V2_PROBABILITIES_TENSOR,
    V2_SCORE_TENSOR,
    V2_STRANGEST_TENSOR,
)
from leeboard_workers.ood.fitted import Scores
from leeboard_workers.serving.codec import MAX_DIMENSIONS, MAX_ROWS, Document, laid_flat, nested

_MATRICES = (V2_PROBABILITIES_TENSOR, V2_LOGITS_TENSOR, V2_FEATURES_TENSOR)


class BadAnswerError(ValueError):
    """The predictor's answer cannot be understood."""


@dataclass
class Answer:
    """A predictor's answer, in its own protocol."""

    document: Document
    protocol: str
    rows: int

    @classmethod
    def read(cls, document: Any, protocol: str, rows: int | None) -> "Answer":
        """Check that the document answers so many rows (none: up to `MAX_ROWS`), and holds what its shapes say.

        Raises:
            BadAnswerError: it does not.
        """
        member = "predictions" if protocol == "v1" else "outputs"
        answers = document.get(member) if isinstance(document, dict) else None
        if not isinstance(answers, list) or not answers:
            raise BadAnswerError(f"the predictor's answer has no {member}")
        if protocol == "v2":
            tensors = [_read_tensor(tensor, at) for at, tensor in enumerate(answers)]
            document = document | {"outputs": tensors}
            prediction = next((one for one in tensors if one["name"] == V2_PREDICTION_TENSOR), tensors[0])
            answered = prediction["shape"][0] if prediction["shape"] else 0
        else:
            answered = len(answers)
        if answered != (min(answered, MAX_ROWS) if rows is None else rows):
            raise BadAnswerError(f"the predictor answered {answered} rows of {MAX_ROWS if rows is None else rows}")
        return cls(document, protocol, answered)

    @classmethod
    def refused(cls, protocol: str, rows: int, model: str) -> "Answer":
        """Return the answer to rows that never reached the predictor."""
        if protocol == "v1":
            return cls({"predictions": [None] * rows}, protocol, rows)
        tensor = {"name": V2_PREDICTION_TENSOR, "shape": [rows], "datatype": "FP64", "data": [None] * rows}
        return cls({"model_name": model, "outputs": [tensor]}, protocol, rows)

    @property
    def predictions(self) -> list[Any]:
        """What the model answers, one per row."""
        if self.protocol == "v1":
            return list(self.document["predictions"])
        tensor = self._tensor(V2_PREDICTION_TENSOR) or self.document["outputs"][0]
        cells = nested(tensor["data"], tensor["shape"])
        return [cell[0] if isinstance(cell, list) and len(cell) == 1 else cell for cell in cells]

    def matrix(self, name: str) -> NDArray[np.float64] | None:
        """Return probabilities, logits or features as rows by columns (NaN if refused), or none when there are none."""
        if self.protocol == "v1":
            cells = self.document.get(name)
        else:
            tensor = self._tensor(name)
            fits = tensor is not None and tensor["shape"][:1] == [self.rows]
            cells = nested(tensor["data"], tensor["shape"]) if tensor is not None and fits else None
        if not isinstance(cells, list):
            return None
        width = next((len(row) for row in cells if isinstance(row, list)), 0)
        try:
            matrix = np.array([[np.nan] * width if row is None else row for row in cells], dtype=np.float64)
        except (TypeError, ValueError):
            return None
        return matrix if matrix.shape[:1] == (self.rows,) and matrix.ndim == 2 else None  # noqa: PLR2004

    def spread(self, kept: Sequence[bool]) -> "Answer":
        """Return the answer to all rows, given which of them this one answers: null for the others."""
        if self.protocol == "v1":
            document = self.document | {
                name: _spread(self.document[name], kept)
                for name in ("predictions", *_MATRICES)
                if isinstance(self.document.get(name), list) and len(self.document[name]) == self.rows
            }
        else:
            tensors = [_spread_tensor(tensor, kept, self.rows) for tensor in self.document["outputs"]]
            document = self.document | {"outputs": tensors}
        return Answer(document, self.protocol, len(kept))

    def without(self, refused: NDArray[np.bool_]) -> "Answer":
        """Return the answer with null for the refused rows."""
        kept = [not row for row in refused.tolist()]
        if all(kept):
            return self
        if self.protocol == "v1":
            document = self.document | {
                name: [cell if keep else None for cell, keep in zip(self.document[name], kept, strict=True)]
                for name in ("predictions", *_MATRICES)
                if isinstance(self.document.get(name), list) and len(self.document[name]) == self.rows
            }
        else:
            tensors = [_null_tensor(tensor, kept) for tensor in self.document["outputs"]]
            document = self.document | {"outputs": tensors}
        return Answer(document, self.protocol, self.rows)

    def translated(self, protocol: str, model: str) -> "Answer":
        """Return the answer in the protocol, under the public name of the model."""
        if protocol == self.protocol:
            if protocol == "v2" and self.document.get("model_name") != model:
                return Answer(self.document | {"model_name": model}, protocol, self.rows)
            return self
        matrices = {name: matrix.tolist() for name in _MATRICES if (matrix := self.matrix(name)) is not None}
        predictions = self.predictions
        if protocol == "v1":
            return Answer({"predictions": predictions} | matrices, protocol, self.rows)
        outputs = [_as_tensor(V2_PREDICTION_TENSOR, predictions)]
        outputs += [_as_tensor(name, matrix) for name, matrix in matrices.items()]
        return Answer({"model_name": model, "outputs": outputs}, protocol, self.rows)

    def flagged(self, scores: Scores) -> "Answer":
        """Return the answer with what the detector says about each row, and why it flags those that it flags."""
        told = scores.scores.tolist(), scores.p_values.tolist(), scores.flags.tolist()
        if self.protocol == "v1":
            judged = [
                _judgement(score, p_value, flag, names, threshold)
                for score, p_value, flag, names, threshold in zip(
                    *told, scores.features, scores.of_each_row.tolist(), strict=True
                )
            ]
            return Answer(self.document | {V1_OUT_OF_DISTRIBUTION: judged}, self.protocol, self.rows)
        shape = [self.rows]
        flags = {"name": V2_FLAG_TENSOR, "shape": shape, "datatype": "BOOL", "data": told[2]}
        tensors = [
            flags | {"parameters": _bounds(scores)},
            {"name": V2_SCORE_TENSOR, "shape": shape, "datatype": "FP64", "data": told[0]},
            {"name": V2_P_VALUE_TENSOR, "shape": shape, "datatype": "FP64", "data": told[1]},
        ]
        if any(scores.features):
            names = [orjson.dumps(row).decode() for row in scores.features]
            tensors.append({"name": V2_STRANGEST_TENSOR, "shape": shape, "datatype": "BYTES", "data": names})
        return Answer(self.document | {"outputs": self.document["outputs"] + tensors}, self.protocol, self.rows)

    def with_id(self, request_id: str) -> "Answer":
        """Return the answer with the id that the request's document gave itself."""
        return Answer(self.document | {"id": request_id}, self.protocol, self.rows)

    def with_error(self, sentence: str) -> "Answer":
        """Return the answer with a sentence that says why nothing was answered."""
        return Answer(self.document | {"error": sentence}, self.protocol, self.rows)

    def _tensor(self, name: str) -> Document | None:
        return next((tensor for tensor in self.document["outputs"] if tensor.get("name") == name), None)


def _bounds(scores: Scores) -> Document:
    single: Document = {"threshold": scores.threshold}
    return (
        single
        if scores.thresholds is None
        else single | {"thresholds": orjson.dumps(scores.thresholds.tolist()).decode()}
    )


def _judgement(score: float, p_value: float, flag: bool, names: Sequence[str], threshold: float) -> Document:  # noqa: FBT001 (one of its fields)
    judged: Document = {"score": score, "pValue": p_value, "flagged": flag}
    if flag:
        judged["threshold"] = threshold
    if names:
        judged["features"] = list(names)
    return judged


def _spread(cells: list[Any], kept: Sequence[bool]) -> list[Any]:
    answered = iter(cells)
    return [next(answered) if keep else None for keep in kept]


def _spread_tensor(tensor: Document, kept: Sequence[bool], rows: int) -> Document:
    shape, data = tensor["shape"], tensor["data"]
    if not shape or shape[0] != rows:
        return tensor
    width = math.prod(shape[1:])
    cells = [data[at * width : (at + 1) * width] for at in range(rows)]
    spread = _spread(cells, kept)
    flat = [cell for row in spread for cell in (row if row is not None else [None] * width)]
    return tensor | {"shape": [len(kept), *shape[1:]], "data": flat}


def _null_tensor(tensor: Document, kept: Sequence[bool]) -> Document:
    shape, data = tensor["shape"], tensor["data"]
    if not shape or shape[0] != len(kept):
        return tensor
    width = math.prod(shape[1:])
    return tensor | {"data": [cell if kept[at // width] else None for at, cell in enumerate(data)]}


def _as_tensor(name: str, rows: list[Any]) -> Document:
    shape, flat = [len(rows)], rows
    while (width := _width(flat)) is not None and len(shape) < MAX_DIMENSIONS:
        flat = [cell for row in flat for cell in (row if row is not None else [None] * width)]
        shape.append(width)
    present = [cell for cell in flat if cell is not None]
    if present and all(isinstance(cell, bool) for cell in present):
        datatype = "BOOL"
    elif present and all(isinstance(cell, int) for cell in present):
        datatype = "INT64"
    else:
        datatype = "FP64" if all(isinstance(cell, int | float) for cell in present) else "BYTES"
    return {"name": name, "shape": shape, "datatype": datatype, "data": flat}


def _width(rows: list[Any]) -> int | None:
    """Return the length of lists that are equally long; none for anything else."""
    widths = {len(row) if isinstance(row, list) else None for row in rows if row is not None}
    return widths.pop() if len(widths) == 1 else None


def _read_tensor(tensor: Any, at: int) -> Document:
    """Return an output whose data are as long as its shape says; those that are nested are laid flat."""
    name = tensor.get("name") if isinstance(tensor, dict) else None
    if not isinstance(tensor, dict) or not isinstance(name, str):
        raise BadAnswerError(f"outputs[{at}] of the predictor's answer is no tensor with a name")
    shape, data = tensor.get("shape"), tensor.get("data")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise BadAnswerError(f"the predictor's output {name[:80]!r} has no shape, a list of numbers")
    if len(shape) > MAX_DIMENSIONS:
        raise BadAnswerError(f"the predictor's output {name[:80]!r} has more than {MAX_DIMENSIONS} dimensions")
    if not isinstance(data, list):
        raise BadAnswerError(f"the predictor's output {name[:80]!r} has no data, a list of values")
    flat = laid_flat(data) if data and isinstance(data[0], list) else data
    endless = not flat and len(shape) > 2 and shape[0] > 0  # noqa: PLR2004 (rows of nothing: as many as one likes)
    if len(flat) != math.prod(shape) or endless:
        told = f"{len(flat)} values, its shape {str(shape)[:80]} says otherwise"
        raise BadAnswerError(f"the predictor's output {name[:80]!r} holds {told}")
    return tensor if flat is data else tensor | {"data": flat}
