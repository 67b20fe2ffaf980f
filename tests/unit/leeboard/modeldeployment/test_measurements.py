"""What exactly a measurement says, and what follows from several."""

from datetime import timedelta
from typing import Any

import pytest

from leeboard.api.analysis import AnalysisMetric
from leeboard.api.modeldeployment import MetricStatus
from leeboard.modeldeployment import analysis
from leeboard.modeldeployment.confidence import wilson_lower, wilson_upper
from tests.unit.leeboard.modeldeployment.test_analysis import (
    ERRORS,
    QUERY,
    RATIO,
    SECONDS,
    STABLE,
    START,
    STRANGER_RATIO,
    STRANGERS,
    assess,
    metric,
    rollout,
)

MOST_OF_0 = wilson_upper(0, 1000)
LOW_OF_20 = wilson_lower(20, 1000)
SLOW = "latency at quantile 0.99 is 0.13 s (at least 0.13 s with 95 % confidence), bound 0.125 s"


def _rate(what: str, hits: int, total: int, bound: str) -> str:
    lower = wilson_lower(hits, total)
    return f"{what} {hits / total:.2%} of {total} (at least {lower:.2%} with 95 % confidence), bound {bound}"


@pytest.mark.parametrize(
    ("fields", "values", "message", "numbers"),
    [
        (
            ERRORS,
            {"requests": 1000, "errors": 20},
            _rate("errors", 20, 1000, "1.00%"),
            (0.02, 0.01, None),
        ),
        (
            ERRORS,
            {"requests": 1000, "stableRequests": 1000},
            "errors 0.00% of 1000 (at least 0.00% with 95 % confidence), bound 1.00%",
            (0.0, 0.01, MOST_OF_0),
        ),
        (
            ERRORS,
            {"requests": 1000, "errors": 20, "refused": 900, "stableRequests": 1000},
            _rate("errors", 20, 1000, "1.00%"),
            (0.02, 0.01, MOST_OF_0),
        ),
        (
            ERRORS,
            {"requests": 1000, "refused": 900, "stableRequests": 1000, "stableRefused": 0},
            _rate("refused requests (HTTP 4xx)", 900, 1000, "1.27%")
            + ": 1.00% and the stable version's 0.27% at most; is its schema another one?",
            (0.9, float(f"{0.01 + MOST_OF_0:.6g}"), MOST_OF_0),
        ),
        (
            ERRORS,
            {"requests": 99.4},
            "99 of at least 100 requests of the candidate since the step began",
            (None, None, None),
        ),
        (
            SECONDS,
            {"requests": 200, "latency": 0.61234, "latencyAtLeast": 0.55555},
            "latency at quantile 0.99 is 0.6123 s (at least 0.5555 s with 95 % confidence), bound 0.5 s",
            (0.61234, 0.5, None),
        ),
        (
            SECONDS,
            {"requests": 200, "latency": 0.6, "latencyAtLeast": None},
            "no latency of the candidate was measured",
            (None, None, None),
        ),
        (
            RATIO,
            {"requests": 200, "latency": 0.13, **STABLE},
            f"{SLOW} (1.25 times the stable version's 0.1 s)",
            (0.13, 0.125, 0.1),
        ),
        (
            RATIO,
            {"requests": 200, "latency": 0.13, **STABLE, "stableLatency": None},
            "no latency of the stable version was measured",
            (0.13, None, None),
        ),
        (
            RATIO,
            {"requests": 200, "latency": 0.13, **STABLE, "stableRequests": 99.4},
            "99 of at least 100 requests of the stable version since the step began",
            (0.13, None, None),
        ),
        (
            RATIO,
            {"requests": 200, "latency": 0.13, "stableLatency": 0.1},
            "0 of at least 100 requests of the stable version since the step began",
            (0.13, None, None),
        ),
        (
            STRANGERS,
            {"requests": 200, "strangers": 20, "rows": 200},
            _rate("rows out of distribution", 20, 200, "10.00%"),
            (0.1, 0.1, None),
        ),
        (
            STRANGERS,
            {"requests": 200, "strangers": None, "rows": 200},
            "rows out of distribution 0.00% of 200 (at least 0.00% with 95 % confidence), bound 10.00%",
            (0.0, 0.1, None),
        ),
        (STRANGERS, {"requests": 200}, "no row of the candidate was scored", (None, None, None)),
        (
            STRANGER_RATIO,
            {"requests": 200, "strangers": 12, "rows": 200, **STABLE},
            _rate("rows out of distribution", 12, 200, "7.50%"),
            (0.06, 0.075, 0.05),
        ),
        (
            STRANGER_RATIO,
            {"requests": 200, "strangers": 12, "rows": 200, **STABLE, "stableStrangers": 0},
            _rate("rows out of distribution", 12, 200, "0.45%"),
            (0.06, 0.0045, 0.003),
        ),
        (
            STRANGER_RATIO,
            {"requests": 200, "strangers": 12, "rows": 200, **STABLE, "stableStrangers": 900},
            _rate("rows out of distribution", 12, 200, "100.00%"),
            (0.06, 1.0, 0.9),
        ),
        (
            STRANGER_RATIO,
            {"requests": 200, "strangers": 12, "rows": 200, "stableRequests": 500},
            "no row of the stable version was scored",
            (0.06, None, None),
        ),
        (
            STRANGER_RATIO,
            {"requests": 200, "strangers": 12, "rows": 200, **STABLE, "stableRequests": 7},
            "7 of at least 100 requests of the stable version since the step began",
            (0.06, None, None),
        ),
        (
            STRANGER_RATIO,
            {"requests": 200, "strangers": None, "rows": 1, **STABLE, "stableRows": 1, "stableStrangers": 1},
            "rows out of distribution 0.00% of 1 (at least 0.00% with 95 % confidence), bound 100.00%",
            (0.0, 1.0, 1.0),
        ),
        (QUERY, {"requests": 200, "value": 0.1234567}, "the query answers 0.123457, below 0.2", (0.123457, 0.2, None)),
        (QUERY, {"requests": 200, "value": 0.9}, "the query answers 0.9, above 0.8", (0.9, 0.8, None)),
        (QUERY, {"requests": 200, "value": 0.2}, "the query answers 0.2", (0.2, 0.2, None)),
        (QUERY, {"requests": 200, "value": 0.8}, "the query answers 0.8", (0.8, 0.2, None)),
        (
            {"promql": {"query": "up", "max": 0.8}},
            {"requests": 200, "value": 0.5},
            "the query answers 0.5",
            (0.5, 0.8, None),
        ),
        (QUERY, {"requests": 200}, "the query answers nothing", (None, None, None)),
    ],
)
def test_what_a_measurement_says(
    fields: dict[str, Any], values: dict[str, Any], message: str, numbers: tuple[float | None, ...]
):
    """Compare message, value, bound and the stable version's value."""
    found = assess(fields, **values)

    assert found.status.message == message
    assert (found.status.value, found.status.bound, found.stable) == tuple(pytest.approx(number) for number in numbers)
    assert found.status.samples == round(values["requests"])


