"""Plays the year as HTTP traffic through the gateway, labels after landing, and counts what comes back."""

import asyncio
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pandas as pd

from leeboard.contract.serving import (
    HEADER_REQUEST_ID,
    HEADER_VERSION,
    V2_FLAG_TENSOR,
    V2_PROBABILITIES_TENSOR,
)
from leeboard.sandbox.flights import CATEGORICAL, FEATURES, LABEL, TIME

MOST_ROWS, FEWEST_ROWS = 60, 5
"""Rows of a request."""
ROW_SECONDS = 50.0
"""Rows of a request times seconds of a day: on longer days smaller requests keep their rate, which analyses need."""
_LABEL_ATTEMPTS = 30


@dataclass
class Tally:
    """What the client saw."""

    answered_rows: int = 0
    failed_requests: Counter[str] = field(default_factory=Counter)
    """Requests that got no answer, by the version that failed."""
    failed_rows: int = 0
    broken_connections: int = 0
    """Connections that broke on the way; each request was sent once more, with the same id."""
    flagged_rows: int = 0
    rows_by_version: Counter[str] = field(default_factory=Counter)
    requests_by_version: Counter[str] = field(default_factory=Counter)
    answers: list[tuple[pd.DataFrame, np.ndarray]] = field(default_factory=list)
    """Each answered batch, and the probabilities of being late."""

    def share(self, version: str, since: Counter[str]) -> float | None:
        """Return the version's share of the requests since an earlier count."""
        total = sum(self.requests_by_version.values()) - sum(since.values())
        return None if not total else (self.requests_by_version[version] - since[version]) / total


