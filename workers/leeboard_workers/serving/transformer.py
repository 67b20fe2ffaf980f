"""Stands before the predictor of an arm: scores every row, flags or refuses strangers, logs, counts.

```
request ── decode ──┬── predictor ──┬── answer: null for refused rows, flags beside ── client
                    └── detector ───┘            └── afterwards: counts, queue ── collector
```
Scoring and logging never fail or hold up an answer: a row that cannot be scored is answered unscored and counted.
Under Reject rows are scored first, so that a refused row never reaches the model. SIGHUP fetches the detector anew.
"""

import asyncio
import contextlib
import functools
import os
import signal
import sys
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import orjson

from leeboard.api.outofdistribution import OnDetection
from leeboard.contract import serving as contract
from leeboard_workers.ood.fitted import Scores
from leeboard_workers.serving.answers import Answer, BadAnswerError
from leeboard_workers.serving.asgi import TEXT, Held, Request, Response, serve
from leeboard_workers.serving.codec import BadRequestError, decode_v1, decode_v2, encode_v1, encode_v2
from leeboard_workers.serving.detection import Detection
from leeboard_workers.serving.exchange import Exchange, Recorder
from leeboard_workers.serving.logqueue import LogQueue
from leeboard_workers.serving.metadata import Metadata
from leeboard_workers.serving.metrics import Metrics
from leeboard_workers.serving.options import Options, options_from
from leeboard_workers.serving.upstream import Predictor, PredictorAwayError, PredictorSlowError

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_HELD_BYTES = 256 * 1024 * 1024
"""Bodies of all requests under way."""

_DRAIN_SECONDS = 5.0
_LONGEST_ID = 128
_BESIDE = ("id", "parameters", "outputs")
_DECODERS = {"v1": decode_v1, "v2": decode_v2}