def test_the_status_names_the_metric_and_starts_at_nothing():
    assert assess(ERRORS, requests=500, errors=0).status == MetricStatus(
        name="metric",
        verdict="Successful",
        value=0.0,
        bound=0.01,
        samples=500,
        message="errors 0.00% of 500 (at least 0.00% with 95 % confidence), bound 1.00%",
    )
    assert assess(ERRORS, error="bad query").status == MetricStatus(
        name="metric", verdict="Error", consecutive_errors=1, message="bad query"
    )
    assert assess(ERRORS, error="away", away=True).status == MetricStatus(
        name="metric", verdict="Error", message="away"
    )


def test_what_cannot_be_measured_neither_fails_nor_forgets_failures():
    before = MetricStatus(name="metric", verdict="Failed", failures=2, consecutive_errors=3)
    assert assess(ERRORS | {"noData": "Fail"}, before=before, error="x", last=True).status.failures == 2
    away = assess(ERRORS, before=before, error="x", away=True).status
    assert (away.failures, away.consecutive_errors) == (2, 3)
    assert assess(ERRORS, before=before, error="x").status.consecutive_errors == 4
    assert assess(ERRORS, before=before, requests=1000, errors=100).status.failures == 3


def test_a_bound_that_is_met_exactly_is_kept():
    assert assess(SECONDS, requests=200, latency=0.5).status.verdict == "Successful"
    assert assess(RATIO, requests=200, latency=0.125, **STABLE).status.verdict == "Successful"
    assert assess(ERRORS | {"minSamples": 500}, requests=499.5).status.verdict == "Successful"
    sure = {"errorRate": {"max": round(LOW_OF_20, 4)}}
    assert assess(sure, requests=1000, errors=19).status.verdict == "Successful"