class Replay:
    """The flights' departure boards, asking for each flight whether it will be late."""

    def __init__(
        self, table: pd.DataFrame, *, gateway: str, domain: str, collector: str, namespace: str, deployment: str
    ) -> None:
        self.tally = Tally()
        self.today = table[TIME].iloc[0]
        self.seconds_per_day = 0.75
        self.extra_rows = 0
        self._table = table
        self._deployment = deployment
        self._collector = collector
        self._path = f"{gateway}/v2/models/{deployment}/infer"
        self._host = f"{deployment}.{namespace}.{domain}"
        self._namespace = namespace
        self._client = httpx.AsyncClient(trust_env=False, timeout=30, limits=httpx.Limits(max_connections=16))
        self._running: set[asyncio.Task[None]] = set()
        self._going = asyncio.Event()
        self._going.set()
        self._labels: asyncio.Queue[tuple[float, list[dict[str, Any]]] | None] = asyncio.Queue(maxsize=10_000)

    async def run(self) -> None:
        """Play all of it; returns when everything was answered and every label was taken."""
        labels = asyncio.create_task(self._deliver_labels())
        try:
            for day, rows in self._table.groupby(self._table[TIME].dt.normalize(), sort=True):
                await self._play_day(day, rows)
            await asyncio.gather(*self._running)
            await self._labels.put(None)
            await labels
        finally:
            labels.cancel()
            for task in self._running:
                task.cancel()

    async def pause(self) -> None:
        """Let the year stand still; returns when no request is under way."""
        self._going.clear()
        await asyncio.gather(*self._running, return_exceptions=True)

    def resume(self) -> None:
        """Let the year go on."""
        self._going.set()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, rows: pd.DataFrame) -> httpx.Response:
        """Send one request that is not part of the year, and return its answer."""
        answer = await self._post(request_body(rows))
        self.extra_rows += len(rows) if answer.is_success else 0
        return answer

    async def ask_without(self, rows: pd.DataFrame, column: str) -> httpx.Response:
        """Send a request from which a column is missing."""
        body = request_body(rows)
        return await self._post({"inputs": [tensor for tensor in body["inputs"] if tensor["name"] != column]})

    async def _post(self, body: dict[str, Any]) -> httpx.Response:
        headers = {"host": self._host, HEADER_REQUEST_ID: str(uuid.uuid4())}
        try:
            return await self._client.post(self._path, json=body, headers=headers)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            self.tally.broken_connections += 1
            return await self._client.post(self._path, json=body, headers=headers)

    async def _play_day(self, day: pd.Timestamp, rows: pd.DataFrame) -> None:
        self.today = day
        size = batch_rows(self.seconds_per_day)
        batches = [rows.iloc[start : start + size] for start in range(0, len(rows), size)]
        began = time.monotonic()
        for number, batch in enumerate(batches):
            due = began + self.seconds_per_day * number / len(batches)
            await asyncio.sleep(max(0.0, due - time.monotonic()))  # the pace of the replay
            paused = time.monotonic()
            await self._going.wait()
            began += time.monotonic() - paused
            task = asyncio.create_task(self._ask_and_count(batch))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        await asyncio.sleep(max(0.0, began + self.seconds_per_day - time.monotonic()))

    async def _ask_and_count(self, batch: pd.DataFrame) -> None:
        try:
            answer = await self._post(request_body(batch))
        except httpx.HTTPError as error:
            self.tally.failed_requests[type(error).__name__] += 1
            self.tally.failed_rows += len(batch)
            return
        version = answer.headers.get(HEADER_VERSION, "?")
        self.tally.requests_by_version[version] += 1
        if not answer.is_success:
            self.tally.failed_requests[version] += 1
            self.tally.failed_rows += len(batch)
            return
        self._count(batch, version, answer)
        hours = float(batch["landing_hours"].max())
        due = time.monotonic() + self.seconds_per_day * hours / 24
        request_id = answer.headers[HEADER_REQUEST_ID]
        labels = [
            {"requestId": request_id, "row": row, "label": int(label)}
            for row, label in enumerate(batch[LABEL].tolist())
        ]
        await self._labels.put((due, labels))

    def _count(self, batch: pd.DataFrame, version: str, answer: httpx.Response) -> None:
        outputs = {tensor["name"]: tensor["data"] for tensor in answer.json()["outputs"]}
        self.tally.answered_rows += len(batch)
        self.tally.rows_by_version[version] += len(batch)
        self.tally.flagged_rows += sum(map(bool, outputs.get(V2_FLAG_TENSOR, [])))
        probabilities = np.asarray(outputs[V2_PROBABILITIES_TENSOR], dtype=float).reshape(len(batch), -1)[:, 1]
        self.tally.answers.append((batch, probabilities))

    async def _deliver_labels(self) -> None:
        """Hand labels to the collector once the flights have landed, many at a time."""
        ended = False
        while not ended:
            item = await self._labels.get()
            batch: list[dict[str, Any]] = []
            while item is not None:
                due, labels = item
                await asyncio.sleep(max(0.0, due - time.monotonic()))  # the flight has not landed yet
                batch += labels
                if self._labels.empty() or len(batch) >= 2_000:  # noqa: PLR2004 (rows a request)
                    break
                item = self._labels.get_nowait()
            ended = item is None
            if batch:
                await self._post_labels(batch)

    async def _post_labels(self, labels: list[dict[str, Any]]) -> None:
        document = {"namespace": self._namespace, "modelDeployment": self._deployment, "labels": labels}
        for attempt in range(_LABEL_ATTEMPTS):
            try:
                (await self._client.post(f"{self._collector}/v1/labels", json=document)).raise_for_status()
            except httpx.HTTPError:
                await asyncio.sleep(min(0.1 * 2**attempt, 2.0))  # the collector is busy or away
            else:
                return
        raise RuntimeError("the collector took no labels for a minute")


def batch_rows(seconds_per_day: float) -> int:
    """Return the rows of a request at a pace."""
    return round(min(MOST_ROWS, max(FEWEST_ROWS, ROW_SECONDS / seconds_per_day)))


def request_body(rows: pd.DataFrame) -> dict[str, Any]:
    """Make a v2 request: one tensor per column, missing numbers as null."""
    inputs = []
    for name in FEATURES:
        values = rows[name].tolist()
        if name in CATEGORICAL:
            inputs.append({"name": name, "shape": [len(rows)], "datatype": "BYTES", "data": values})
        else:
            data = [None if value is None or value != value else float(value) for value in values]  # noqa: PLR0124 (NaN)
            inputs.append({"name": name, "shape": [len(rows)], "datatype": "FP64", "data": data})
    return {"inputs": inputs}
