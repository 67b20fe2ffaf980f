"""Who comes when all places are taken is told to come again, and places that are left can be taken."""

import asyncio
from typing import Any

import orjson
import pytest

from leeboard_workers.serving.asgi import Receive, Response, Send, respond
from leeboard_workers.serving.bounds import Bounded


class Slow:
    """Answers a request's length when it is let; fails for an empty body."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.entered: asyncio.Queue[None] = asyncio.Queue()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            self.entered.put_nowait(None)
            await self.let.wait()
            body = (await receive())["body"]
            if not body:
                raise ValueError("no body")
            assert (await receive())["type"] == "http.disconnect"
            await respond(send, Response.json(len(body)))
        else:
            await respond(send, Response.json("live"))


async def ask(bounded: Bounded, *parts: bytes, method: str = "POST", length: int | None = None) -> tuple[int, Any, Any]:
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages += [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
    came = iter(messages)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(came)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [] if length is None else [(b"content-length", b"%d" % length)]
    await bounded({"type": "http", "method": method, "path": "/", "headers": headers}, receive, send)
    return sent[0]["status"], orjson.loads(sent[1]["body"]), dict(sent[0]["headers"]).get(b"retry-after")


async def waiting(application: Slow, bounded: Bounded, *bodies: bytes) -> list[asyncio.Task[Any]]:
    """Ask, and return when the application has them all."""
    tasks = [asyncio.create_task(ask(bounded, body)) for body in bodies]
    for _ in bodies:
        await application.entered.get()
    return tasks


async def test_more_requests_than_there_are_places_are_told_to_come_again() -> None:
    application = Slow()
    bounded = Bounded(application, most_requests=2)
    under_way = await waiting(application, bounded, b"abc", b"abcd")
    status, told, after = await ask(bounded, b"abc")
    assert (status, after) == (503, b"1")
    assert told == {"error": "2 requests wait for the model: try again in a second"}
    assert await ask(bounded, method="GET") == (200, "live", None), "probes are always answered"
    application.let.set()
    assert [(await one)[:2] for one in under_way] == [(200, 3), (200, 4)]
    assert (await ask(bounded, b"ab", b"cde"))[:2] == (200, 5)


async def test_more_bytes_than_memory_is_meant_for_are_told_to_come_again() -> None:
    application = Slow()
    bounded = Bounded(application, max_held_bytes=10)
    under_way = await waiting(application, bounded, b"12345678")
    status, told, after = await ask(bounded, b"abc")
    assert (status, after) == (503, b"1")
    assert "fill the memory" in told["error"]
    application.let.set()
    assert [(await one)[1] for one in under_way] == [8]
    assert (await ask(bounded, b"1234567890"))[:2] == (200, 10), "what was refused is not held"


@pytest.mark.parametrize(("parts", "length"), [((b"abc", b"def"), None), ((b"abc",), 9)])
async def test_a_body_that_is_too_long_is_refused(parts: tuple[bytes, ...], length: int | None) -> None:
    application = Slow()
    assert (await ask(Bounded(application, max_body_bytes=5), *parts, length=length))[0] == 413
    assert application.entered.empty()


async def test_a_request_that_fails_leaves_its_place() -> None:
    application = Slow()
    application.let.set()
    bounded = Bounded(application, most_requests=1, max_held_bytes=3)
    for _ in range(2):
        with pytest.raises(ValueError, match="no body"):
            await ask(bounded)
    assert (await ask(bounded, b"abc"))[:2] == (200, 3)
