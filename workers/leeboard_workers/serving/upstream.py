"""The transformer's side of the predictor: pooled connections, its readiness, its inputs."""

from dataclasses import dataclass

import aiohttp
import orjson

_HEALTH_TIMEOUT = aiohttp.ClientTimeout(total=2)
_CONNECT_SECONDS = 2.0
_POOL = 256
_FORWARDED = (b"authorization", b"traceparent", b"tracestate", b"x-b3-traceid")


class PredictorAwayError(Exception):
    """The predictor cannot be reached."""


class PredictorSlowError(Exception):
    """The predictor did not answer in time."""


@dataclass(frozen=True)
class Reply:
    """What the predictor answered."""

    status: int
    body: bytes
    content_type: bytes


class Predictor:
    """One predictor, one model, one protocol."""

    def __init__(self, host: str, model: str, protocol: str, timeout_seconds: float) -> None:
        """Remember the address; `open` connects.

        Args:
            host: Host and perhaps port.
            model: Name of the model there.
            protocol: v1 or v2.
            timeout_seconds: Longest time for an answer.
        """
        self._base = f"http://{host}"
        self._model = model
        self.protocol = protocol
        infer = f"/v1/models/{model}:predict" if protocol == "v1" else f"/v2/models/{model}/infer"
        self._infer = self._base + infer
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=_CONNECT_SECONDS)
        self.datatypes: dict[str, str] = {}
        """Data types of the model's inputs by name, in order, as far as the predictor tells."""
        self._met = False

    async def open(self) -> None:
        """Open the pool of connections."""
        connector = aiohttp.TCPConnector(limit=_POOL, keepalive_timeout=30, ttl_dns_cache=10)
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout, auto_decompress=True)

    async def close(self) -> None:
        """Close the pool."""
        await self._session.close()

    async def ready(self) -> bool:
        """Ask the predictor whether its model is ready, until it once was; learns the model's inputs on the way.

        Later its own probe judges it: were a predictor that is slow under load to make its transformers unready too,
        all of them would leave the service at once.
        """
        paths = [f"/v1/models/{self._model}", f"/v2/models/{self._model}/ready"]
        for path in paths if self.protocol == "v1" else reversed(paths):
            self._met = self._met or await self._get(path) is not None
        if self._met and not self.datatypes:
            await self._learn_inputs()
        return self._met

    async def infer(self, body: bytes, request_id: str, headers: dict[bytes, bytes]) -> Reply:
        """Send a request in the predictor's protocol.

        Raises:
            PredictorAwayError: it cannot be reached.
            PredictorSlowError: it did not answer in time.
        """
        sent = {"content-type": "application/json", "x-request-id": request_id}
        sent |= {name.decode(): headers[name].decode("latin-1") for name in _FORWARDED if name in headers}
        for last in (False, True):
            try:
                async with self._session.post(self._infer, data=body, headers=sent) as response:
                    content_type = response.headers.get("content-type", "application/json").encode()
                    return Reply(response.status, await response.read(), content_type)
            except TimeoutError as error:
                raise PredictorSlowError(f"the predictor did not answer within {self._timeout.total:g} s") from error
            except (aiohttp.ServerDisconnectedError, ConnectionResetError) as error:
                if last:  # the first time it may be a kept connection that the predictor had closed
                    raise PredictorAwayError(f"the predictor closed the connection: {error}") from error
            except (aiohttp.ClientError, OSError) as error:
                raise PredictorAwayError(f"the predictor cannot be reached: {error}") from error
        raise AssertionError("unreachable")

    async def _learn_inputs(self) -> None:
        metadata = await self._get(f"/v2/models/{self._model}")
        try:
            inputs = orjson.loads(metadata or b"{}").get("inputs") or []
            self.datatypes = {str(tensor["name"]): str(tensor["datatype"]) for tensor in inputs}
        except (ValueError, TypeError, KeyError, AttributeError):
            self.datatypes = {}  # servers may leave the metadata out

    async def _get(self, path: str) -> bytes | None:
        try:
            async with self._session.get(self._base + path, timeout=_HEALTH_TIMEOUT) as response:
                return await response.read() if response.status == 200 else None  # noqa: PLR2004 (OK)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None
