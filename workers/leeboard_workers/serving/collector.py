"""Takes predictions and late labels, and appends them to Delta tables.

POST /v1/predictions: one PredictionBatch document or a list of them. POST /v1/labels: one LabelBatch.
GET /v1/tables/{namespace}/{modelDeployment}: a TableState. A 200 means that the rows are on disk in the journal; they
are appended to the tables every few seconds, each exactly once whatever crashes in between.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import re
import sys
import threading
import time
from collections import Counter as Tally
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from pydantic import ValidationError

from leeboard.contract.serving import LabelBatch, PredictionBatch, TableState
from leeboard_workers.serving.asgi import TEXT, Request, Response, serve
from leeboard_workers.serving.codec import MAX_ROWS
from leeboard_workers.serving.journal import Journal, JournalFullError
from leeboard_workers.serving.rows import label_rows, prediction_rows
from leeboard_workers.serving.tables import Extent, LogTable

ENV_TOKENS_FILE = "LEEBOARD_COLLECTOR_TOKENS_FILE"
"""JSON file {namespace: token}; unset: everyone may write."""

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_JOURNAL_BYTES = 2 * 1024**3

_SEGMENT_BYTES = 64 * 1024 * 1024
_LONGEST_PAUSE_SECONDS = 60.0
_LAST_SECOND = 253_402_300_799  # of the year 9999
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_TABLES_PATH = re.compile(r"/v1/tables/([^/]+)/([^/]+)")

_log = logging.getLogger(__name__)

Owner = tuple[str, str]
"""Namespace and name of a ModelDeployment."""


class RefusedError(Exception):
    """A document that is not taken."""

    def __init__(self, sentence: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        """Say why.

        Args:
            sentence: The reason.
            status: HTTP status of the answer.
        """
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class Options:
    """What the collector is told."""

    root: str
    """URI of the folder of all tables."""
    journal: Path
    flush_seconds: float = 2.0
    tokens: dict[str, str] | None = None
    """Token by namespace; none: everyone may write."""


class Tables:
    """The tables of all ModelDeployments, and the carrying of segments into them; used by one thread at a time."""

    def __init__(self, root: str, journal: str) -> None:
        """Remember the root.

        Args:
            root: URI of the folder of all tables.
            journal: Identity of the journal.
        """
        self._root = root.rstrip("/")
        self._journal = journal
        self._tables: dict[str, LogTable] = {}
        self._opening = threading.Lock()

    def uri(self, owner: Owner, kind: str) -> str:
        """Return where a table lies."""
        return f"{self._root}/{owner[0]}/{owner[1]}/{kind}"

    def table(self, owner: Owner, kind: str) -> LogTable:
        """Return a table; what is there is looked at once."""
        uri = self.uri(owner, kind)
        with self._opening:
            if uri not in self._tables:
                partition = "date" if kind == "predictions" else None
                self._tables[uri] = LogTable(uri, self._journal, partition=partition)
            return self._tables[uri]

    def carry(self, records: Iterable[bytes], segment: int) -> None:
        """Append a segment's records to their tables, those that are not there yet."""
        touched: dict[str, LogTable] = {}
        try:
            for record in records:
                entry = orjson.loads(record)
                for document in entry["documents"]:
                    owner = (document["namespace"], document["modelDeployment"])
                    table = self.table(owner, entry["kind"])
                    touched[table.uri] = table
                    for rows in _rows(entry["kind"], document, entry["time"], table):
                        table.add(rows)
            for table in touched.values():
                table.commit(segment)
        except Exception:
            with self._opening:
                for uri in touched:  # what was added and not committed is added again next time
                    self._tables.pop(uri, None)
            raise


