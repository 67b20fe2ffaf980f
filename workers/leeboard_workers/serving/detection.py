"""The transformer's detector: fetched in the background, used from the moment it is there."""

import asyncio
import base64
import logging
import os
import random
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urlsplit

from threadpoolctl import threadpool_limits

from leeboard.api.outofdistribution import DetectorInput
from leeboard_workers.ood.fitted import FittedDetector, Scores
from leeboard_workers.ood.store import ARRAYS, DOCUMENT, decode
from leeboard_workers.serving.answers import Answer
from leeboard_workers.serving.codec import Rows
from leeboard_workers.serving.connections import AwayError, Connections, SlowError
from leeboard_workers.serving.metrics import Metrics

_MAX_BYTES = 512_000_000
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_TIMEOUT_SECONDS = 120.0
_OUTPUTS = {
    DetectorInput.PROBABILITIES: "probabilities",
    DetectorInput.LOGITS: "logits",
    DetectorInput.FEATURES: "features",
}
_FEW_ROWS = 256  # so few are scored at once: the way to another thread costs more

_log = logging.getLogger(__name__)


class Detection:
    """Fetches a detector and scores with it."""

    def __init__(self, uri: str, tracking_uri: str, metrics: Metrics) -> None:
        """Remember where the detector lies; `fetch` gets it.

        Args:
            uri: Folder of the artifact.
            tracking_uri: MLflow server, for `mlflow-artifacts:/`.
            metrics: Where it is told what share of rows the detector may flag.
        """
        self._uri = uri
        self._tracking_uri = tracking_uri
        self._metrics = metrics
        threadpool_limits(1, user_api="blas")  # a request has few rows: threads that wait for each other cost more
        self._detector: FittedDetector | None = None
        self.fetched = asyncio.Event()

    async def fetch(self) -> None:
        """Try until the detector is there, or there anew: then it takes the place of the one before."""
        pause = _FIRST_PAUSE_SECONDS
        said = ""
        while True:
            try:
                document, arrays = await asyncio.gather(*(self._read(name) for name in (DOCUMENT, ARRAYS)))
                self._detector = await asyncio.to_thread(decode, document, arrays)
            except (AwayError, SlowError, OSError, ValueError) as error:
                reason = str(error) or type(error).__name__
                if reason != said:
                    _log.warning("the detector %s cannot be fetched, rows go unscored: %s", self._uri, reason)
                said = reason
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 (jitter)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                self._metrics.expect(1.0 - self._detector.acceptance)
                self.fetched.set()
                _log.info("the detector %s is there", self._uri)
                return

    @property
    def reads_requests(self) -> bool:
        """Whether the detector is there and looks at request rows, so that it needs no answer of the predictor."""
        return self._detector is not None and self._detector.input is DetectorInput.INSTANCES

    async def score_request(self, rows: Rows) -> Scores:
        """Score request rows.

        Raises:
            ValueError: there is no detector yet, or it cannot score these rows.
        """
        detector = self._present()
        names = detector.encoder.names if detector.encoder is not None else ()
        columns = rows.columns if rows.named else _unfolded(rows, names)
        if rows.count <= _FEW_ROWS:
            return detector.score_rows(columns)
        return await asyncio.to_thread(detector.score_rows, columns)

    async def score_answer(self, answer: Answer) -> Scores:
        """Score probabilities, logits or features of an answer.

        Raises:
            ValueError: there is no detector yet, or the answer lacks what it looks at.
        """
        detector = self._present()
        matrix = answer.matrix(_OUTPUTS[detector.input])
        if matrix is None:
            raise ValueError(f"the model answers no {_OUTPUTS[detector.input]}, which the detector looks at")
        if answer.rows <= _FEW_ROWS:
            return detector.score_matrix(matrix)
        return await asyncio.to_thread(detector.score_matrix, matrix)

    def _present(self) -> FittedDetector:
        if self._detector is None:
            raise ValueError("the detector is not there yet")
        return self._detector

    async def _read(self, name: str) -> bytes:
        address = f"{self._uri.rstrip('/')}/{name}"
        scheme = urlsplit(address).scheme
        if scheme in {"", "file"}:
            return await asyncio.to_thread(Path(urlsplit(address).path).read_bytes)
        if scheme == "mlflow-artifacts":
            address = artifact_url(address, self._tracking_uri)
        elif scheme not in {"http", "https"}:
            return await asyncio.to_thread(_read_from_store, address)
        server, path = _split(address)
        connections = Connections(server, max_answer_bytes=_MAX_BYTES)
        try:
            reply = await connections.get(path, _mlflow_credentials(), within=_TIMEOUT_SECONDS)
        finally:
            await connections.close()
        if reply.status != HTTPStatus.OK:
            raise OSError(f"{address} answers {reply.status}: {reply.body[:200].decode(errors='replace')}")
        return reply.body


def _split(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}", parts.path + (f"?{parts.query}" if parts.query else "")


def artifact_url(uri: str, tracking_uri: str) -> str:
    """Return where MLflow serves an artifact of the scheme `mlflow-artifacts:` by plain HTTP.

    Raises:
        ValueError: the URI names no server and neither does the tracking URI.
    """
    parts = urlsplit(uri)
    server = f"http://{parts.netloc}" if parts.netloc else tracking_uri.rstrip("/")
    if not server.startswith(("http://", "https://")):
        raise ValueError(f"{uri} needs an MLflow server: set MLFLOW_TRACKING_URI to its address")
    return f"{server}/api/2.0/mlflow-artifacts/artifacts/{quote(parts.path.lstrip('/'))}"


def _mlflow_credentials() -> list[tuple[bytes, bytes]]:
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return [(b"authorization", f"Bearer {token}".encode())]
    if user := os.environ.get("MLFLOW_TRACKING_USERNAME"):
        secret = f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return [(b"authorization", b"Basic " + base64.b64encode(secret.encode()))]
    return []


def _read_from_store(address: str) -> bytes:
    import pyarrow.fs  # noqa: PLC0415 (large, and only object stores need it)

    filesystem, path = pyarrow.fs.FileSystem.from_uri(address)
    with filesystem.open_input_stream(path) as stream:
        content: bytes = stream.read()
    return content


def _unfolded(rows: Rows, names: tuple[str, ...]) -> dict[str, list[object]]:
    """Give whole rows, as lists, the names that the detector knows, in order."""
    (cells,) = rows.columns.values()
    if len(names) == 1:
        return {names[0]: cells}
    if not all(isinstance(row, list) and len(row) == len(names) for row in cells):
        raise ValueError(f"rows of {len(names)} values are needed to score them")
    return dict(zip(names, map(list, zip(*cells, strict=True)), strict=True))
