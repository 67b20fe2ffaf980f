"""Stands before the predictor of an arm: scores every row, flags or refuses strangers, logs, counts.

```
request ── decode ──┬── predictor ──┬── answer: null for refused rows, flags beside ── client
                    └── detector ───┘            └── queue ── collector
```
Scoring and logging never fail or hold up an answer: a row that cannot be scored is answered unscored and counted.
Under Reject rows are scored first, so that a refused row never reaches the model.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import time
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from leeboard.api.outofdistribution import OnDetection
from leeboard.contract import serving as contract
from leeboard_workers.ood.fitted import Scores
from leeboard_workers.serving.answers import Answer, BadAnswerError
from leeboard_workers.serving.asgi import TEXT, Request, Response, serve
from leeboard_workers.serving.codec import BadRequestError, Rows, decode_v1, decode_v2, encode_v1, encode_v2
from leeboard_workers.serving.detection import Detection
from leeboard_workers.serving.logqueue import LogQueue
from leeboard_workers.serving.metrics import Metrics
from leeboard_workers.serving.privacy import Privacy
from leeboard_workers.serving.upstream import Predictor, PredictorAwayError, PredictorSlowError

MAX_BODY_BYTES = 32 * 1024 * 1024

_DETECTOR_PATIENCE_SECONDS = 60.0
_DRAIN_SECONDS = 5.0
_LONGEST_ID = 128
_DECODERS = {"v1": decode_v1, "v2": decode_v2}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Identity:
    """Whose arm this is."""

    namespace: str
    model_deployment: str
    version: str
    arm: str


@dataclass(frozen=True)
class Options:
    """What the transformer is told."""

    identity: Identity
    predictor_host: str
    predictor_model: str
    predictor_protocol: str
    predictor_timeout_seconds: float = 60.0
    detector_uri: str | None = None
    on_detection: OnDetection = OnDetection.FLAG
    tracking_uri: str = ""
    collector_url: str | None = None
    collector_token: str | None = None
    sample_percent: int = 100
    privacy: Privacy | None = None


@dataclass
class _Exchange:
    """One request on its way."""

    protocol: str
    rows: Rows
    request_id: str
    arrived: float
    scores: Scores | None = None
    unscored: bool = False
    kept: list[bool] | None = None
    """Which rows went to the predictor; none: all of them."""
    answer: Answer | None = None


class Transformer:
    """The application."""

    max_body_bytes = MAX_BODY_BYTES

    def __init__(self, options: Options) -> None:
        """Take the options; `start` opens connections."""
        self._options = options
        me = options.identity
        self._metrics = Metrics(
            namespace=me.namespace, model_deployment=me.model_deployment, version=me.version, arm=me.arm
        )
        self._predictor = Predictor(
            options.predictor_host,
            options.predictor_model,
            options.predictor_protocol,
            options.predictor_timeout_seconds,
        )
        self._version_header = (contract.HEADER_VERSION.encode(), me.version.encode())
        model = me.model_deployment
        self._infer_paths = {f"/v1/models/{model}:predict": "v1", f"/v2/models/{model}/infer": "v2"}
        self._detection: Detection | None = None
        self._queue: LogQueue | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Connect, and begin to fetch the detector and to send the log."""
        options = self._options
        await self._predictor.open()
        self._patience_ends = time.monotonic() + _DETECTOR_PATIENCE_SECONDS
        if options.detector_uri:
            self._detection = Detection(options.detector_uri, options.tracking_uri)
            self._tasks.append(asyncio.create_task(self._detection.fetch()))
        if options.collector_url:
            self._queue = LogQueue(options.collector_url, options.collector_token, self._metrics)
            self._sending = asyncio.create_task(self._queue.run())

    async def stop(self) -> None:
        """Send what of the log still waits, within a bound."""
        if self._queue is not None:
            self._queue.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._sending, _DRAIN_SECONDS)
            self._queue.drop_rest()
        for task in self._tasks:
            task.cancel()
        await self._predictor.close()

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        protocol = self._infer_paths.get(request.path)
        if protocol is not None and request.method == "POST":
            return await self._infer(request, protocol)
        return self._named(await self._tell(request), self._request_id(request))

    def too_large(self, request: Request) -> Response:
        """Refuse a body that is too long."""
        sentence = f"the body is larger than {MAX_BODY_BYTES // 2**20} MiB: send fewer rows at once"
        response = Response.error(sentence, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if request.path in self._infer_paths and self._counts(request):
            self._metrics.answered(response.status, 0.0, 0)
        return self._named(response, self._request_id(request))

    async def _infer(self, request: Request, protocol: str) -> Response:
        arrived = time.time()
        began = time.perf_counter()
        exchange: _Exchange | None = None
        request_id = self._request_id(request)
        try:
            document = orjson.loads(request.body)
            if protocol == "v2" and not request.header(contract.HEADER_REQUEST_ID):
                request_id = _usable_id(document.get("id") if isinstance(document, dict) else None) or request_id
            rows = _DECODERS[protocol](document, tuple(self._predictor.datatypes))
            exchange = _Exchange(protocol, rows, request_id, arrived)
            response = await self._exchange(exchange, request)
        except orjson.JSONDecodeError as error:
            response = Response.error(f"the body is no JSON: {error}", HTTPStatus.BAD_REQUEST)
        except BadRequestError as error:
            response = Response.error(str(error), HTTPStatus.BAD_REQUEST)
        except BadAnswerError as error:
            response = Response.error(str(error), HTTPStatus.BAD_GATEWAY)
        except PredictorAwayError as error:
            response = Response.error(str(error), HTTPStatus.SERVICE_UNAVAILABLE)
        except PredictorSlowError as error:
            response = Response.error(str(error), HTTPStatus.GATEWAY_TIMEOUT)
        if self._counts(request):
            self._record(exchange, response.status, time.perf_counter() - began)
        return self._named(response, request_id)

    async def _exchange(self, exchange: _Exchange, request: Request) -> Response:
        first = self._detection is not None and self._detection.reads_requests
        refuses = self._options.on_detection is OnDetection.REJECT
        if first and refuses:
            await self._score_request(exchange)
        if refuses and exchange.scores is not None and exchange.scores.flags.any():
            exchange.kept = [not flag for flag in exchange.scores.flags.tolist()]
            if not any(exchange.kept):
                answer = Answer.refused(exchange.protocol, exchange.rows.count, self._options.identity.model_deployment)
                return self._judged(exchange, answer)
        body = self._body(exchange, request)
        headers = dict(request.headers)
        if first and not refuses:
            reply, _ = await asyncio.gather(
                self._predictor.infer(body, exchange.request_id, headers), self._score_request(exchange)
            )
        else:
            reply = await self._predictor.infer(body, exchange.request_id, headers)
        if reply.status != HTTPStatus.OK:
            return Response(reply.status, reply.body, reply.content_type)
        answer = self._read(reply.body, exchange)
        if not first and self._detection is not None:
            await self._score_answer(exchange, answer)
        return self._judged(exchange, answer)

    def _body(self, exchange: _Exchange, request: Request) -> bytes:
        if exchange.kept is None and exchange.protocol == self._predictor.protocol:
            return request.body
        rows = exchange.rows if exchange.kept is None else exchange.rows.only(exchange.kept)
        if self._predictor.protocol == "v1":
            return orjson.dumps(encode_v1(rows))
        return orjson.dumps(encode_v2(rows, self._predictor.datatypes) | {"id": exchange.request_id})

    def _read(self, body: bytes, exchange: _Exchange) -> Answer:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BadAnswerError(f"the predictor's answer is no JSON: {error}") from error
        rows = exchange.rows.count if exchange.kept is None else sum(exchange.kept)
        answer = Answer.read(document, self._predictor.protocol, rows)
        return answer if exchange.kept is None else answer.spread(exchange.kept)

    async def _score_request(self, exchange: _Exchange) -> None:
        if self._detection is not None:
            with self._never_failing(exchange):
                exchange.scores = await self._detection.score_request(exchange.rows)

    async def _score_answer(self, exchange: _Exchange, answer: Answer) -> None:
        if self._detection is not None:
            with self._never_failing(exchange):
                exchange.scores = await self._detection.score_answer(answer)

    @contextlib.contextmanager
    def _never_failing(self, exchange: _Exchange) -> Any:
        try:
            yield
        except Exception:  # noqa: BLE001 (whatever a detector stumbles over, the answer goes out)
            exchange.unscored = True

    def _judged(self, exchange: _Exchange, answer: Answer) -> Response:
        scores = exchange.scores
        on_detection = self._options.on_detection
        exchange.answer = answer
        if scores is not None and on_detection is OnDetection.REJECT:
            answer = exchange.answer = answer.without(scores.flags)
        answer = answer.translated(exchange.protocol, self._options.identity.model_deployment)
        if scores is None or on_detection is OnDetection.OBSERVE:
            return Response.json(answer.document)
        answer = answer.flagged(scores)
        if on_detection is OnDetection.REJECT and scores.flags.all():
            return Response.json(answer.with_error(_refusal(scores)).document, contract.STATUS_ALL_REFUSED)
        return Response.json(answer.document)

    def _record(self, exchange: _Exchange | None, status: int, seconds: float) -> None:
        answered = exchange is not None and exchange.answer is not None
        self._metrics.answered(status, seconds, exchange.rows.count if exchange is not None and answered else 0)
        if exchange is None or exchange.answer is None:
            return
        if exchange.scores is not None:
            self._metrics.scored(exchange.scores.scores.tolist(), int(exchange.scores.flags.sum()))
        elif exchange.unscored:
            self._metrics.scoring_failures.inc(exchange.rows.count)
        if self._queue is not None and _sampled(exchange.request_id, self._options.sample_percent):
            try:
                self._queue.put(self._logged(exchange, exchange.answer, seconds), exchange.rows.count)
            except Exception as error:  # noqa: BLE001 (whatever a predictor answers, it goes out)
                _log.warning("an answer cannot be put into the prediction log: %r", error)
                self._metrics.log_dropped.inc(exchange.rows.count)

    def _logged(self, exchange: _Exchange, answer: Answer, seconds: float) -> dict[str, Any]:
        """Return a PredictionBatch as JSON has it; building the model would cost more than the rest of the logging."""
        me, scores = self._options.identity, exchange.scores
        batch = {
            "schemaVersion": 1,
            "namespace": me.namespace,
            "modelDeployment": me.model_deployment,
            "version": me.version,
            "arm": me.arm,
            "requestId": exchange.request_id,
            "time": exchange.arrived,
            "features": self._features(exchange.rows),
            "predictions": answer.predictions,
            "latencyMs": 1000.0 * seconds,
        }
        if (probabilities := answer.matrix(contract.V2_PROBABILITIES_TENSOR)) is not None:
            batch["probabilities"] = [row if row and row[0] == row[0] else [] for row in probabilities.tolist()]
        if scores is not None:
            batch |= {"oodScores": scores.scores.tolist(), "ood": scores.flags.tolist()}
        if self._options.privacy is not None:
            batch["changedColumns"] = self._options.privacy.told
        return batch

    def _features(self, rows: Rows) -> Mapping[str, Any]:
        """Return the columns that are logged: none, where some must be changed and nobody knows which is which."""
        if self._options.privacy is None:
            return rows.columns
        return self._options.privacy.changed(rows.columns) if rows.named else {}

    async def _tell(self, request: Request) -> Response:
        model = self._options.identity.model_deployment
        path = request.path.rstrip("/") or "/"
        if path == "/metrics":
            return Response(HTTPStatus.OK, self._metrics.page(), TEXT)
        if path in {"/", "/v2/health/live"}:
            return Response.json({"live": True})
        if path == "/v2":
            return Response.json({"name": "leeboard-transformer", "version": "2", "extensions": []})
        if path in {"/v2/health/ready", f"/v2/models/{model}/ready", f"/v1/models/{model}"}:
            return await self._readiness(path)
        if path == f"/v2/models/{model}":
            inputs = [
                {"name": name, "datatype": datatype, "shape": [-1]}
                for name, datatype in self._predictor.datatypes.items()
            ]
            platform = {"name": model, "versions": [self._options.identity.version], "platform": "leeboard"}
            return Response.json(platform | {"inputs": inputs, "outputs": []})
        return Response.error(f"there is nothing at {request.path}; the model is {model}", HTTPStatus.NOT_FOUND)

    async def _readiness(self, path: str) -> Response:
        scorer = self._detection
        if scorer is not None and not scorer.fetched.is_set() and time.monotonic() < self._patience_ends:
            return Response.error("the detector is not there yet", HTTPStatus.SERVICE_UNAVAILABLE)
        if not await self._predictor.ready():
            return Response.error("the predictor is not ready", HTTPStatus.SERVICE_UNAVAILABLE)
        return Response.json({"ready": True} | ({} if path.endswith("health/ready") else {"name": path.split("/")[3]}))

    def _named(self, response: Response, request_id: str) -> Response:
        named = (contract.HEADER_REQUEST_ID.encode(), request_id.encode("latin-1"))
        return Response(response.status, response.body, response.content_type, (self._version_header, named))

    @staticmethod
    def _request_id(request: Request) -> str:
        return _usable_id(request.header(contract.HEADER_REQUEST_ID)) or uuid.uuid4().hex

    @staticmethod
    def _counts(request: Request) -> bool:
        return request.header(contract.HEADER_PURPOSE) not in contract.UNCOUNTED_PURPOSES


def _usable_id(text: Any) -> str | None:
    """Return an id that fits the log and a header, or none."""
    fits = isinstance(text, str) and 0 < len(text) <= _LONGEST_ID and text.isascii() and text.isprintable()
    return text if fits else None


def _sampled(request_id: str, percent: int) -> bool:
    """Decide by the id, so that all arms and all replicas decide alike."""
    return zlib.crc32(request_id.encode()) % 100 < percent


def _refusal(scores: Scores) -> str:
    names = list(dict.fromkeys(name for features in scores.features for name in features[:1]))[:5]
    why = f"; the strangest: {', '.join(names)}" if names else ""
    rows = "the row does" if len(scores.flags) == 1 else f"all {len(scores.flags)} rows do"
    return f"{rows} not belong to the data that the model knows{why}"


def options_from(arguments: list[str] | None, environment: Mapping[str, str]) -> tuple[Options, int]:
    """Read KServe's arguments and Leeboard's environment; return the options and the port."""
    parser = argparse.ArgumentParser(prog="leeboard-transformer", description="Score, flag, refuse, log and count.")
    parser.add_argument("--model_name", default="model", help="name of the InferenceService")
    parser.add_argument("--predictor_host", required=True, help="host[:port] of the predictor")
    parser.add_argument("--http_port", type=int, default=8080)
    parser.add_argument("--predictor_protocol", choices=("v1", "v2"))
    parser.add_argument("--predictor_request_timeout_seconds", type=float, default=60.0)
    options, _ = parser.parse_known_args(arguments)  # KServe adds arguments that only its SDK knows
    public = environment.get(contract.ENV_MODEL_DEPLOYMENT) or options.model_name
    return Options(
        identity=Identity(
            namespace=environment.get(contract.ENV_NAMESPACE, "default"),
            model_deployment=public,
            version=environment.get(contract.ENV_VERSION, "0"),
            arm=environment.get(contract.ENV_ARM) or options.model_name,
        ),
        predictor_host=options.predictor_host,
        predictor_model=environment.get(contract.ENV_PREDICTOR_MODEL) or public,
        predictor_protocol=options.predictor_protocol or environment.get(contract.ENV_PROTOCOL, "v1"),
        predictor_timeout_seconds=options.predictor_request_timeout_seconds,
        detector_uri=environment.get(contract.ENV_DETECTOR_URI) or None,
        on_detection=OnDetection(environment.get(contract.ENV_ON_DETECTION) or OnDetection.FLAG),
        tracking_uri=environment.get(contract.ENV_TRACKING_URI, ""),
        collector_url=environment.get(contract.ENV_COLLECTOR_URL) or None,
        collector_token=environment.get(contract.ENV_COLLECTOR_TOKEN) or None,
        sample_percent=int(environment.get(contract.ENV_SAMPLE_PERCENT) or 100),
        privacy=_privacy(environment),
    ), options.http_port


def _privacy(environment: Mapping[str, str]) -> Privacy | None:
    changes = environment.get(contract.ENV_LOG_COLUMNS)
    if not changes:
        return None
    key = environment.get(contract.ENV_HASH_KEY, "").encode()
    return Privacy(contract.ChangedColumns.model_validate_json(changes), key)


def main() -> None:
    """Serve until SIGTERM."""
    try:
        options, port = options_from(None, os.environ)
    except ValueError as error:
        sys.exit(f"the transformer cannot start: {error}")
    serve(Transformer(options), port)


if __name__ == "__main__":
    main()
