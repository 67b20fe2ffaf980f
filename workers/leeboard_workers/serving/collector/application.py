"""The collector's application: takes documents, writes them to the journal, answers; carries them on in the background.

A 200 means that the rows are on disk in the journal; they are in the tables a few seconds later.
"""

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from leeboard.contract.serving import TableState
from leeboard_workers.serving.asgi import TEXT, Request, Response
from leeboard_workers.serving.collector import openapi
from leeboard_workers.serving.collector.bodies import MAX_BODY_BYTES, check_names, content_type, read_body, read_json
from leeboard_workers.serving.collector.carrying import Owner, Tables, count, tally
from leeboard_workers.serving.collector.events import read_events
from leeboard_workers.serving.collector.journal import Journal, JournalFullError
from leeboard_workers.serving.collector.labels import read_label_batch
from leeboard_workers.serving.collector.options import Options
from leeboard_workers.serving.collector.predictions import checked_batch
from leeboard_workers.serving.collector.refusals import RefusedError
from leeboard_workers.serving.collector.tables import Extent

_SEGMENT_BYTES = 32 * 1024 * 1024
_LONGEST_PAUSE_SECONDS = 60.0
_MOST_SERIES = 1000
_TOLD = 5
_MAX_BATCHES = 10_000
_POSTED = re.compile(r"/v1/(predictions|labels|events)(?:/([^/]+)/([^/]+))?")
_TABLES_PATH = re.compile(r"/v1/tables/([^/]+)/([^/]+)")

_log = logging.getLogger(__name__)

Key = tuple[Owner, str]
"""Whose table, and which."""
Taker = Callable[[Request, bytes, Owner | None], Awaitable[Response]]


