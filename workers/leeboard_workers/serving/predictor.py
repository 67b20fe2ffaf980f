"""Serves an MLflow model on KServe's model server, and tells more than the prediction when the model can.

v1: `{"predictions": […], "probabilities"?: […], "logits"?: […], "features"?: […]}`. v2: the same as tensors `predict`,
`probabilities`, `logits` and `features`; the tensor of probabilities names its classes in the parameter `classes`.
Inputs are checked against the model's signature; a column that is wrong is named in an answer with status 400.
"""

import argparse
import asyncio
import functools
import json
import logging
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kserve
import mlflow.pyfunc
import numpy as np
import pandas as pd
from kserve.errors import InvalidInput
from mlflow.exceptions import MlflowException

from leeboard.contract.serving import (
    V2_FEATURES_TENSOR,
    V2_LOGITS_TENSOR,
    V2_PREDICTION_TENSOR,
    V2_PROBABILITIES_TENSOR,
)
from leeboard_workers.ood.outputs import MATRICES, Outputs, classes_of, estimator_of, outputs_in, outputs_of, widths_of
from leeboard_workers.serving.asgi import host, settle
from leeboard_workers.serving.batching import Batches
from leeboard_workers.serving.blame import blame, table_of
from leeboard_workers.serving.bounds import Bounded
from leeboard_workers.serving.codec import BadRequestError, Rows, decode_v1, decode_v2
from leeboard_workers.serving.signature import Signature

_LONGEST_SENTENCE = 1000
_DATATYPES = {"b": "BOOL", "i": "INT64", "u": "UINT64", "f": "FP64"}


class LeeboardModel(kserve.Model):  # type: ignore[misc]  # the SDK has no types
    """One MLflow model under one name."""

    def __init__(self, name: str, model_dir: Path) -> None:
        """Name the model; `load` reads it.

        Args:
            name: Public name.
            model_dir: Folder with the file MLmodel.
        """
        super().__init__(name)
        self._model_dir = model_dir
        self._batches: Batches | None = None
        self._answered: pd.DataFrame | None = None
        """A row that the model has answered."""

    def load(self) -> bool:
        """Load the model.

        Raises:
            FileNotFoundError: the folder holds no MLflow model.
        """
        if not (self._model_dir / "MLmodel").is_file():
            raise FileNotFoundError(f"{self._model_dir} holds no MLflow model: there is no file MLmodel in it")
        self._model = mlflow.pyfunc.load_model(str(self._model_dir))
        self._estimator = estimator_of(self._model)
        if self._estimator is not None:
            self._batches = Batches(functools.partial(outputs_of, self._estimator))
        self._signature = Signature.of(self._model.metadata.signature)
        self._classes = None if self._estimator is None else classes_of(self._estimator)
        self.ready = True
        return self.ready

    async def predict(
        self, payload: dict[str, Any] | kserve.InferRequest, headers: dict[str, str] | None = None
    ) -> dict[str, Any] | kserve.InferResponse:
        """Answer a v1 document or a v2 request in its own protocol.

        Raises:
            InvalidInput: the request does not fit the model's signature.
        """
        del headers
        version_one = isinstance(payload, dict)
        try:
            rows = (
                decode_v1(payload, self._signature.names)
                if version_one
                else decode_v2({"inputs": _tensors(payload)}, self._signature.names)
            )
            frame = self._signature.frame(rows)
        except BadRequestError as error:
            raise InvalidInput(str(error)) from error
        outputs = await self._asked(frame, rows)
        return self._v1(outputs) if version_one else self._v2(outputs, payload)

    def get_input_types(self) -> list[dict[str, Any]]:
        """Describe the inputs for the metadata of v2."""
        return self._signature.tensors()

    def get_output_types(self) -> list[dict[str, Any]]:
        """Describe the outputs for the metadata of v2."""
        datatype = "FP64" if self._classes is None else _datatype(np.asarray(self._classes))
        told = self._signature.matrices() if self._estimator is None else widths_of(self._estimator)
        widths = {name: told[name] for name in MATRICES if name in told}
        return [
            {"name": V2_PREDICTION_TENSOR, "datatype": datatype, "shape": [-1]},
            *({"name": name, "datatype": "FP64", "shape": [-1, width]} for name, width in widths.items()),
        ]

    async def _asked(self, frame: Any, rows: Rows) -> Outputs:
        """Ask the model; a row that it cannot read, such as one of a category that it never saw, is named."""
        table = table_of(frame)
        ask = functools.partial(self._answers, rows.count)
        try:
            if self._batches is not None and isinstance(frame, pd.DataFrame):
                outputs = await self._batches.ask(frame)
            else:
                outputs = await asyncio.to_thread(ask, frame)
        except Exception as error:
            found = None
            if self._answered is not None and table is not None and list(table) == list(self._answered):
                found = await asyncio.to_thread(blame, self._alike(frame), table, self._answered)
            if found is None:
                raise
            raise InvalidInput(str(found)) from error
        if self._answered is None and table is not None:
            self._answered = table.iloc[:1]
        return outputs

    def _alike(self, given: Any) -> Callable[[pd.DataFrame], Outputs]:
        """Return what asks the model about rows of a table, handed over as the given ones were."""
        tables = isinstance(given, pd.DataFrame)
        return lambda table: self._answers(len(table), table if tables else table.to_numpy())

    def _answers(self, count: int, frame: Any) -> Outputs:
        if self._estimator is not None:
            return outputs_of(self._estimator, frame)
        try:
            answer = self._model.predict(frame)
        except MlflowException as error:  # it quotes all of the input
            raise InvalidInput(str(error)[:_LONGEST_SENTENCE]) from error
        outputs = outputs_in(answer)
        if len(outputs.predict) != count:
            raise kserve.errors.InferenceError(f"the model answered {len(outputs.predict)} rows of {count}")
        return outputs

    def _v1(self, outputs: Outputs) -> dict[str, Any]:
        return {"predictions": outputs.predict.tolist()} | {
            name: matrix.tolist() for name, matrix in _matrices(outputs).items()
        }

    def _v2(self, outputs: Outputs, request: kserve.InferRequest) -> kserve.InferResponse:
        tensors = [_output(V2_PREDICTION_TENSOR, outputs.predict)]
        for name, matrix in _matrices(outputs).items():
            tensor = _output(name, matrix)
            if name == V2_PROBABILITIES_TENSOR and self._classes is not None:
                tensor.parameters = {"classes": json.dumps(self._classes)}
            tensors.append(tensor)
        response_id = request.id or uuid.uuid4().hex  # the SDK refuses to answer without one
        return kserve.InferResponse(response_id=response_id, model_name=self.name, infer_outputs=tensors)


