"""The transformer's metrics, every series there from the start, so that a rate is 0 and not absent."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from leeboard.contract.serving import (
    METRIC_LOG_DROPPED,
    METRIC_OOD_EXPECTED,
    METRIC_OOD_ROWS,
    METRIC_OOD_SCORE,
    METRIC_REQUESTS,
    METRIC_ROWS,
    METRIC_SCORED_ROWS,
    METRIC_SCORING_FAILURES,
    METRIC_SECONDS,
)

_CODES = (200, 400, 404, 413, 422, 429, 500, 502, 503, 504)
_LATENCY_BUCKETS = (
    *(0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0),
)
_SCORE_BUCKETS = (-100, -30, -10, -3, -1, -0.3, -0.1, 0, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1e3, 1e4, 1e6)


class ScoreHistogram(Collector):
    """A histogram that takes the scores of a whole request at once."""

    def __init__(self, names: tuple[str, ...], labels: tuple[str, ...]) -> None:
        """Start empty.

        Args:
            names: Names of the labels.
            labels: Their values.
        """
        self._names, self._labels = names, labels
        self._bounds = np.array(_SCORE_BUCKETS, dtype=np.float64)
        self._counts = np.zeros(len(_SCORE_BUCKETS) + 1, dtype=np.int64)
        self._sum = 0.0

    def observe(self, scores: NDArray[np.float64]) -> None:
        """Count scores; a score that equals a bound lies below it."""
        places = np.searchsorted(self._bounds, scores, side="left")
        if len(places) == 1:
            self._counts[places[0]] += 1
        else:
            self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += float(scores.sum())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Return the histogram as Prometheus reads it."""
        bounds = [*map(str, self._bounds.tolist()), "+Inf"]
        buckets = list(zip(bounds, self._counts.cumsum().tolist(), strict=True))
        family = HistogramMetricFamily(METRIC_OOD_SCORE, "Scores; higher is stranger.", labels=self._names)
        family.add_metric(self._labels, buckets=buckets, sum_value=self._sum)
        yield family


class Metrics:
    """Counters of one arm."""

    def __init__(self, *, namespace: str, model_deployment: str, version: str, arm: str) -> None:
        """Create every series.

        Args:
            namespace: Namespace of the ModelDeployment.
            model_deployment: Its name.
            version: Version of the model.
            arm: Name of the InferenceService.
        """
        self._registry = CollectorRegistry()
        names = ("model_namespace", "modeldeployment", "version", "arm")
        labels = (namespace, model_deployment, version, arm)

        def counter(metric: str, text: str) -> Counter:
            return Counter(metric, text, names, registry=self._registry).labels(*labels)

        requests = Counter(METRIC_REQUESTS, "Answered requests.", (*names, "code"), registry=self._registry)
        self._labels = labels
        self._by_code = requests
        self._requests = {code: requests.labels(*labels, str(code)) for code in _CODES}
        self.seconds = Histogram(
            METRIC_SECONDS, "Seconds from arrival to answer.", names, buckets=_LATENCY_BUCKETS, registry=self._registry
        ).labels(*labels)
        self.rows = counter(METRIC_ROWS, "Rows of answered requests.")
        self.scored_rows = counter(METRIC_SCORED_ROWS, "Rows that were scored.")
        self.ood_rows = counter(METRIC_OOD_ROWS, "Rows that are out of distribution.")
        self._expected = Gauge(METRIC_OOD_EXPECTED, "Share of good rows that may be.", names, registry=self._registry)
        self._ood_score = ScoreHistogram(names, labels)
        self._registry.register(self._ood_score)
        self.scoring_failures = counter(METRIC_SCORING_FAILURES, "Rows that could not be scored.")
        self.log_dropped = counter(METRIC_LOG_DROPPED, "Rows that were lost to the prediction log.")

    def answered(self, code: int, seconds: float, rows: int) -> None:
        """Count an answered request."""
        (self._requests.get(code) or self._by_code.labels(*self._labels, str(code))).inc()
        self.seconds.observe(seconds)
        self.rows.inc(rows)

    def expect(self, share: float) -> None:
        """Tell which share of good rows the detector may flag."""
        self._expected.labels(*self._labels).set(share)

    def scored(self, scores: NDArray[np.float64], flagged: int) -> None:
        """Count scored rows."""
        self.scored_rows.inc(len(scores))
        self.ood_rows.inc(flagged)
        self._ood_score.observe(scores)

    def page(self) -> bytes:
        """Return what Prometheus reads."""
        return generate_latest(self._registry)
