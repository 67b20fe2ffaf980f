"""Where servers listen, and how much they hold."""

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from leeboard_workers.serving.asgi import Held, HttpProtocol, Request, Response, asgi, host


def test_a_server_listens_on_all_addresses_unless_it_is_told_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("LEEBOARD_HOST", raising=False)
    assert host() == "0.0.0.0"  # noqa: S104
    monkeypatch.setenv("LEEBOARD_HOST", "127.0.0.1")
    assert host() == "127.0.0.1"


class Slow:
    """An application that answers when it is let."""

    max_body_bytes = 100

    def __init__(self) -> None:
        self.entered, self.let = asyncio.Event(), asyncio.Event()

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def answer(self, request: Request) -> Response:
        self.entered.set()
        await self.let.wait()
        return Response.json(len(request.body))

    def too_large(self, request: Request) -> Response:
        return Response.error(request.path, 413)

    def too_many(self, request: Request) -> Response:
        return Response.later(request.path, 429)


class Client(asyncio.Protocol):
    """Keeps what comes, as it comes."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    def data_received(self, data: bytes) -> None:
        self.came.put_nowait(data)


async def test_head_and_body_of_an_answer_come_at_once() -> None:
    application = Slow()
    application.let.set()
    config = uvicorn.Config(asgi(application), log_config=None)
    config.load()
    loop, state = asyncio.get_running_loop(), ServerState()
    server = await loop.create_server(lambda: HttpProtocol(config, state, {}), "127.0.0.1", 0)
    async with server:
        transport, client = await loop.create_connection(Client, *server.sockets[0].getsockname())
        for _ in range(20):
            transport.write(b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc")
            head, _, body = (await client.came.get()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert body == b"3"
        transport.write(b"POST / HTTP/1.1\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc")
        assert (await client.came.get()).endswith(b"\r\n\r\n3")


async def test_more_bodies_than_memory_is_meant_for_are_told_to_come_again() -> None:
    application = Slow()
    served = asgi(application, held=Held(150))

    async def post(size: int) -> tuple[int, dict[bytes, bytes]]:
        sent: list[dict[str, Any]] = []
        parts = [{"type": "http.request", "body": bytes(size // 2), "more_body": True}] * 2
        parts += [{"type": "http.request", "body": b"", "more_body": False}]
        messages = iter(parts)

        async def receive() -> dict[str, Any]:
            return next(messages)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await served({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
        return sent[0]["status"], dict(sent[0]["headers"])

    first = asyncio.create_task(post(80))
    await application.entered.wait()
    status, headers = await post(80)
    assert (status, headers[b"retry-after"]) == (429, b"1")
    application.let.set()
    assert (await first)[0] == 200
    assert (await post(60))[0] == 200
    assert (await post(102))[0] == 413
    assert (await post(90))[0] == 200, "what was refused is not held"
