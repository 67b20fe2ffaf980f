"""The transformer's side of the predictor: its readiness, its inputs, its answers."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from urllib.parse import quote

import orjson

from leeboard_workers.serving.connections import AwayError, Connections, Reply, SlowError

_HEALTH_SECONDS = 2.0
_FORWARDED = (
    *(b"authorization", b"traceparent", b"tracestate", b"baggage", b"b3"),
    *(b"x-b3-traceid", b"x-b3-spanid", b"x-b3-parentspanid", b"x-b3-sampled", b"x-b3-flags"),
)


class PredictorAwayError(Exception):
    """The predictor cannot be reached."""


class PredictorSlowError(Exception):
    """The predictor did not answer in time."""


class Predictor:
    """One predictor, one model, one protocol."""

    def __init__(self, host: str, model: str, protocol: str, timeout_seconds: float) -> None:
        """Remember the address.

        Args:
            host: Host and perhaps port.
            model: Name of the model there.
            protocol: v1 or v2.
            timeout_seconds: Longest time for an answer.
        """
        self.protocol = protocol
        self.datatypes: dict[str, str] = {}
        """Data types of the model's inputs by name, in order, as far as the predictor tells."""
        self.inputs: tuple[str, ...] = ()
        """Their names."""
        self.integers: tuple[str, ...] = ()
        """Names of those that are whole numbers."""
        self.outputs: list[dict[str, object]] = []
        """The model's outputs as the predictor's metadata has them."""
        self._connections = Connections(f"http://{host}")
        self._model = quote(model, safe="")
        self._infer = f"/v1/models/{self._model}:predict" if protocol == "v1" else f"/v2/models/{self._model}/infer"
        self._timeout = timeout_seconds
        self._met = False

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    async def ready(self) -> bool:
        """Ask the predictor whether its model is ready, until it once was; learns the model's inputs on the way.

        Later its own probe judges it: were a predictor that is slow under load to make its transformers unready too,
        all of them would leave the service at once.
        """
        paths = [f"/v1/models/{self._model}", f"/v2/models/{self._model}/ready"]
        for path in paths if self.protocol == "v1" else reversed(paths):
            self._met = self._met or await self._get(path) is not None
        if self._met and not self.datatypes:
            await self._learn()
        return self._met

    async def infer(
        self,
        body: bytes,
        request_id: str,
        headers: Mapping[bytes, bytes],
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> Reply:
        """Send a request in the predictor's protocol.

        Args:
            body: The request.
            request_id: Passed on.
            headers: Of the client's request; those about its trace and its rights are passed on.
            meanwhile: Done while the predictor works.

        Raises:
            PredictorAwayError: it cannot be reached.
            PredictorSlowError: it did not answer in time.
        """
        sent = [(b"content-type", b"application/json"), (b"x-request-id", request_id.encode())]
        sent += [(name, headers[name]) for name in _FORWARDED if name in headers]
        try:
            return await self._connections.post(self._infer, body, sent, within=self._timeout, meanwhile=meanwhile)
        except SlowError as error:
            raise PredictorSlowError(f"the predictor did not answer within {self._timeout:g} s") from error
        except AwayError as error:
            raise PredictorAwayError(f"the predictor cannot be reached: {error}") from error

    async def _learn(self) -> None:
        try:
            metadata = orjson.loads(await self._get(f"/v2/models/{self._model}") or b"{}")
            inputs, outputs = metadata.get("inputs") or [], metadata.get("outputs") or []
            self.datatypes = {str(tensor["name"]): str(tensor["datatype"]) for tensor in inputs}
            self.outputs = [dict(tensor) for tensor in outputs]
        except (ValueError, TypeError, KeyError, AttributeError):
            self.datatypes, self.outputs = {}, []  # servers may leave the metadata out
        self.inputs = tuple(self.datatypes)
        self.integers = tuple(name for name, kind in self.datatypes.items() if kind.startswith(("INT", "UINT")))

    async def _get(self, path: str) -> bytes | None:
        try:
            reply = await self._connections.get(path, within=_HEALTH_SECONDS)
        except (AwayError, SlowError):
            return None
        return reply.body if reply.status == HTTPStatus.OK else None
