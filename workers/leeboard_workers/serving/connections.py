"""Kept HTTP/1.1 connections to one server, one request at a time on each.

A general client spends more on a request than the transformer's decoding, scoring, logging and counting together. This
one knows a single server, POST and GET, and answers of bounded size; the parser is httptools, in C, as in uvicorn.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast
from urllib.parse import urlsplit

import httptools

Header = tuple[bytes, bytes]

_CONNECT_SECONDS = 2.0
_MAX_OPEN = 256
_MAX_WAITING = 1024
_MAX_ANSWER_BYTES = 64 * 2**20
_LONGEST_LIFE_SECONDS = 60.0  # behind a Service stand several pods: those that are new get their share


class AwayError(Exception):
    """The server cannot be reached, or went away in mid-answer."""


class SlowError(Exception):
    """The server did not answer in time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered."""

    status: int
    body: bytes
    content_type: bytes
    retry_after: bytes = b""
    """As the server said it; empty: it did not."""


class Connections:
    """The connections to one server."""

    def __init__(self, url: str, *, max_answer_bytes: int = _MAX_ANSWER_BYTES) -> None:
        """Remember the server; connections are made when they are needed.

        Args:
            url: Scheme, host and port; a path is what all paths begin with.
            max_answer_bytes: Longer answers are errors.
        """
        parts = urlsplit(url)
        self._tls = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._name = parts.netloc.rpartition("@")[2].encode()
        self._max_answer_bytes = max_answer_bytes
        self._idle: list[_Connection] = []
        self._places = asyncio.Semaphore(_MAX_OPEN)
        self._waiting = 0

    async def post(
        self,
        path: str,
        body: bytes,
        headers: Iterable[Header] = (),
        *,
        within: float,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> Reply:
        """Send a body and return the answer.

        Args:
            path: Where to.
            body: JSON, unless a header says otherwise.
            headers: More of them; names and values hold no line ends.
            within: Longest time for the answer, in seconds.
            meanwhile: Done once, while the server works.

        Raises:
            AwayError: the server cannot be reached or went away.
            SlowError: it did not answer in time.
        """
        return await self._ask(self._head(b"POST", path, headers, len(body)), body, within, meanwhile)

    async def get(self, path: str, headers: Iterable[Header] = (), *, within: float) -> Reply:
        """Return what is at a path; arguments and errors as in `post`."""
        return await self._ask(self._head(b"GET", path, headers, None), b"", within, None)

    async def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()

    def _head(self, method: bytes, path: str, headers: Iterable[Header], length: int | None) -> bytes:
        lines = [b"%s %s%s HTTP/1.1\r\nhost: %s" % (method, self._prefix.encode(), path.encode(), self._name)]
        lines += [b"%s: %s" % header for header in headers]
        if length is not None:
            lines.append(b"content-length: %d" % length)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    async def _ask(
        self, head: bytes, body: bytes, within: float, meanwhile: Callable[[], Awaitable[None]] | None
    ) -> Reply:
        await self._take_place(within)
        try:
            while True:
                connection, kept = self._kept(), True
                if connection is None:
                    connection, kept = await self._connected(), False
                answer = connection.ask(head, body, within)
                try:
                    if meanwhile is not None:
                        work, meanwhile = meanwhile, None
                        await asyncio.sleep(0)  # the request goes out at the end of this turn of the loop
                        await work()
                    reply = await answer
                except _StaleError as error:
                    if not kept:  # a kept one may have been closed while the request was on its way
                        raise AwayError("it closed the connection") from error
                else:
                    if connection.reusable:
                        self._idle.append(connection)
                    return reply
                finally:
                    if not answer.done():  # whoever waited has gone
                        connection.close()
        finally:
            self._places.release()

    async def _take_place(self, within: float) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        if self._waiting >= _MAX_WAITING:
            raise AwayError(f"{_MAX_WAITING} requests already wait for it")
        self._waiting += 1
        try:
            async with asyncio.timeout(within):
                await self._places.acquire()
        except TimeoutError as error:
            raise SlowError from error
        finally:
            self._waiting -= 1

    def _kept(self) -> "_Connection | None":
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
            connection.close()
        return None

    async def _connected(self) -> "_Connection":
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self._max_answer_bytes), self._host, self._port, ssl=self._tls or None
                )
        except TimeoutError as error:
            raise AwayError(f"no connection within {_CONNECT_SECONDS:g} s") from error
        except OSError as error:
            raise AwayError(str(error)) from error
        return connection


class _StaleError(Exception):
    """The connection ended before any byte of an answer came."""


class _Connection(asyncio.Protocol):
    def __init__(self, max_answer_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._max_answer_bytes = max_answer_bytes
        self._ends = self._loop.time() + _LONGEST_LIFE_SECONDS * random.uniform(0.5, 1.0)  # noqa: S311 (jitter)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Reply] | None = None
        self._keeps = True
        self._begun = False

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and self._keeps and self._loop.time() < self._ends

    def ask(self, head: bytes, body: bytes, within: float) -> asyncio.Future[Reply]:
        """Send a request; the future holds the answer, or an error."""
        answer = self._answer = self._loop.create_future()
        self._begun = False
        self._reset()
        self._late = self._loop.call_later(within, self._is_late)
        if self._transport is None:
            self._fail(_StaleError())
        elif body:
            self._transport.writelines((head, body))
        else:
            self._transport.write(head)
        return answer

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        self._begun = True
        if self._answer is None:  # nobody asked
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(AwayError(f"its answer is no HTTP: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._fail(AwayError(f"it went away in mid-answer ({error})") if self._begun else _StaleError())

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-type":
            self._content_type = value
        elif name == b"retry-after":
            self._retry_after = value

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)
        self._size += len(body)
        if self._size > self._max_answer_bytes:
            self._fail(AwayError(f"its answer is longer than {self._max_answer_bytes} bytes"))

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < HTTPStatus.OK:  # 1xx: the answer is yet to come
            self._reset()
            return
        self._keeps = self._keeps and self._parser.should_keep_alive()
        answer, self._answer = self._answer, None
        self._late.cancel()
        if answer is not None and not answer.done():
            body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            answer.set_result(Reply(status, body, self._content_type, self._retry_after))

    def _reset(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._content_type = b"application/json"
        self._retry_after = b""

    def _is_late(self) -> None:
        self._fail(SlowError())

    def _fail(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            self._late.cancel()
            if not answer.done():
                answer.set_exception(error)
        self.close()
