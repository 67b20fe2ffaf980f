"""What is asked of Prometheus when it is away."""

from leeboard.api.errors import TransientError
from leeboard.modeldeployment import observe


class PlayedMetrics:
    """Prometheus, of which every question is refused for one reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.asked: list[str] = []

    async def query(self, promql: str) -> float | None:
        self.asked.append(promql)
        raise TransientError("refused", self.reason)


QUESTIONS = {"errors": {"requests": "a", "errors": "b"}, "slow": {"requests": "c"}}


async def test_asks_a_prometheus_that_is_away_once_for_all_metrics():
    metrics = PlayedMetrics("PrometheusUnavailable")
    readings = await observe.measure(QUESTIONS, metrics)

    assert metrics.asked == ["a"]
    assert [(name, reading.away, reading.error) for name, reading in readings.items()] == [
        ("errors", True, "refused"),
        ("slow", True, "refused"),
    ]


async def test_asks_for_each_metric_though_the_query_of_one_is_refused():
    metrics = PlayedMetrics("QueryFailed")
    readings = await observe.measure(QUESTIONS, metrics)

    assert metrics.asked == ["a", "c"]
    assert not any(reading.away for reading in readings.values())
