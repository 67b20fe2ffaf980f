"""A small ASGI application: exact paths, bounded bodies, JSON answers, uvicorn underneath.

The framework of KServe's SDK costs more per request than scoring and logging together; a data plane of a few paths
needs none. On SIGTERM the server first asks each client to let its connection go, and ends when they have:

```
SIGTERM ── every answer says `connection: close`, new connections are taken ── none is left, or 5 s ── listens no more
        ── requests under way are finished, 25 s at most ── the application stops
```
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Protocol, cast

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from leeboard.contract.serving import ENV_HOST

JSON = b"application/json"
TEXT = b"text/plain; version=0.0.4; charset=utf-8"

_PARTING_SECONDS = 5.0
_GRACE_SECONDS = 25
_OBJECTS_BETWEEN_ROUNDS = 10_000
_KEEP_ALIVE_SECONDS = 65  # longer than the idle time-outs of usual proxies


class BodyTooLargeError(Exception):
    """The body is longer than the application takes."""


class BusyError(Exception):
    """The bodies of all requests are as much as memory is meant to hold."""


class ClientGoneError(Exception):
    """The client left before its request was read."""


@dataclass(slots=True)
class Request:
    """A request whose body was read."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header, or none."""
        value = self.headers.get(name.encode())
        return None if value is None else value.decode("latin-1")


@dataclass(slots=True)
class Response:
    """An answer."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())
    afterwards: Callable[[], None] | None = None
    """What is left to do once the answer is on its way."""

    @classmethod
    def json(cls, document: Any, status: int = 200) -> "Response":
        """Answer a JSON document; what JSON cannot hold becomes null."""
        return cls(status, orjson.dumps(document))

    @classmethod
    def error(cls, sentence: str, status: int) -> "Response":
        """Answer one sentence."""
        return cls.json({"error": sentence}, status)

    @classmethod
    def later(cls, sentence: str, status: int) -> "Response":
        """Answer one sentence, and that it is worth trying again in a second."""
        response = cls.error(sentence, status)
        response.headers = ((b"retry-after", b"1"),)
        return response


class Application(Protocol):
    """What an application brings."""

    max_body_bytes: int

    async def start(self) -> None:
        """Open what is needed before the first request."""

    async def stop(self) -> None:
        """Close it, after the last request."""

    async def answer(self, request: Request) -> Response:
        """Answer a request."""

    def too_large(self, request: Request) -> Response:
        """Answer a request whose body is longer than the application takes."""

    def too_many(self, request: Request) -> Response:
        """Answer a request that there is no memory for now."""


Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Asgi = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


class Leaving:
    """Whether the process is to end."""

    def __init__(self) -> None:
        """Stay."""
        self.begun: float | None = None
        """When it was asked to end, on the monotonic clock."""


class Held:
    """Bytes of bodies that are in memory: of all requests under way together at most so many."""

    def __init__(self, limit: int) -> None:
        """Hold nothing.

        Args:
            limit: Bytes; who comes when they are taken is told to come again.
        """
        self._limit = limit
        self._bytes = 0

    @contextlib.contextmanager
    def counting(self, receive: Receive) -> Iterator[Receive]:
        """Count what is received, until the request is done."""
        size = 0

        async def received() -> dict[str, Any]:
            nonlocal size
            message = await receive()
            length = len(message.get("body", b""))
            if self._bytes + length > self._limit:
                raise BusyError
            self._bytes += length
            size += length
            return message

        try:
            yield received
        finally:
            self._bytes -= size


def asgi(application: Application, leaving: Leaving | None = None, held: Held | None = None) -> Asgi:
    """Wrap the application as uvicorn wants it.

    Args:
        application: What answers.
        leaving: Tells when clients are to be asked to go.
        held: Bounds the bodies of all requests under way; none: only each alone is bounded.
    """
    leaving = leaving or Leaving()

    async def run(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(application, receive, send)
            return
        headers = dict(scope["headers"])
        try:
            with contextlib.nullcontext(receive) if held is None else held.counting(receive) as received:
                body = await whole_body(received, headers, application.max_body_bytes)
                response = await _answer(application, Request(scope["method"], scope["path"], headers, body))
        except BodyTooLargeError:
            response = application.too_large(Request(scope["method"], scope["path"], headers, b""))
        except BusyError:
            response = application.too_many(Request(scope["method"], scope["path"], headers, b""))
        except ClientGoneError:
            return
        await respond(send, response, leaving=leaving.begun is not None)
        if response.afterwards is not None:
            asyncio.get_running_loop().call_soon(response.afterwards)

    return run


async def respond(send: Send, response: Response, *, leaving: bool = False) -> None:
    """Send an answer; `leaving` asks the client to close the connection."""
    headers = [(b"content-type", response.content_type), (b"content-length", b"%d" % len(response.body))]
    headers += response.headers
    if leaving:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def whole_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """Read a body.

    Raises:
        BodyTooLargeError: it is longer than the limit.
        ClientGoneError: the client left before it was read.
    """
    with contextlib.suppress(ValueError):
        if int(headers.get(b"content-length", b"0")) > limit:
            raise BodyTooLargeError
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLargeError
        if not message.get("more_body", False):
            return part if not parts else b"".join([*parts, part])
        parts.append(part)


def host() -> str:
    """Return the address to listen on: `LEEBOARD_HOST`, else 0.0.0.0, for a pod has one address."""
    return os.environ.get(ENV_HOST) or "0.0.0.0"  # noqa: S104


def settle() -> None:
    """Leave what start-up made out of the rounds of the garbage collector, and let them come seldom.

    A full round walks through the objects of all imported modules, and a young one through the cells of all requests
    under way; neither finds anything, for what a request makes holds no cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_ROUNDS)


