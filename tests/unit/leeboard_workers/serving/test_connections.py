"""Kept connections, on the event loop that serves and on asyncio's own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from leeboard_workers.serving.connections import AwayError, Connections, Reply, SlowError

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: text/x\r\ncontent-length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n"
LATER = b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN
CLOSING = PLAIN.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
CUT = PLAIN[:-1]

Work = Callable[[Connections], Awaitable[Any]]


class Played:
    """Answers each request of a connection with the next of its answers; ends a connection that has none left."""

    def __init__(self, *connections: list[bytes]) -> None:
        self.connections = list(connections)
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in self.connections.pop(0):
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self.requests.append(head + await reader.readexactly(int(length or 0)))
            writer.write(answer)
            await writer.drain()
        writer.close()


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run the work against a played server."""

    def run(played: Played, work: Work, **more: Any) -> Any:
        async def main() -> Any:
            server = await asyncio.start_server(played.serve, "127.0.0.1", 0)
            async with server:
                connections = Connections(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/base/", **more)
                try:
                    return await work(connections)
                finally:
                    await connections.close()

        return request.param(main())

    return run


async def post(connections: Connections) -> Reply:
    return await connections.post("/path", b"body", [(b"x-id", b"7")], within=5)


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED, LATER, CLOSING])
def test_an_answer_comes_whole(ask: Callable[..., Any], answer: bytes) -> None:
    played = Played([answer])
    reply = ask(played, post)
    assert (reply.status, reply.body) == (200, b"hi")
    assert played.requests[0].startswith(b"POST /base/path HTTP/1.1\r\nhost: 127.0.0.1:")
    assert played.requests[0].endswith(b"\r\nx-id: 7\r\ncontent-length: 4\r\n\r\nbody")


def test_a_connection_is_kept(ask: Callable[..., Any]) -> None:
    async def twice(connections: Connections) -> list[Reply]:
        return [await post(connections), await connections.get("/", within=5)]

    assert [reply.content_type for reply in ask(Played([PLAIN, PLAIN]), twice)] == [b"text/x"] * 2


def test_a_kept_connection_that_was_closed_meanwhile_costs_no_request(ask: Callable[..., Any]) -> None:
    worked: list[int] = []

    async def work() -> None:
        worked.append(1)

    async def thrice(connections: Connections) -> list[Reply]:
        posts = [connections.post("/", b"x", within=5, meanwhile=work) for _ in range(3)]
        return [await each for each in posts]

    assert [reply.body for reply in ask(Played([PLAIN], [CLOSING], [PLAIN]), thrice)] == [b"hi"] * 3
    assert len(worked) == 3, "once for each request, however often it is sent"


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [([CUT], "in mid-answer"), ([], "closed the connection"), ([b"nonsense\r\n\r\n"], "no HTTP")],
)
def test_a_server_that_goes_is_away(ask: Callable[..., Any], answers: list[bytes], sentence: str) -> None:
    with pytest.raises(AwayError, match=sentence):
        ask(Played(answers), post)


def test_an_answer_that_is_too_long_is_cut_off(ask: Callable[..., Any]) -> None:
    with pytest.raises(AwayError, match="longer than 1 bytes"):
        ask(Played([PLAIN]), post, max_answer_bytes=1)


def test_a_server_that_takes_its_time_is_slow(ask: Callable[..., Any]) -> None:
    with pytest.raises(SlowError):
        ask(Played([b"", PLAIN]), lambda connections: connections.post("/", b"x", within=0.05))


def test_nobody_there_is_away(ask: Callable[..., Any]) -> None:
    async def elsewhere(_: Connections) -> Reply:
        return await Connections("http://127.0.0.1:9").get("/", within=5)

    with pytest.raises(AwayError):
        ask(Played([]), elsewhere)
