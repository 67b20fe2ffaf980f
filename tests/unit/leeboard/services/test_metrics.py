from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from leeboard.api.errors import TransientError
from leeboard.sandbox.processes import free_port
from leeboard.services.metrics import PrometheusMetrics
from tests.support.web import Web


@pytest.fixture
def metrics(served: Web) -> Iterator[PrometheusMetrics]:
    metrics = PrometheusMetrics(served.url, 5)
    yield metrics
    metrics.close()


def answer(result: list[Any], kind: str = "vector") -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode()


@pytest.mark.parametrize(
    ("body", "number"),
    [
        (answer([{"metric": {}, "value": [1, "0.25"]}]), 0.25),
        (answer([1, "7"], "scalar"), 7.0),
        (answer([]), None),
        (answer([{"metric": {}, "value": [1, "NaN"]}]), None),
        (answer([{"metric": {}, "value": [1, "+Inf"]}]), float("inf")),
    ],
)
async def test_a_query_answers_one_number_or_none(
    served: Web, metrics: PrometheusMetrics, body: bytes, number: float | None
):
    served.body = body
    assert await metrics.query('sum(rate(leeboard_requests_total{arm="a"}[1m]))') == number
    query = parse_qs(urlparse(served.asked[0][1]).query)["query"]
    assert query == ['sum(rate(leeboard_requests_total{arm="a"}[1m]))']


async def test_many_series_are_not_one_number(served: Web, metrics: PrometheusMetrics):
    served.body = answer([{"metric": {"arm": "a"}, "value": [1, "1"]}, {"metric": {"arm": "b"}, "value": [1, "2"]}])
    with pytest.raises(TransientError, match="2 series"):
        await metrics.query("up")


async def test_a_query_that_prometheus_refuses_is_said(served: Web, metrics: PrometheusMetrics):
    served.status, served.body = 400, b'{"status":"error","error":"parse error: unexpected )"}'
    with pytest.raises(TransientError, match=r"cannot answer the query.*parse error") as refused:
        await metrics.query("sum(")
    assert refused.value.reason == "QueryFailed"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (422, "QueryFailed"),
        (404, "PrometheusUnavailable"),
        (429, "PrometheusUnavailable"),
        (502, "PrometheusUnavailable"),
        (503, "PrometheusUnavailable"),
    ],
)
async def test_only_a_query_that_is_refused_counts_against_it(
    served: Web, metrics: PrometheusMetrics, status: int, reason: str
):
    served.status, served.body = status, b"no"
    with pytest.raises(TransientError) as refused:
        await metrics.query("up")
    assert refused.value.reason == reason


async def test_a_prometheus_that_is_away_is_named():
    metrics = PrometheusMetrics(f"http://127.0.0.1:{free_port()}", 5)
    with pytest.raises(TransientError, match=r"Prometheus at http://127\.0\.0\.1:\d+ does not answer") as away:
        await metrics.query("up")
    assert away.value.reason == "PrometheusUnavailable"
    metrics.close()


async def test_a_prometheus_that_is_away_is_not_asked_again_for_some_seconds(served: Web):
    time = [100.0]
    metrics = PrometheusMetrics(served.url, 5, clock=lambda: time[0])
    served.status = 503
    for _ in range(3):
        with pytest.raises(TransientError) as away:
            await metrics.query("up")
        assert away.value.reason == "PrometheusUnavailable"
    assert len(served.asked) == 1

    time[0] += 5
    served.status, served.body = 200, answer([1, "7"], "scalar")
    assert await metrics.query("up") == 7.0
    metrics.close()


async def test_an_answer_that_is_no_json_is_a_sentence(served: Web, metrics: PrometheusMetrics):
    served.body = b"<html>proxy</html>"
    with pytest.raises(TransientError, match="does not answer"):
        await metrics.query("up")


@pytest.mark.parametrize(
    "body",
    [
        answer([{"metric": {}, "values": [[1, "1"], [2, "2"]]}], "matrix"),
        answer([{"metric": {}, "histogram": [1, {"count": "3", "sum": "4"}]}]),
        answer([1, "a text"], "string"),
    ],
)
async def test_an_answer_that_is_no_single_number_is_a_sentence(served: Web, metrics: PrometheusMetrics, body: bytes):
    served.body = body
    with pytest.raises(TransientError, match="no single number") as failed:
        await metrics.query("up[5m]")
    assert failed.value.reason == "QueryFailed"