class Collector:
    """The application."""

    max_body_bytes = MAX_BODY_BYTES

    def __init__(self, options: Options) -> None:
        """Open the journal; `start` begins to carry.

        Args:
            options: What the collector is told.
        """
        self._options = options
        self._flushing = asyncio.Lock()
        self._due = asyncio.Event()
        self._stopping = False
        self._waiting: dict[int, Tally[tuple[Owner, str]]] = {}
        """Rows by segment that are acknowledged and not yet in the tables."""
        self._newest: dict[Owner, float] = {}
        self._takers = {"/v1/predictions": self._take_predictions, "/v1/labels": self._take_labels}
        registry = self._registry = CollectorRegistry()
        names = ("model_namespace", "modeldeployment")
        self._counted = {
            "predictions": Counter("leeboard_predictions_total", "Acknowledged rows.", names, registry=registry),
            "labels": Counter("leeboard_labels_total", "Acknowledged labels.", names, registry=registry),
        }
        self._failures = Counter("leeboard_collector_flush_failures_total", "Failed appends.", registry=registry)
        self._journal_bytes = Gauge("leeboard_collector_journal_bytes", "Not yet in the tables.", registry=registry)

    async def start(self) -> None:
        """Count what the last run left and begin; it is carried over while new rows are taken."""
        self._journal = Journal(self._options.journal, MAX_JOURNAL_BYTES)
        self._tables = Tables(self._options.root, self._journal.identity)
        for segment in self._journal.closed_segments:
            self._waiting[segment] = await asyncio.to_thread(_tally, self._journal.records(segment))
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
            if request.method == "POST" and request.path in self._takers:
                return await self._takers[request.path](request)
            return await self._tell(request)
        except RefusedError as error:
            return Response.error(str(error), error.status)
        except JournalFullError:
            sentence = "the tables cannot be written fast enough, the journal is full: try again later"
            return Response.error(sentence, HTTPStatus.TOO_MANY_REQUESTS)
        except OSError as error:
            return Response.error(str(error), HTTPStatus.SERVICE_UNAVAILABLE)

    def too_large(self, request: Request) -> Response:
        """Refuse a body that is too long."""
        del request
        sentence = f"the body is larger than {MAX_BODY_BYTES // 2**20} MiB: send less at once"
        return Response.error(sentence, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    async def _tell(self, request: Request) -> Response:
        if match := _TABLES_PATH.fullmatch(request.path):
            return await self._state((match[1], match[2]))
        if request.path == "/metrics":
            self._journal_bytes.set(self._journal.length)
            return Response(HTTPStatus.OK, generate_latest(self._registry), TEXT)
        if request.path == "/healthz":
            return Response.json({"live": True})
        return Response.error(f"there is nothing at {request.path}", HTTPStatus.NOT_FOUND)

    async def _take_predictions(self, request: Request) -> Response:
        parsed = _json(request.body)
        documents, refused, refused_at = [], [], []
        for at, document in enumerate(parsed if isinstance(parsed, list) else [parsed]):
            try:
                batch = _checked_batch(document)
                self._authorize(request, batch.namespace)
                documents.append(document)
            except RefusedError as error:
                refused.append(error)
                refused_at.append(at)
        if not documents:
            raise refused[0] if refused else RefusedError("the body holds no predictions")
        await self._acknowledge("predictions", documents)
        for document in documents:
            owner = (document["namespace"], document["modelDeployment"])
            self._newest[owner] = max(self._newest.get(owner, 0.0), document["time"])
        sentences = [str(error) for error in refused[:5]]
        told = {"accepted": len(documents), "refused": len(refused), "refusedAt": refused_at, "errors": sentences}
        return Response.json(told)

    async def _take_labels(self, request: Request) -> Response:
        document = _json(request.body)
        try:
            batch = LabelBatch.model_validate(document)
        except ValidationError as error:
            raise RefusedError(_sentence(error)) from error
        _check_names(batch.namespace, batch.model_deployment)
        self._authorize(request, batch.namespace)
        for at, label in enumerate(batch.labels):
            if label.time is not None:
                _check_time(f"labels.{at}.time", label.time)
        labels = [label.document() for label in batch.labels]
        entry = {"namespace": batch.namespace, "modelDeployment": batch.model_deployment, "labels": labels}
        await self._acknowledge("labels", [entry])
        return Response.json({"accepted": len(labels), "refused": 0, "errors": []})

    async def _acknowledge(self, kind: str, documents: list[Any]) -> None:
        record = orjson.dumps({"kind": kind, "time": time.time(), "documents": documents})
        rows = _counted(kind, documents)
        segment = await self._journal.append(record)
        self._waiting.setdefault(segment, Tally()).update(rows)
        for (owner, what), count in rows.items():
            self._counted[what].labels(*owner).inc(count)
        if self._journal.current[1] > _SEGMENT_BYTES:
            self._due.set()

    def _authorize(self, request: Request, namespace: str) -> None:
        if self._options.tokens is None:
            return
        expected = self._options.tokens.get(namespace)
        if expected is None or request.header("authorization") != f"Bearer {expected}":
            sentence = f"the token is not the one of the namespace {namespace!r}"
            raise RefusedError(sentence, HTTPStatus.FORBIDDEN)

    async def _state(self, owner: Owner) -> Response:
        _check_names(*owner)
        predictions, labels = await asyncio.to_thread(
            lambda: [self._tables.table(owner, kind) for kind in ("predictions", "labels")]
        )
        newest = max(self._newest.get(owner, 0.0), predictions.extent.newest or 0.0)
        state = TableState(
            predictions=predictions.uri,
            labels=labels.uri,
            prediction_rows=self._acknowledged(owner, "predictions", predictions.extent),
            label_rows=self._acknowledged(owner, "labels", labels.extent),
            newest_prediction_time=newest or None,
        )
        return Response.json(state.document())

    def _acknowledged(self, owner: Owner, kind: str, extent: Extent) -> int:
        waiting = (rows[owner, kind] for segment, rows in self._waiting.items() if segment > extent.segment)
        return extent.rows + sum(waiting)

    async def _carry_on(self) -> None:
        pause = self._options.flush_seconds
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), pause)
            self._due.clear()
            try:
                await self._flush()
                pause = self._options.flush_seconds
            except Exception:  # noqa: BLE001 (whatever the store says: the journal holds the rows)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _flush(self) -> None:
        async with self._flushing:
            await self._journal.rotate()
            for segment in self._journal.closed_segments:
                try:
                    await asyncio.to_thread(self._tables.carry, self._journal.records(segment), segment)
                except Exception:
                    self._failures.inc()
                    _log.exception("rows cannot be appended to the tables; they wait in the journal")
                    raise
                self._waiting.pop(segment, None)
                self._journal.remove(segment)