def _matrices(outputs: Outputs) -> dict[str, np.ndarray[Any, Any]]:
    matrices = {
        V2_PROBABILITIES_TENSOR: outputs.probabilities,
        V2_LOGITS_TENSOR: outputs.logits,
        V2_FEATURES_TENSOR: outputs.features,
    }
    return {name: matrix for name, matrix in matrices.items() if matrix is not None}


def _output(name: str, values: np.ndarray[Any, Any]) -> kserve.InferOutput:
    datatype = _datatype(values)
    cells = values.ravel().tolist()
    data = [str(cell) for cell in cells] if datatype == "BYTES" else cells
    return kserve.InferOutput(name=name, shape=list(values.shape), datatype=datatype, data=data)


def _datatype(values: np.ndarray[Any, Any]) -> str:
    return _DATATYPES.get(values.dtype.kind, "BYTES")


def _tensors(request: kserve.InferRequest) -> list[dict[str, Any]]:
    return [
        {
            "name": tensor.name,
            "shape": list(tensor.shape),
            "datatype": tensor.datatype,
            "data": list(tensor.data) if tensor.data is not None else tensor.as_numpy().ravel().tolist(),
        }
        for tensor in request.inputs
    ]


class _Server(kserve.ModelServer):  # type: ignore[misc]  # the SDK has no types
    """The SDK's server with an address of our choice and bounds; of itself it listens on all and takes what comes."""

    def setup_event_loop(self) -> None:
        """Set them: the SDK calls this between making its HTTP server and starting it."""
        super().setup_event_loop()
        config = self._rest_server.config
        config.host = host()
        config.app = Bounded(kserve.model_server.app)


def main() -> None:
    """Run the server until it is told to stop."""
    parser = argparse.ArgumentParser(prog="leeboard-predictor", description="Serve an MLflow model on KServe's server.")
    parser.add_argument("--model_dir", type=Path, required=True, help="folder with the file MLmodel")
    parser.add_argument("--model_name", default="model", help="public name")
    parser.add_argument("--http_port", type=int, default=8080)
    options, _ = parser.parse_known_args()  # KServe passes more; the SDK reads those itself
    model = LeeboardModel(options.model_name, options.model_dir)
    try:
        model.load()
    except (OSError, MlflowException, ImportError) as error:
        sys.exit(f"the model cannot be loaded: {error}")
    server = _Server(http_port=options.http_port, enable_grpc=False, enable_latency_logging=False)
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # a line per request costs more than the request
    logging.getLogger("kserve").setLevel(logging.WARNING)
    settle()
    server.start([model])


if __name__ == "__main__":
    main()