class Transformer:
    """The application."""

    max_body_bytes = MAX_BODY_BYTES

    def __init__(self, options: Options) -> None:
        """Take the options; `start` begins to fetch and to send."""
        self._options = options
        me = options.identity
        self._metrics = Metrics(
            namespace=me.namespace, model_deployment=me.model_deployment, version=me.version, arm=me.arm
        )
        self._version_header = (contract.HEADER_VERSION.encode(), me.version.encode())
        model = me.model_deployment
        self._infer_paths = {
            f"/v1/models/{model}:predict": "v1",
            f"/v2/models/{model}/infer": "v2",
            f"/v2/models/{model}/versions/{me.version}/infer": "v2",
        }
        self._refuses = options.on_detection is OnDetection.REJECT
        self._detection: Detection | None = None
        self._queue: LogQueue | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to fetch the detector and to send the log."""
        options = self._options
        self._predictor = Predictor(
            options.predictor_host,
            options.predictor_model,
            options.predictor_protocol,
            options.predictor_timeout_seconds,
        )
        if options.detector_uri:
            self._detection = Detection(options.detector_uri, options.tracking_uri, self._metrics)
            self._fetch(self._detection)
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._fetch, self._detection)
        if options.collector_url:
            self._queue = LogQueue(options.collector_url, options.collector_token, self._metrics)
            self._sending = asyncio.create_task(self._queue.run())
        self._metadata = Metadata(options.identity, self._predictor, self._detection)
        self._recorder = Recorder(options, self._metrics, self._queue)

    async def stop(self) -> None:
        """Send what of the log still waits, within a bound."""
        if self._queue is not None:
            self._queue.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._sending, _DRAIN_SECONDS)
            self._queue.drop_rest()
        if self._fetching is not None:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
            self._fetching.cancel()
        await self._predictor.close()

    def _fetch(self, detection: Detection) -> None:
        """Begin to fetch the detector; one that is there scores until the new one is."""
        if self._fetching is not None:
            self._fetching.cancel()  # what it has read may be old
        self._fetching = asyncio.create_task(detection.fetch())

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        protocol = self._infer_paths.get(request.path)
        if protocol is not None and request.method == "POST":
            return await self._infer(request, protocol)
        if request.path == "/metrics":
            return Response(HTTPStatus.OK, self._metrics.page(), TEXT)
        if protocol == "v2":
            sentence = f"{request.method} is not taken at {request.path}: POST a request"
            return self._named(Response.error(sentence, HTTPStatus.METHOD_NOT_ALLOWED), _request_id(request))
        return self._named(await self._metadata.answer(request.method, request.path), _request_id(request))

    def too_large(self, request: Request) -> Response:
        """Refuse a body that is too long."""
        sentence = f"the body is larger than {MAX_BODY_BYTES // 2**20} MiB: send fewer rows at once"
        return self._turned_away(request, Response.error(sentence, HTTPStatus.REQUEST_ENTITY_TOO_LARGE))

    def too_many(self, request: Request) -> Response:
        """Refuse a body that there is no memory for now."""
        sentence = "too many requests are under way: try again in a second"
        return self._turned_away(request, Response.later(sentence, HTTPStatus.TOO_MANY_REQUESTS))

    def _turned_away(self, request: Request, response: Response) -> Response:
        if request.path in self._infer_paths and _counts(request):
            self._metrics.answered(response.status, 0.0, 0)
        return self._named(response, _request_id(request))

    async def _infer(self, request: Request, protocol: str) -> Response:
        arrived = time.time()
        began = time.perf_counter()
        exchange: Exchange | None = None
        request_id = _request_id(request)
        try:
            document = orjson.loads(request.body)
            if protocol == "v2" and not request.header(contract.HEADER_REQUEST_ID):
                request_id = _usable_id(document.get("id") if isinstance(document, dict) else None) or request_id
            rows = _DECODERS[protocol](document, self._predictor.inputs)
            exchange = Exchange(
                protocol, rows, request_id, arrived, integers=self._predictor.integers, body=request.body
            )
            if protocol == "v2":
                exchange.beside = {name: document[name] for name in _BESIDE if document.get(name) is not None}
            response = await self._exchange(exchange, request)
        except orjson.JSONDecodeError as error:
            response = Response.error(f"the body is no JSON: {error}", HTTPStatus.BAD_REQUEST)
        except BadRequestError as error:
            response = Response.error(str(error), HTTPStatus.BAD_REQUEST)
        except BadAnswerError as error:
            response = Response.error(str(error), HTTPStatus.BAD_GATEWAY)
        except PredictorAwayError as error:
            response = Response.later(str(error), HTTPStatus.SERVICE_UNAVAILABLE)
        except PredictorSlowError as error:
            response = Response.error(str(error), HTTPStatus.GATEWAY_TIMEOUT)
        seconds = time.perf_counter() - began
        named = self._named(response, request_id)
        if _counts(request):
            named.afterwards = functools.partial(self._recorder.record, exchange, named.status, seconds)
        return named

    async def _exchange(self, exchange: Exchange, request: Request) -> Response:
        detection = self._detection
        first = detection is not None and detection.reads_requests
        if first and self._refuses:
            await self._score_request(exchange)
        if self._refuses and exchange.scores is not None and exchange.scores.flags.any():
            exchange.kept = [not flag for flag in exchange.scores.flags.tolist()]
            if not any(exchange.kept):
                answer = Answer.refused(exchange.protocol, exchange.rows.count, self._options.identity.model_deployment)
                return self._judged(exchange, answer)

        async def score() -> None:
            await self._score_request(exchange)

        reply = await self._predictor.infer(
            self._body(exchange, request),
            exchange.request_id,
            request.headers,
            meanwhile=score if first and not self._refuses else None,
        )
        if reply.status != HTTPStatus.OK:
            later = ((b"retry-after", reply.retry_after),) if reply.retry_after else ()
            return Response(reply.status, reply.body, reply.content_type, later)
        answer = self._read(reply.body, exchange)
        if detection is not None and not first:
            with _never_failing(exchange):
                exchange.scores = await detection.score_answer(answer)
        return self._judged(exchange, answer)

    def _body(self, exchange: Exchange, request: Request) -> bytes:
        if exchange.kept is None and exchange.protocol == self._predictor.protocol:
            return request.body
        rows = exchange.rows if exchange.kept is None else exchange.rows.only(exchange.kept)
        try:
            if self._predictor.protocol == "v1":
                return orjson.dumps(encode_v1(rows))
            document = {"id": exchange.request_id} | exchange.beside
            return orjson.dumps(document | encode_v2(rows, self._predictor.datatypes))
        except (RecursionError, orjson.JSONEncodeError) as error:
            raise BadRequestError("a value is nested more deeply than JSON can be written") from error

    def _read(self, body: bytes, exchange: Exchange) -> Answer:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BadAnswerError(f"the predictor's answer is no JSON: {error}") from error
        rows = exchange.rows.count if exchange.kept is None else sum(exchange.kept)
        answer = Answer.read(document, self._predictor.protocol, rows)
        return answer if exchange.kept is None else answer.spread(exchange.kept)

    async def _score_request(self, exchange: Exchange) -> None:
        if self._detection is not None:
            with _never_failing(exchange):
                exchange.scores = await self._detection.score_request(exchange.rows)

    def _judged(self, exchange: Exchange, answer: Answer) -> Response:
        scores = exchange.scores
        exchange.answer = answer
        if scores is not None and self._refuses:
            answer = exchange.answer = answer.without(scores.flags)
        answer = answer.translated(exchange.protocol, self._options.identity.model_deployment)
        if "id" in exchange.beside:
            answer = answer.with_id(exchange.beside["id"])
        status: int = HTTPStatus.OK
        if scores is not None and self._options.on_detection is not OnDetection.OBSERVE:
            answer = answer.flagged(scores)
            if self._refuses and scores.flags.all():
                answer, status = answer.with_error(_refusal(scores)), contract.STATUS_ALL_REFUSED
        try:
            return Response.json(answer.document, status)
        except orjson.JSONEncodeError as error:
            raise BadAnswerError("the predictor's answer is nested more deeply than JSON can be written") from error

    def _named(self, response: Response, request_id: str) -> Response:
        named = (contract.HEADER_REQUEST_ID.encode(), request_id.encode("latin-1"))
        headers = (*response.headers, self._version_header, named)
        return Response(response.status, response.body, response.content_type, headers)


@contextlib.contextmanager
def _never_failing(exchange: Exchange) -> Iterator[None]:
    try:
        yield
    except Exception:  # noqa: BLE001 (whatever a detector stumbles over, the answer goes out)
        exchange.unscored = True


def _request_id(request: Request) -> str:
    return _usable_id(request.header(contract.HEADER_REQUEST_ID)) or os.urandom(16).hex()


def _counts(request: Request) -> bool:
    return request.header(contract.HEADER_PURPOSE) not in contract.UNCOUNTED_PURPOSES


def _usable_id(text: Any) -> str | None:
    """Return an id that fits the log and a header, or none."""
    fits = isinstance(text, str) and 0 < len(text) <= _LONGEST_ID and text.isascii() and text.isprintable()
    return text if fits else None


def _refusal(scores: Scores) -> str:
    names = list(dict.fromkeys(name for features in scores.features for name in features[:1]))[:5]
    why = f"; the strangest: {', '.join(names)}" if names else ""
    rows = "the row does" if len(scores.flags) == 1 else f"all {len(scores.flags)} rows do"
    return f"{rows} not belong to the data that the model knows{why}"


def main() -> None:
    """Serve until SIGTERM."""
    try:
        options, port = options_from(None, os.environ)
    except ValueError as error:
        sys.exit(f"the transformer cannot start: {error}")
    serve(Transformer(options), port, Held(MAX_HELD_BYTES))


if __name__ == "__main__":
    main()
