"""One request on its way through the transformer, and what is kept of it afterwards: counts and logged rows."""

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from leeboard.contract import serving as contract
from leeboard_workers.data.encoding.rowlists import RowLists
from leeboard_workers.ood.fitted import Scores
from leeboard_workers.serving.answers import Answer
from leeboard_workers.serving.codec import Rows
from leeboard_workers.serving.logqueue import LogQueue
from leeboard_workers.serving.metrics import Metrics
from leeboard_workers.serving.options import Options

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Exchange:
    """One request on its way."""

    protocol: str
    rows: Rows
    request_id: str
    arrived: float
    """Seconds since the epoch."""
    scores: Scores | None = None
    unscored: bool = False
    """Whether the detector stumbled over it."""
    kept: list[bool] | None = None
    """Which rows went to the predictor; none: all of them."""
    answer: Answer | None = None
    integers: Sequence[str] = ()
    """Columns that the model's signature calls integer."""
    body: bytes = b""
    """As the client sent it."""
    beside: dict[str, Any] = field(default_factory=dict)
    """What a v2 request says beside its inputs: its id, its parameters, which outputs it wants."""


class Recorder:
    """Counts and logs what was answered."""

    def __init__(self, options: Options, metrics: Metrics, queue: LogQueue | None) -> None:
        """Take whose arm it is, and where counts and rows go; no queue: nothing is logged."""
        self._options = options
        self._metrics = metrics
        self._queue = queue
        me = options.identity
        self._head = {
            "schemaVersion": 1,
            "namespace": me.namespace,
            "modelDeployment": me.model_deployment,
            "version": me.version,
            "arm": me.arm,
        } | ({} if options.privacy is None else {"changedColumns": options.privacy.told})

    def record(self, exchange: Exchange | None, status: int, seconds: float) -> None:
        """Count a request and log its rows; done after the answer has gone, and never raises."""
        if exchange is None or exchange.answer is None:
            self._metrics.answered(status, seconds, 0)
            return
        self._metrics.answered(status, seconds, exchange.rows.count)
        if exchange.scores is not None:
            self._metrics.scored(exchange.scores.scores, int(exchange.scores.flags.sum()))
        elif exchange.unscored:
            self._metrics.scoring_failures.inc(exchange.rows.count)
        if self._queue is not None and _sampled(exchange.request_id, self._options.sample_percent):
            try:
                self._queue.put(self._logged(exchange, exchange.answer, seconds), exchange.rows.count)
            except Exception as error:  # noqa: BLE001 (whatever a predictor answers, the next request is served)
                _log.warning("an answer cannot be put into the prediction log: %r", error)
                self._metrics.log_dropped.inc(exchange.rows.count)

    def _logged(self, exchange: Exchange, answer: Answer, seconds: float) -> dict[str, Any]:
        """Return a PredictionBatch as JSON has it; building the model would cost more than the rest of the logging."""
        batch = self._head | {
            "requestId": exchange.request_id,
            "time": exchange.arrived,
            **self._inputs(exchange),
            "predictions": answer.predictions,
            "latencyMs": 1000.0 * seconds,
        }
        if (probabilities := answer.matrix(contract.V2_PROBABILITIES_TENSOR)) is not None:
            batch["probabilities"] = [row if row and row[0] == row[0] else [] for row in probabilities.tolist()]
        if exchange.integers:
            batch["integerFeatures"] = exchange.integers
        if (scores := exchange.scores) is not None:
            batch |= {"oodScores": scores.scores.tolist(), "ood": scores.flags.tolist()}
        return batch

    def _inputs(self, exchange: Exchange) -> dict[str, Any]:
        """Return the columns that are logged: none, where some must be changed and nobody knows which is which."""
        rows = exchange.rows
        if self._options.privacy is not None:
            return {"features": self._options.privacy.changed(rows.columns) if rows.named else {}}
        if not isinstance(rows.columns, RowLists):
            return {"features": rows.columns}
        instances = as_sent(exchange.body, rows.columns) or rows.columns.rows
        return {"features": {}, "columns": rows.columns.names, "instances": instances}


def as_sent(body: bytes, columns: RowLists) -> orjson.Fragment | None:
    """Return the text of a v1 body's instances, if they are numbers and there is nothing beside them.

    Writing some thousand numbers anew costs as much as reading them. One colon: there is one member, and no other of
    the same name before it. No cell is a list, so the text nests no deeper than what the collector reads.
    """
    colon = body.find(b":")
    if colon < 0 or body.find(b":", colon + 1) >= 0 or columns.numbers is None:
        return None
    return orjson.Fragment(body[colon + 1 : body.rindex(b"}")])


def _sampled(request_id: str, percent: int) -> bool:
    """Decide by the id, so that all arms and all replicas decide alike."""
    return percent == 100 or zlib.crc32(request_id.encode()) % 100 < percent  # noqa: PLR2004 (whole)
