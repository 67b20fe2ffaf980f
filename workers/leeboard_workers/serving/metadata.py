"""What the transformer tells about itself and its model: health, readiness, metadata, as KServe's SDK tells them."""

import time
from http import HTTPStatus
from typing import Any

from leeboard_workers.serving.asgi import Response
from leeboard_workers.serving.detection import Detection
from leeboard_workers.serving.options import Identity
from leeboard_workers.serving.upstream import Predictor

Document = dict[str, Any]

_DETECTOR_PATIENCE_SECONDS = 60.0


class Metadata:
    """Answers whatever is no inference."""

    def __init__(self, identity: Identity, predictor: Predictor, detection: Detection | None) -> None:
        """Remember whom to ask; a detector that does not come holds the readiness back for a while only."""
        self._identity = identity
        self._predictor = predictor
        self._detection = detection
        self._patience_ends = time.monotonic() + _DETECTOR_PATIENCE_SECONDS
        model = identity.model_deployment
        self._always: dict[str, Document] = {
            "/": {"status": "alive"},
            "/v1/models": {"models": [model]},
            "/v2": {"name": "leeboard-transformer", "version": "2", "extensions": []},
            "/v2/health/live": {"live": True},
            "/v2/models": {"models": [model]},
        }
        self._when_ready: dict[str, Document] = {
            "/v2/health/ready": {"ready": True},
            f"/v1/models/{model}": {"name": model, "ready": True},
        }
        self._described_at = (f"/v2/models/{model}", f"/v2/models/{model}/versions/{identity.version}")
        self._when_ready |= {f"{path}/ready": {"name": model, "ready": True} for path in self._described_at}

    async def answer(self, method: str, path: str) -> Response:
        """Answer a request for something that is no inference."""
        path = path.rstrip("/") or "/"
        if path not in {*self._described_at, *self._always, *self._when_ready}:
            what = f"the model is {self._identity.model_deployment}, its version {self._identity.version}"
            return Response.error(f"there is nothing at {path[:200]}; {what}", HTTPStatus.NOT_FOUND)
        if method != "GET":
            return Response.error(f"{method} is not taken at {path}: GET it", HTTPStatus.METHOD_NOT_ALLOWED)
        if path in self._when_ready:
            return await self._unready() or Response.json(self._when_ready[path])
        return Response.json(self._always.get(path) or self._described())

    def _described(self) -> Document:
        inputs = [
            {"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in self._predictor.datatypes.items()
        ]
        identity = self._identity
        told = {"name": identity.model_deployment, "versions": [identity.version], "platform": "leeboard"}
        return told | {"inputs": inputs, "outputs": self._predictor.outputs}

    async def _unready(self) -> Response | None:
        detection = self._detection
        if detection is not None and not detection.fetched.is_set() and time.monotonic() < self._patience_ends:
            return Response.error("the detector is not there yet", HTTPStatus.SERVICE_UNAVAILABLE)
        if not await self._predictor.ready():
            return Response.error("the predictor is not ready", HTTPStatus.SERVICE_UNAVAILABLE)
        return None