def test_numbers_that_json_cannot_hold_are_left_out():
    found = assess({"promql": {"query": "up", "min": 0.0}}, requests=200, value=float("inf"))

    assert (found.status.value, found.status.bound) == (None, 0.0)


def test_a_long_complaint_is_cut():
    assert len(assess(ERRORS, error="x" * 2000).status.message) == 512


def test_the_stable_values_of_the_last_step_are_frozen_by_name():
    found = {"b": assess(RATIO, requests=200, latency=0.1, **STABLE), "a": assess(ERRORS, requests=500)}
    found["c"] = analysis.Assessment(found["a"].status, float("inf"))
    found["aa"] = analysis.Assessment(found["a"].status, 2.0)

    assert [(entry.name, entry.value) for entry in analysis.frozen(found)] == [("aa", 2.0), ("b", 0.1)]


def test_the_first_metric_that_lacks_something_is_told_and_limits_count_per_metric():
    first, second = metric(**ERRORS), AnalysisMetric.model_validate({"name": "other", **ERRORS, "noData": "Pass"})
    good = assess(ERRORS, requests=500).status
    poor = MetricStatus(name="other", verdict="Inconclusive", message="3 of at least 100")
    bad = MetricStatus(name="other", verdict="Failed", failures=1, message="too many")

    assert analysis.lacking([first, second], [good, poor]) is None
    assert analysis.lacking([first, second], [good, bad]) == "other is Failed: too many"
    assert analysis.lacking([second, first], [bad]) == "other is Failed: too many"
    assert analysis.failed_run([first, second], [good, bad]) == "other: too many"
    assert analysis.failed_run([second], [bad.model_copy(update={"failures": 0})]) is None
    blind = [bad.model_copy(update={"name": "metric", "consecutive_errors": 4}), bad]
    assert analysis.blind_run([first, second], blind) is None
    assert analysis.failed_run([], [bad]) is None


@pytest.mark.parametrize(
    ("interval", "hold", "last", "verdict", "seconds"),
    [
        (5, 150, "2026-01-05T12:01:00Z", "Error", 65),  # never later than the interval
        (60, 30, None, "Successful", 30),  # never later than the end of the hold
        (60, 60, "2026-01-05T12:00:59Z", "Successful", 60),
        (60, 60, "2026-01-05T12:01:00Z", "Successful", 120),
        (60, 60, "2026-01-05T12:01:00Z", "Error", 70),
    ],
)
def test_when_else_a_measurement_is_due(interval: int, hold: int, last: str | None, verdict: str, seconds: int):
    state = rollout(last=last, verdict=verdict)

    due = analysis.due(state, timedelta(seconds=interval), timedelta(seconds=hold))
    assert due == START + timedelta(seconds=seconds)