def _rows(kind: str, document: dict[str, Any], ingest_time: float, table: LogTable) -> list[Any]:
    try:
        if kind == "labels":
            return label_rows(document["labels"], ingest_time)
        return [prediction_rows(document, ingest_time, table.stored)]
    except (ValueError, TypeError, KeyError, OverflowError, pa.ArrowException):  # it would block all that follow
        _log.exception("a document of %s of %s was acknowledged and cannot be turned into rows", kind, table.uri)
        return []


def _counted(kind: str, documents: list[Any]) -> Tally[tuple[Owner, str]]:
    rows = Tally[tuple[Owner, str]]()
    for document in documents:
        rows[(document["namespace"], document["modelDeployment"]), kind] += len(document[kind])
    return rows


def _tally(records: Iterable[bytes]) -> Tally[tuple[Owner, str]]:
    rows = Tally[tuple[Owner, str]]()
    for record in records:
        entry = orjson.loads(record)
        rows += _counted(entry["kind"], entry["documents"])
    return rows


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusedError(f"the body is no JSON: {error}") from error


def _checked_batch(document: Any) -> PredictionBatch:
    try:
        batch = PredictionBatch.model_validate(document)
    except ValidationError as error:
        raise RefusedError(_sentence(error)) from error
    _check_names(batch.namespace, batch.model_deployment)
    rows = len(batch.predictions)
    if not 0 < rows <= MAX_ROWS:
        raise RefusedError(f"a batch must hold 1 to {MAX_ROWS} rows, not {rows}")
    _check_time("time", batch.time)
    columns = {f"features.{name}": cells for name, cells in batch.features.items()}
    others = {"probabilities": batch.probabilities, "oodScores": batch.ood_scores, "ood": batch.ood}
    for name, cells in (columns | others).items():
        if cells is not None and len(cells) != rows:
            raise RefusedError(f"{name} holds {len(cells)} values for {rows} rows")
    return batch


def _check_names(namespace: str, name: str) -> None:
    for text in (namespace, name):  # they become folders
        if not _NAME.fullmatch(text):
            raise RefusedError(f"{text[:80]!r} is no name of a Kubernetes object")


def _check_time(name: str, seconds: float) -> None:
    if not 0 <= seconds <= _LAST_SECOND:
        raise RefusedError(f"{name} must be seconds since 1970, not {seconds}")


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the body'}: {first['msg']}"


def _tokens(path: str | None) -> dict[str, str] | None:
    if not path:
        return None
    tokens = json.loads(Path(path).read_text())
    if not isinstance(tokens, dict):
        raise TypeError("it must hold an object {namespace: token}")
    return {str(namespace): str(token) for namespace, token in tokens.items()}


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="leeboard-collector", description="Append predictions and labels to Delta.")
    parser.add_argument("--root", required=True, help="folder or URI under which all tables lie")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument(
        "--journal", type=Path, help="local folder of the write-ahead file; default: under a local root"
    )
    parser.add_argument("--flush_seconds", type=float, default=2.0, help="rows are in the tables after so long")
    options = parser.parse_args()
    root = options.root.removeprefix("file://")
    if options.journal is None and "://" in root:
        sys.exit("say where the write-ahead file lies: --journal <local folder>")
    try:
        tokens = _tokens(os.environ.get(ENV_TOKENS_FILE))
    except (OSError, ValueError, TypeError) as error:
        sys.exit(f"the file of tokens cannot be read ({ENV_TOKENS_FILE}): {error}")
    journal = options.journal or Path(root) / ".journal"
    serve(
        Collector(Options(root=root, journal=journal, flush_seconds=options.flush_seconds, tokens=tokens)), options.port
    )


if __name__ == "__main__":
    main()