class Collector:
    """The application."""

    max_body_bytes = MAX_BODY_BYTES

    def __init__(self, options: Options) -> None:
        """Open nothing yet; `start` opens the journal and begins to carry.

        Args:
            options: What the collector is told.
        """
        self._options = options
        self._flushing = asyncio.Lock()
        self._due = asyncio.Event()
        self._stopping = False
        self._pause = options.flush_seconds
        self._waiting: dict[int, dict[Key, int]] = {}
        """Rows by segment that are acknowledged and not yet in the tables."""
        self._carried: set[int] = set()
        """Segments that are in the tables and stay, because half an event of theirs waits."""
        self._newest: dict[Owner, float] = {}
        """Time of the newest prediction by owner that waits or was just carried."""
        self._last_time = 0.0
        self._takers: dict[str, Taker] = {
            "predictions": self._take_predictions,
            "labels": self._take_labels,
            "events": self._take_events,
        }
        self._measure(CollectorRegistry())

    def _measure(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        names = ("model_namespace", "modeldeployment")
        self._series: set[Owner] = set()
        self._counted = {
            "predictions": Counter("leeboard_predictions_total", "Acknowledged rows.", names, registry=registry),
            "labels": Counter("leeboard_labels_total", "Acknowledged labels.", names, registry=registry),
            "events": Counter("leeboard_events_total", "Acknowledged CloudEvents.", names, registry=registry),
        }
        self._failures = Counter("leeboard_collector_flush_failures_total", "Failed appends.", registry=registry)
        self._refused = Counter("leeboard_collector_refused_total", "Refused requests.", ("code",), registry=registry)
        self._repeats = Counter("leeboard_collector_repeated_rows_total", "Rows that came again.", registry=registry)
        self._unpaired = Counter("leeboard_collector_unpaired_events_total", "Events left alone.", registry=registry)
        self._journal_bytes = Gauge("leeboard_collector_journal_bytes", "Not yet in the tables.", registry=registry)

    async def start(self) -> None:
        """Count what the last run left and begin; it is carried over while new rows are taken."""
        self._journal = Journal(self._options.journal, self._options.max_journal_bytes)
        self._tables = Tables(
            self._options.root, self._journal.identity, self._options.upkeep, self._repeats, self._unpaired
        )
        for segment in self._journal.closed_segments:
            self._waiting[segment] = await asyncio.to_thread(tally, self._journal.records(segment))
        self._carrying = asyncio.create_task(self._carry_on())

    async def stop(self) -> None:
        """Carry over what is there; what cannot be stays in the journal for the next start."""
        self._stopping = True
        self._due.set()
        await self._carrying  # never cancelled: its thread would go on beside the next one
        with contextlib.suppress(Exception):
            await self._flush()
        self._journal.close()

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        try:
            return await self._answer(request)
        except RefusedError as error:
            refusal = error
        except JournalFullError:
            sentence = "the tables cannot be written fast enough, the journal is full: try again later"
            refusal = RefusedError(sentence, HTTPStatus.TOO_MANY_REQUESTS, retry_after=self._pause)
        except OSError as error:
            refusal = RefusedError(str(error), HTTPStatus.SERVICE_UNAVAILABLE, retry_after=self._pause)
        self._refused.labels(refusal.status).inc()
        return refusal.response()

    def too_large(self, request: Request) -> Response:
        """Refuse a body that is too long."""
        del request
        self._refused.labels(HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value).inc()
        sentence = f"the body is larger than {MAX_BODY_BYTES // 2**20} MiB: send less at once"
        return Response.error(sentence, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def too_many(self, request: Request) -> Response:
        """Refuse a body that there is no memory for now."""
        del request
        self._refused.labels(HTTPStatus.TOO_MANY_REQUESTS.value).inc()
        return Response.later("too many requests are under way: try again in a second", HTTPStatus.TOO_MANY_REQUESTS)

    async def _answer(self, request: Request) -> Response:
        if match := _POSTED.fullmatch(request.path):
            if request.method != "POST":
                raise RefusedError(f"{request.path} takes POST only", HTTPStatus.METHOD_NOT_ALLOWED)
            owner = (match[2], match[3]) if match[2] else None
            if owner is not None:
                check_names(*owner)
                self._authorize(request, owner[0])
            return await self._takers[match[1]](request, read_body(request), owner)
        if request.method not in {"GET", "HEAD"}:
            raise RefusedError(f"there is nothing to {request.method} at {request.path}", HTTPStatus.NOT_FOUND)
        return await self._tell(request)

    async def _tell(self, request: Request) -> Response:
        if match := _TABLES_PATH.fullmatch(request.path):
            return await self._state((match[1], match[2]))
        if request.path == "/metrics":
            self._journal_bytes.set(self._journal.length)
            return Response(HTTPStatus.OK, generate_latest(self._registry), TEXT)
        if request.path == "/openapi.json":
            return Response.json(openapi.document())
        if request.path == "/healthz":
            return Response.json({"live": True})
        raise RefusedError(f"there is nothing at {request.path}", HTTPStatus.NOT_FOUND)

    async def _take_predictions(self, request: Request, body: bytes, owner: Owner | None) -> Response:
        if owner is not None:
            raise RefusedError("predictions say themselves whose they are: send them to /v1/predictions", 404)
        parsed = read_json(body)
        given = parsed if isinstance(parsed, list) else [parsed]
        if len(given) > _MAX_BATCHES:
            raise RefusedError(f"a body must hold at most {_MAX_BATCHES} batches, not {len(given)}", 413)
        documents, refused, refused_at = [], [], []
        for at, document in enumerate(given):
            try:
                checked = checked_batch(document)
                self._authorize(request, checked["namespace"])
                documents.append(checked)
            except RefusedError as error:
                refused.append(error)
                refused_at.append(at)
        if not documents:
            raise refused[0] if refused else RefusedError("the body holds no predictions")
        await self._acknowledge("predictions", documents)
        for document in documents:
            owner = (document["namespace"], document["modelDeployment"])
            self._newest[owner] = max(self._newest.get(owner, 0.0), document["time"])
        sentences = [str(error) for error in refused[:_TOLD]]
        told = {"accepted": len(documents), "refused": len(refused), "refusedAt": refused_at, "errors": sentences}
        return Response.json(told)

    async def _take_labels(self, request: Request, body: bytes, owner: Owner | None) -> Response:
        batch = await asyncio.to_thread(read_label_batch, body, content_type(request), owner)
        if owner is None:
            self._authorize(request, batch["namespace"])
        await self._acknowledge("labels", [batch])
        return Response.json({"accepted": len(batch["labels"]), "refused": 0, "errors": []})

    async def _take_events(self, request: Request, body: bytes, owner: Owner | None) -> Response:
        halves = read_events(request, body, owner)
        for namespace in {half["namespace"] for half in halves}:
            self._authorize(request, namespace)
        await self._acknowledge("events", halves)
        return Response.json({"accepted": len(halves), "refused": 0, "errors": []})

    async def _acknowledge(self, kind: str, documents: list[Any]) -> None:
        self._last_time = max(time.time(), self._last_time + 1e-6)  # of two labels the later one counts
        record = orjson.dumps({"kind": kind, "time": self._last_time, "documents": documents})
        segment = await self._journal.append(record)
        count(self._waiting.setdefault(segment, {}), kind, documents)
        for document in documents:
            owner = (document["namespace"], document["modelDeployment"])
            if owner not in self._series:
                owner = owner if len(self._series) < _MOST_SERIES else ("", "")
                self._series.add(owner)
            self._counted[kind].labels(*owner).inc(len(document[kind]) if kind in document else 1)
        if self._journal.current[1] > _SEGMENT_BYTES:
            await self._journal.rotate()
            self._due.set()

    def _authorize(self, request: Request, namespace: str) -> None:
        self._options.tokens.check(namespace, request.header("authorization"))

    async def _state(self, owner: Owner) -> Response:
        check_names(*owner)
        predictions, labels = await asyncio.to_thread(
            lambda: [self._tables.table(owner, kind) for kind in ("predictions", "labels")]
        )
        newest = max(self._newest.get(owner, 0.0), predictions.extent.newest or 0.0)
        state = TableState(
            predictions=predictions.uri,
            labels=labels.uri,
            prediction_rows=self._acknowledged((owner, "predictions"), predictions.extent),
            label_rows=self._acknowledged((owner, "labels"), labels.extent),
            newest_prediction_time=newest or None,
        )
        return Response.json(state.document())

    def _acknowledged(self, key: Key, extent: Extent) -> int:
        waiting = (rows.get(key, 0) for segment, rows in self._waiting.items() if segment > extent.segment)
        return extent.rows + sum(waiting)

    async def _carry_on(self) -> None:
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), self._pause)
            self._due.clear()
            try:
                await self._flush()
                self._pause = self._options.flush_seconds
            except Exception:  # noqa: BLE001 (whatever the store says: the journal holds the rows)
                self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)

    async def _flush(self) -> None:
        async with self._flushing:
            await self._journal.rotate()
            for segment in self._journal.closed_segments:
                if segment in self._carried:
                    continue
                try:
                    await asyncio.to_thread(self._tables.carry, self._journal.records(segment), segment)
                except Exception:
                    self._failures.inc()
                    _log.exception("rows cannot be appended to the tables; they wait in the journal")
                    raise
                self._carried.add(segment)
                self._waiting.pop(segment, None)
            self._tables.pairing.give_up(time.time())
            for segment in sorted(self._carried):
                if not self._tables.pairing.holds(segment):
                    self._journal.remove(segment)
                    self._carried.discard(segment)
            if not self._waiting:
                self._newest.clear()  # the tables tell it now
