"""What the operator tells about itself: Prometheus metrics, and one JSON document per log line."""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from pythonjsonlogger.json import JsonFormatter

_OBJECT = ("kind", "model_namespace", "name")
_PASS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Telemetry:
    """The operator's own metrics.

    Args:
        registry: Where they are collected; one per process, a fresh one in tests.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.pass_seconds = Histogram(
            "leeboard_pass_seconds", "Duration of a pass.", ("kind",), buckets=_PASS_SECONDS, registry=self.registry
        )
        self.pass_errors = Counter(
            "leeboard_pass_errors", "Passes that ended with an error.", ("kind", "error"), registry=self.registry
        )
        self.api_writes = Counter(
            "leeboard_api_writes", "Writes to the API server.", ("verb", "kind"), registry=self.registry
        )
        self.queue_length = Gauge("leeboard_queue_length", "Keys that wait for a pass now.", registry=self.registry)
        self.condition = Gauge(
            "leeboard_condition", "1: the condition is True; 0: it is not.", (*_OBJECT, "type"), registry=self.registry
        )
        self.weight = Gauge(
            "leeboard_traffic_weight",
            "Percent of the traffic by the route.",
            ("model_namespace", "modeldeployment", "version", "arm"),
            registry=self.registry,
        )
        of_check = ("model_namespace", "driftmonitor", "check")
        self.drift_score = Gauge(
            "leeboard_drift_score", "Statistic of a check, as last measured.", of_check, registry=self.registry
        )
        self.drift_threshold = Gauge(
            "leeboard_drift_threshold", "Threshold of a check.", of_check, registry=self.registry
        )
        self.check_drifted = Gauge(
            "leeboard_check_drifted",
            "1: the check drifted, as last measured; 0: not.",
            of_check,
            registry=self.registry,
        )
        self.runs = Counter(
            "leeboard_runs", "Outcomes that were read from jobs.", (*_OBJECT, "outcome"), registry=self.registry
        )
        self._label_sets: dict[tuple[str, str, str], set[tuple[Gauge, tuple[str, ...]]]] = {}

    def set_gauges(self, subject: tuple[str, str, str], values: Iterable[tuple[Gauge, tuple[str, ...], float]]) -> None:
        """Write all per-object gauges of one object (kind, namespace, name); what it had and lacks now is removed."""
        now: set[tuple[Gauge, tuple[str, ...]]] = set()
        for gauge, labels, value in values:
            gauge.labels(*labels).set(value)
            now.add((gauge, labels))
        for gauge, labels in self._label_sets.get(subject, set()) - now:
            gauge.remove(*labels)
        if now:
            self._label_sets[subject] = now
        else:
            self._label_sets.pop(subject, None)


_subject: ContextVar[dict[str, str] | None] = ContextVar("leeboard_subject", default=None)


@contextmanager
def log_subject(kind: str, namespace: str, name: str) -> Iterator[None]:
    """Put an object's kind, namespace and name into each log line that is written inside."""
    token = _subject.set({"kind": kind, "namespace": namespace, "object": name})
    try:
        yield
    finally:
        _subject.reset(token)


class _SubjectFilter(logging.Filter):
    """Adds the object that a line is about."""

    def filter(self, record: logging.LogRecord) -> bool:
        for key, value in (_subject.get() or {}).items():
            setattr(record, key, value)
        return True


def configure_logging(level: str) -> None:
    """Write one JSON document per log line to standard error, with the object's name in each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    handler.addFilter(_SubjectFilter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("kopf", "httpx", "urllib3", "aiohttp"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
