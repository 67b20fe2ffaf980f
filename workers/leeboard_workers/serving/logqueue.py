"""Sends predictions to the collector, off the answer's path.

Answered requests wait, encoded, in a bounded queue; one task sends them in groups, a JSON list of PredictionBatch
documents, and tries again with back-off until the collector has acknowledged. When the queue is full the oldest give
way and are counted: the log may lose rows, a prediction never waits for it.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from http import HTTPStatus
from typing import Any

import orjson

from leeboard_workers.serving.connections import Connections
from leeboard_workers.serving.metrics import Metrics

_PATH = "/v1/predictions"
_MAX_WAITING_BYTES = 64_000_000
_MAX_GROUP_BYTES = 250_000
_MAX_GROUP = 512
_LINGER_SECONDS = 0.1
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_TIMEOUT_SECONDS = 30.0

_log = logging.getLogger(__name__)


class LogQueue:
    """The waiting predictions of one arm."""

    def __init__(self, url: str, token: str | None, metrics: Metrics) -> None:
        """Create an empty queue.

        Args:
            url: The collector.
            token: Bearer token of the namespace, or none.
            metrics: Where lost rows are counted.
        """
        self._connections = Connections(url)
        self._headers = [(b"content-type", b"application/json")]
        if token:
            self._headers.append((b"authorization", f"Bearer {token}".encode()))
        self._metrics = metrics
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._closing = asyncio.Event()

    def put(self, batch: dict[str, Any], rows: int) -> None:
        """Queue a request's rows, a PredictionBatch as JSON has it; makes room by dropping the oldest."""
        document = orjson.dumps(batch)
        self._waiting.append((document, rows))
        self._bytes += len(document)
        while self._bytes > _MAX_WAITING_BYTES:
            self._lost(1)
        self._filled.set()

    async def run(self) -> None:
        """Send until `close`, then until the queue is empty."""
        while self._waiting or not self._closing.is_set():
            if not self._waiting:
                self._filled.clear()
                await self._filled.wait()
            if len(self._waiting) < _MAX_GROUP and self._bytes < _MAX_GROUP_BYTES:  # a moment more fills the group
                await _wait(self._closing, _LINGER_SECONDS)
            if self._waiting:
                await self._send_group()
        await self._connections.close()

    def close(self) -> None:
        """Let `run` end when the queue is empty."""
        self._closing.set()
        self._filled.set()

    def drop_rest(self) -> None:
        """Count what was never sent."""
        self._lost(len(self._waiting))

    async def _send_group(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            group = self._group()
            body = b"[" + b",".join(document for document, _ in group) + b"]"
            try:
                reply = await self._connections.post(_PATH, body, self._headers, within=_TIMEOUT_SECONDS)
                status, answer = reply.status, reply.body
            except Exception as error:  # noqa: BLE001 (whatever a group meets, the task goes on)
                status, answer = 0, (str(error) or type(error).__name__).encode()
            text = answer[:300].decode(errors="replace")
            if status == HTTPStatus.OK:
                refused = {id(group[at]) for at in _refused(answer) if 0 <= at < len(group)}
                lost = sum(entry[1] for entry in self._take(group) if id(entry) in refused)
                if lost:
                    _log.error("the collector refuses %d rows: %s", lost, text)
                    self._metrics.log_dropped.inc(lost)
                return
            if 400 <= status < 500 and status not in {  # noqa: PLR2004 (the client errors)
                HTTPStatus.TOO_MANY_REQUESTS,
                HTTPStatus.REQUEST_TIMEOUT,
            }:
                _log.error("the collector refuses %d predictions: %s", len(group), text)
                self._metrics.log_dropped.inc(sum(rows for _, rows in self._take(group)))
                return
            _log.warning("the collector did not take %d predictions, trying again: %s", len(group), text)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 (jitter)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _group(self) -> list[tuple[bytes, int]]:
        group: list[tuple[bytes, int]] = []
        size = 0
        for entry in self._waiting:
            if group and (size + len(entry[0]) > _MAX_GROUP_BYTES or len(group) == _MAX_GROUP):
                break
            group.append(entry)
            size += len(entry[0])
        return group

    def _take(self, group: list[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
        """Remove from the queue what of the group still waits (some may have given way meanwhile)."""
        taken = []
        for entry in group:
            if self._waiting and self._waiting[0] is entry:
                self._waiting.popleft()
                self._bytes -= len(entry[0])
                taken.append(entry)
        return taken

    def _lost(self, entries: int) -> None:
        for _ in range(entries):
            document, rows = self._waiting.popleft()
            self._bytes -= len(document)
            self._metrics.log_dropped.inc(rows)


def _refused(answer: bytes) -> list[int]:
    """Return which documents of a group the collector did not take, though it took others."""
    try:
        return [int(at) for at in orjson.loads(answer)["refusedAt"]]
    except (ValueError, TypeError, KeyError):
        return []


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
