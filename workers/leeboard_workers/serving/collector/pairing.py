"""Joins the events of KServe's logger, a request and its answer, into predictions.

Both carry the same id, which the logger makes for each request (or takes from its header `ce-id`), and may come in any
order and in different segments of the journal. A half that waits holds its segment: the segment stays in the journal
until the other half was carried or is given up, so that after a crash both are read again.

    request ──┐                                   ┌── rows
              ├── id, namespace, service, part ───┤
    answer  ──┘                                   └── given up after two minutes, counted
"""

import logging
from collections import Counter as Tally
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter

PATIENCE_SECONDS = 120.0
"""So long a half waits for the other one; the answer comes as late as the model answers."""
MAX_WAITING = 100_000
"""More halves than that: the oldest is given up."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""More bytes than that, as the journal has them: the oldest is given up. In memory they are several times as many."""

_log = logging.getLogger(__name__)

Document = dict[str, Any]


@dataclass(frozen=True)
class _Half:
    document: Document
    segment: int
    time: float
    size: int
    """Its part of the journal's record."""


class Pairing:
    """The halves that wait."""

    def __init__(self, unpaired: Counter) -> None:
        """Begin empty.

        Args:
            unpaired: Counts the halves that are given up.
        """
        self._unpaired = unpaired
        self._waiting: dict[tuple[str, ...], _Half] = {}
        self._held: Tally[int] = Tally()
        """Waiting halves by segment."""
        self._size = 0

    def pairs(self, events: list[Document], segment: int, time: float, size: int) -> Iterator[Document]:
        """Return the predictions that become whole with these events, as PredictionBatch documents.

        Args:
            events: As `events.read_events` made them.
            segment: Where they stand in the journal.
            time: When they were acknowledged.
            size: Bytes of all of them there.
        """
        for event in events:
            key = tuple(event["key"])
            other = self._waiting.get(key)
            if other is None or other.document["half"] == event["half"]:
                self._wait(key, _Half(event, segment, time, size // len(events)))
                continue
            self._release(key)
            request, answer = sorted((event, other.document), key=lambda half: half["half"], reverse=True)
            if (batch := _joined(request, answer)) is not None:
                yield batch
            else:
                self._unpaired.inc(2)

    def give_up(self, now: float) -> None:
        """Forget the halves that have waited too long."""
        late = [key for key, half in self._waiting.items() if now - half.time > PATIENCE_SECONDS]
        for key in late:
            self._release(key)
            self._unpaired.inc()

    def snapshot(self) -> dict[tuple[str, ...], _Half]:
        """Return what waits, for `restore`."""
        return dict(self._waiting)

    def restore(self, waiting: dict[tuple[str, ...], _Half]) -> None:
        """Go back to what waited: what was joined since could not be carried."""
        self._waiting = waiting
        self._held = Tally(half.segment for half in waiting.values())
        self._size = sum(half.size for half in waiting.values())

    def holds(self, segment: int) -> bool:
        """Say whether a half of a segment still waits."""
        return self._held[segment] > 0

    def _wait(self, key: tuple[str, ...], half: _Half) -> None:
        if key in self._waiting:  # the same half again, or an id that was used again
            self._release(key)
        self._waiting[key] = half
        self._held[half.segment] += 1
        self._size += half.size
        while len(self._waiting) > 1 and (len(self._waiting) > MAX_WAITING or self._size > MAX_WAITING_BYTES):
            self._release(next(iter(self._waiting)))
            self._unpaired.inc()

    def _release(self, key: tuple[str, ...]) -> None:
        half = self._waiting.pop(key)
        self._size -= half.size
        self._held[half.segment] -= 1
        if not self._held[half.segment]:
            del self._held[half.segment]


def _joined(request: Document, answer: Document) -> Document | None:
    """Make one prediction of both halves; none when they do not fit together."""
    rows = len(answer["predictions"])
    if rows != request["count"]:
        _log.warning("the answer %s has %d rows for %d of its request", answer["key"], rows, request["count"])
        return None
    batch = {
        name: request[name] for name in ("namespace", "modelDeployment", "arm", "version", "requestId", "features")
    }
    optional = {name: answer[name] for name in ("probabilities", "oodScores", "ood") if answer.get(name) is not None}
    latency = max(0.0, 1000.0 * (answer["time"] - request["time"]))
    return batch | optional | {"time": request["time"], "predictions": answer["predictions"], "latencyMs": latency}
