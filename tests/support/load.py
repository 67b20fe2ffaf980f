"""A closed loop of requests over kept connections, as lean as Python can: the client must not be what is measured."""

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
import uvloop


@dataclass(frozen=True)
class Load:
    """What a number of clients met."""

    requests_per_second: float
    p50: float
    """Seconds."""
    p99: float
    """Seconds."""
    refused: int
    """Answers that were not 200."""


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, ends: float, latencies: list[float], refused: list[bytes]) -> None:
        self.request, self.ends, self.latencies, self.refused = request, ends, latencies, refused
        self.done = asyncio.get_running_loop().create_future()
        self.received, self.wanted = bytearray(), 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.wanted:
            head, found, _ = self.received.partition(b"\r\n\r\n")
            if not found:
                return
            self.wanted = len(head) + 4 + int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self.received) < self.wanted:
            return
        now = time.perf_counter()
        self.latencies.append(now - self.began)
        if self.received[9:12] != b"200":
            self.refused.append(bytes(self.received[:200]))
        self.received, self.wanted = bytearray(), 0
        if now < self.ends:
            self.send()
        else:
            self.transport.close()
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed a kept connection"))


def measure(url: str, body: bytes, *, clients: int, seconds: float) -> Load:
    """POST the body again and again, each client waiting for its answer."""
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    async def run() -> Load:
        latencies: list[float] = []
        refused: list[bytes] = []
        began = time.perf_counter()
        loop = asyncio.get_running_loop()
        started = [
            await loop.create_connection(
                lambda: _Client(request, began + seconds, latencies, refused), parts.hostname, parts.port
            )
            for _ in range(clients)
        ]
        await asyncio.gather(*(client.done for _, client in started))
        took = time.perf_counter() - began
        p50, p99 = np.quantile(latencies, [0.5, 0.99])
        return Load(len(latencies) / took, float(p50), float(p99), len(refused))

    return uvloop.run(run())
