"""Who else can stand before a model: `python -m tests.support.servingpeers KIND PORT [PREDICTOR]`.

KIND is predictor: a model on KServe's server that sums each row; passthrough: KServe's own transformer, which changes
nothing; pooled: the same with kept connections to the predictor; proxy: an ASGI application that carries bytes and
looks at none; sink: a collector on another machine, as it looks from here: it takes what it gets; stuck: one that takes
and never answers.
"""

import asyncio
import functools
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import kserve
import numpy as np
import uvicorn
from kserve.predictor_config import PredictorConfig

from leeboard_workers.serving.predictor import _Server

MODEL = "sums"
COLUMNS = [f"x{number}" for number in range(64)]
HEAD = b"POST /v1/models/%s:predict HTTP/1.1\r\nhost: p\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class Sums(kserve.Model):
    """The least that a model can do."""

    def load(self) -> bool:
        self.ready = True
        return True

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> dict[str, Any]:
        del headers, response_headers
        return {"predictions": np.asarray(payload["instances"], dtype=np.float64).sum(axis=1).tolist()}

    def get_input_types(self) -> list[dict[str, Any]]:
        return [{"name": name, "datatype": "FP64", "shape": [-1]} for name in COLUMNS]

    def get_output_types(self) -> list[dict[str, Any]]:
        return [{"name": "predict", "datatype": "FP64", "shape": [-1]}]


class PassThrough(kserve.Model):
    """KServe's transformer as it comes."""

    def load(self) -> bool:
        self.ready = True
        return True


class Pooled(PassThrough):
    """The same with aiohttp's kept connections instead of the SDK's client."""

    def __init__(self, name: str, predictor: str) -> None:
        super().__init__(name)
        self.url = f"http://{predictor}/v1/models/{name}:predict"
        self.session: aiohttp.ClientSession | None = None

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        del headers, response_headers
        if self.session is None:
            self.session = aiohttp.ClientSession()
        async with self.session.post(self.url, json=payload) as response:
            return await response.json()


class ByteProxy:
    """Carries the body there and the answer back."""

    def __init__(self, predictor: str) -> None:
        self.host, _, self.port = predictor.partition(":")
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        answer = await self.ask(body) if scope["method"] == "POST" else b"{}"
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def ask(self, body: bytes) -> bytes:
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection(self.host, int(self.port))
        writer.write(HEAD % (MODEL.encode(), len(body)) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        answer = await reader.readexactly(length)
        self.idle.append((reader, writer))
        return answer


async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
    """Take bodies; answer that all is well, or never."""
    taken = b'{"accepted": 1, "refused": 0}'
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0))
            if answers or head.startswith(b"GET"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(taken) + taken)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve_sink(port: int, *, answers: bool) -> None:
    """Serve a sink."""
    server = await asyncio.start_server(functools.partial(sink, answers=answers), "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    """Serve until told to stop."""
    what, port, *more = sys.argv[1:]
    if what in {"sink", "stuck"}:
        asyncio.run(serve_sink(int(port), answers=what == "sink"))
        return
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    logging.getLogger("kserve").setLevel(logging.WARNING)
    if what == "proxy":
        uvicorn.run(ByteProxy(more[0]), host="127.0.0.1", port=int(port), access_log=False, log_level="warning")
        return
    model = {"predictor": Sums, "passthrough": PassThrough}[what](MODEL) if what != "pooled" else Pooled(MODEL, more[0])
    model.load()
    before = PredictorConfig(more[0] if more else "")
    _Server(http_port=int(port), enable_grpc=False, enable_latency_logging=False, predictor_config=before).start(
        [model]
    )


if __name__ == "__main__":
    main()