class _OneWrite:
    """A transport that sends what is written in one turn of the loop at once: uvicorn writes head and body apart.

    Each write is a call of the kernel and wakes the client.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._transport.writelines(waiting)


class HttpProtocol(HttpToolsProtocol):
    """Uvicorn's protocol over such a transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(cast("asyncio.Transport", _OneWrite(transport)))


class _Server(uvicorn.Server):
    """Uvicorn's server, which lets its clients go before it stops listening."""

    def __init__(self, config: uvicorn.Config, leaving: Leaving) -> None:
        super().__init__(config)
        self._leaving = leaving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        settle()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to leave; a second signal ends at once."""
        if self._leaving.begun is None and sig == signal.SIGTERM:
            self._leaving.begun = time.monotonic()
            self._captured_signals.append(sig)
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """End when all clients have gone, or have had their time."""
        begun = self._leaving.begun
        if begun is not None and (not self.server_state.connections or time.monotonic() - begun > _PARTING_SECONDS):
            return True
        return await super().on_tick(counter)


def serve(application: Application, port: int, held: Held | None = None) -> None:
    """Serve until SIGTERM: clients are asked to go, requests under way are finished, then the application stops.

    Listens on the address that the environment names: `LEEBOARD_HOST`, else on all, 0.0.0.0.

    Args:
        application: What answers.
        port: Where it listens.
        held: Bounds the bodies of all requests under way.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    leaving = Leaving()
    config = uvicorn.Config(
        asgi(application, leaving, held),
        host=host(),
        port=port,
        lifespan="on",
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    _Server(config, leaving).run()


async def _answer(application: Application, request: Request) -> Response:
    try:
        return await application.answer(request)
    except Exception:
        logging.getLogger(__name__).exception("a request to %s failed", request.path)
        return Response.error("the server failed; its log says why", 500)


async def _live(application: Application, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await application.start()
            await send({"type": "lifespan.startup.complete"})
        else:
            with contextlib.suppress(asyncio.CancelledError):
                await application.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return
