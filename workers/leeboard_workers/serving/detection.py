"""The transformer's detector: fetched in the background, used from the moment it is there."""

import asyncio
import base64
import logging
import os
import random
from pathlib import Path
from urllib.parse import quote, urlsplit

import aiohttp
import numpy as np

from leeboard.api.outofdistribution import DetectorInput
from leeboard_workers.ood.fitted import FittedDetector, Scores
from leeboard_workers.ood.store import ARRAYS, DOCUMENT, decode
from leeboard_workers.serving.answers import Answer
from leeboard_workers.serving.codec import Rows

_MAX_BYTES = 512_000_000
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_TIMEOUT = aiohttp.ClientTimeout(total=120, connect=5)
_OUTPUTS = {
    DetectorInput.PROBABILITIES: "probabilities",
    DetectorInput.LOGITS: "logits",
    DetectorInput.FEATURES: "features",
}
_FEW_ROWS = 256  # so few are scored at once: the way to another thread costs more

_log = logging.getLogger(__name__)


class Detection:
    """Fetches a detector and scores with it."""

    def __init__(self, uri: str, tracking_uri: str) -> None:
        """Remember where the detector lies; `fetch` gets it.

        Args:
            uri: Folder of the artifact.
            tracking_uri: MLflow server, for `mlflow-artifacts:/`.
        """
        self._uri = uri
        self._tracking_uri = tracking_uri
        self._detector: FittedDetector | None = None
        self.fetched = asyncio.Event()

    async def fetch(self) -> None:
        """Try until the detector is there."""
        pause = _FIRST_PAUSE_SECONDS
        said = ""
        while True:
            try:
                document, arrays = await asyncio.gather(*(self._read(name) for name in (DOCUMENT, ARRAYS)))
                self._detector = await asyncio.to_thread(decode, document, arrays)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                reason = str(error) or type(error).__name__
                if reason != said:
                    _log.warning("the detector %s cannot be fetched, rows go unscored: %s", self._uri, reason)
                said = reason
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 (jitter)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
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
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, headers=_mlflow_credentials()) as session,
            session.get(address) as response,
        ):
            if response.status != 200:  # noqa: PLR2004 (OK)
                raise OSError(f"{address} answers {response.status}: {(await response.text())[:200]}")
            content = await response.content.read(_MAX_BYTES + 1)
            parts = [content]
            while part := await response.content.read(_MAX_BYTES):
                parts.append(part)
                if sum(map(len, parts)) > _MAX_BYTES:
                    raise OSError(f"{address} is larger than {_MAX_BYTES} bytes")
            return b"".join(parts)


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


def _mlflow_credentials() -> dict[str, str]:
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"authorization": f"Bearer {token}"}
    if user := os.environ.get("MLFLOW_TRACKING_USERNAME"):
        secret = f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    return {}


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
    matrix = np.array(cells, dtype=object)
    if matrix.ndim != 2 or matrix.shape[1] != len(names):  # noqa: PLR2004 (rows by columns)
        raise ValueError(f"rows of {len(names)} values are needed to score them")
    return {name: matrix[:, at].tolist() for at, name in enumerate(names)}
