"""What measurements say: samples, bounds, ratios, missing data, limits."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scipy.stats import binomtest

from leeboard.api.analysis import PROMQL_VARIABLES, AnalysisMetric
from leeboard.api.modeldeployment import MetricStatus, ModelDeployment, RolloutStatus
from leeboard.modeldeployment import analysis, queries
from leeboard.modeldeployment.confidence import wilson_lower, wilson_upper
from leeboard.modeldeployment.seen import Reading

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
ERRORS = {"errorRate": {"max": 0.01}}
RATIO = {"latency": {"quantile": 0.99, "maxRatioToStable": 1.25}}
SECONDS = {"latency": {"maxSeconds": 0.5}}
STRANGERS = {"outOfDistributionRate": {"max": 0.1}}
STRANGER_RATIO = {"outOfDistributionRate": {"maxRatioToStable": 1.5}}
QUERY = {"promql": {"query": "up", "min": 0.2, "max": 0.8}}
REFUSED = {"requests": 500, "refused": 450, "stableRequests": 500}
STABLE = {"stableRequests": 500, "stableLatency": 0.1, "stableStrangers": 50, "stableRows": 1000}


def metric(**fields: Any):
    return AnalysisMetric.model_validate({"name": "metric", **fields})


def assess(
    fields: dict[str, Any],
    *,
    last: bool = False,
    before: MetricStatus | None = None,
    frozen: dict[str, float] | None = None,
    away: bool = False,
    error: str = "",
    **values: Any,
):
    values = {"latencyAtLeast": values.get("latency"), **values}
    reading = Reading(values=values, error=error, away=away)
    return analysis.assess(metric(**fields), reading, before, frozen or {}, last=last)


@pytest.mark.parametrize(
    ("sentence", "fields", "values", "verdict"),
    [
        ("no error is good", ERRORS, {"requests": 500, "errors": None}, "Successful"),
        ("too few requests decide nothing", ERRORS, {"requests": 3, "errors": 3}, "Inconclusive"),
        ("no request decides nothing", ERRORS, {"requests": None}, "Inconclusive"),
        ("a rate above its bound by chance is good", ERRORS, {"requests": 100, "errors": 2}, "Successful"),
        ("a rate surely above its bound is bad", ERRORS, {"requests": 1000, "errors": 20}, "Failed"),
        ("extrapolated counts are borne", ERRORS, {"requests": 100.2, "errors": 100.4}, "Failed"),
        ("what the stable version refuses too is good", ERRORS, {**REFUSED, "stableRefused": 450}, "Successful"),
        ("refusals of the candidate alone are bad", ERRORS, {**REFUSED, "stableRefused": 0}, "Failed"),
        ("a few more refusals may be chance", ERRORS, {**REFUSED, "refused": 3, "stableRefused": 0}, "Successful"),
        (
            "refusals beside an idle stable version decide nothing",
            ERRORS,
            {"requests": 500, "refused": 500},
            "Successful",
        ),
        ("a quick answer is good", SECONDS, {"requests": 200, "latency": 0.4}, "Successful"),
        ("a slow answer is bad", SECONDS, {"requests": 200, "latency": 0.6}, "Failed"),
        (
            "a slow quantile that may be chance is good",
            SECONDS | {"minSamples": 8},
            {"requests": 8, "latency": 0.6, "latencyAtLeast": 0.3},
            "Successful",
        ),
        ("no latency decides nothing", SECONDS, {"requests": 200, "latency": None}, "Inconclusive"),
        ("as slow as the stable version is good", RATIO, {"requests": 200, "latency": 0.12, **STABLE}, "Successful"),
        ("slower than the stable version is bad", RATIO, {"requests": 200, "latency": 0.13, **STABLE}, "Failed"),
        (
            "a stable version with as many requests as are asked for decides",
            RATIO,
            {"requests": 200, "latency": 9.0, **STABLE, "stableRequests": 100},
            "Failed",
        ),
        (
            "a stable version with too few requests decides nothing",
            RATIO,
            {"requests": 200, "latency": 9.0, **STABLE, "stableRequests": 7},
            "Inconclusive",
        ),
        (
            "as many strangers as allowed is good",
            STRANGERS,
            {"requests": 200, "strangers": 20, "rows": 200},
            "Successful",
        ),
        ("too many strangers is bad", STRANGERS, {"requests": 200, "strangers": 60, "rows": 200}, "Failed"),
        ("no scored row decides nothing", STRANGERS, {"requests": 200, "rows": 0}, "Inconclusive"),
        (
            "strangers as at the stable version is good",
            STRANGER_RATIO,
            {"requests": 200, "strangers": 12, "rows": 200, **STABLE},
            "Successful",
        ),
        (
            "far more strangers than at the stable version is bad",
            STRANGER_RATIO,
            {"requests": 200, "strangers": 60, "rows": 200, **STABLE},
            "Failed",
        ),
        (
            "one stranger against none decides nothing bad",
            STRANGER_RATIO,
            {"requests": 200, "strangers": 1, "rows": 200, **STABLE, "stableStrangers": 0},
            "Successful",
        ),
        ("a query inside its bounds is good", QUERY, {"requests": 200, "value": 0.5}, "Successful"),
        ("a query below its bound is bad", QUERY, {"requests": 200, "value": 0.1}, "Failed"),
        ("a query above its bound is bad", QUERY, {"requests": 200, "value": 0.9}, "Failed"),
        ("a query without an answer decides nothing", QUERY, {"requests": 200, "value": None}, "Inconclusive"),
    ],
)
def test_a_measurement(sentence: str, fields: dict[str, Any], values: dict[str, Any], verdict: str):
    assert assess(fields, **values).status.verdict == verdict, sentence


@pytest.mark.parametrize(("hits", "total"), [(0, 50), (1, 100), (5, 37), (20, 1000), (100, 100)])
def test_the_wilson_bounds_are_those_of_scipy(hits: int, total: int):
    least = binomtest(hits, total, alternative="greater").proportion_ci(0.95, method="wilson").low
    most = binomtest(hits, total, alternative="less").proportion_ci(0.95, method="wilson").high

    assert wilson_lower(hits, total) == pytest.approx(least, abs=1e-12)
    assert wilson_upper(hits, total) == pytest.approx(most, abs=1e-12)


def test_extrapolated_refusals_of_all_requests_are_borne():
    assert wilson_upper(100.4, 100.2) == 1.0


def test_refusals_are_held_against_the_frozen_share_during_the_bake():
    found = assess(ERRORS, frozen={"metric": 0.1}, requests=1000, refused=200)

    assert (found.status.verdict, found.status.bound, found.stable) == ("Failed", 0.11, 0.1)
    assert assess(ERRORS, frozen={"metric": 0.2}, requests=1000, refused=200).status.verdict == "Successful"


def test_a_frozen_value_stands_for_the_stable_version_during_the_bake():
    found = assess(RATIO, frozen={"metric": 0.1}, requests=200, latency=0.2)

    assert found.status.verdict == "Failed"
    assert found.status.bound == pytest.approx(0.125)


def test_missing_data_fail_only_when_the_hold_is_over_and_the_metric_says_so():
    fields = ERRORS | {"noData": "Fail"}

    assert assess(fields, requests=3).status.failures == 0
    assert assess(fields, requests=3, last=True).status.failures == 1
    assert assess(ERRORS, requests=3, last=True).status.failures == 0


@pytest.mark.parametrize(("no_data", "good"), [("Hold", False), ("Pass", True), ("Fail", False)])
def test_what_missing_data_mean_for_a_step(no_data: str, *, good: bool):
    wanted = metric(**ERRORS, noData=no_data)
    status = assess(ERRORS | {"noData": no_data}, requests=3).status

    assert (analysis.lacking([wanted], [status]) is None) is good


def test_failures_up_to_the_limit_are_borne():
    wanted = metric(**ERRORS, failureLimit=1)
    first = assess(ERRORS | {"failureLimit": 1}, requests=1000, errors=100).status
    second = assess(ERRORS | {"failureLimit": 1}, before=first, requests=1000, errors=100).status

    assert analysis.failed_run([wanted], [first]) is None
    assert "metric" in (analysis.failed_run([wanted], [second]) or "")


def test_errors_in_a_row_count_and_a_measurement_ends_the_row():
    status = None
    for _ in range(4):
        status = assess(ERRORS, before=status, error="bad query").status
    assert status.verdict == "Error"
    assert status.consecutive_errors == 4
    assert analysis.failed_run([metric(**ERRORS)], [status]) is None
    assert assess(ERRORS, before=status, requests=500).status.consecutive_errors == 0
    fifth = assess(ERRORS, before=status, error="bad query").status
    assert analysis.blind_run([metric(**ERRORS)], [status]) is None
    told = analysis.blind_run([metric(**ERRORS)], [fifth])
    assert told == "metric could not be measured 5 times in a row: bad query"
    assert analysis.failed_run([metric(**ERRORS)], [fifth]) is None, "which says nothing about the candidate"


def test_a_prometheus_that_is_away_counts_no_error():
    status = None
    for _ in range(20):
        status = assess(ERRORS, before=status, error="away", away=True).status

    assert status.verdict == "Error"
    assert analysis.failed_run([metric(**ERRORS)], [status]) is None


def rollout(*, last: str | None = None, verdict: str = "Successful"):
    return RolloutStatus.model_validate(
        {
            "attempt": 1,
            "phase": "Stages",
            "hash": "x",
            "startTime": "2026-01-05T12:00:00Z",
            "lastAdvanceTime": "2026-01-05T12:00:00Z",
            "stepStartTime": "2026-01-05T12:00:00Z",
            "analysis": [{"name": "metric", "verdict": verdict}],
            **({"lastMeasurementTime": last} if last else {}),
        }
    )


@pytest.mark.parametrize(
    ("sentence", "last", "verdict", "seconds"),
    [
        ("the first comes after an interval", None, "Successful", 60),
        ("then one after each interval", "2026-01-05T12:01:00Z", "Successful", 120),
        ("soon after an error", "2026-01-05T12:01:00Z", "Error", 70),
        ("and one when the hold is over", "2026-01-05T12:02:00Z", "Successful", 150),
        ("then again after each interval", "2026-01-05T12:02:30Z", "Successful", 210),
    ],
)
def test_when_a_measurement_is_due(sentence: str, last: str | None, verdict: str, seconds: int):
    state = rollout(last=last, verdict=verdict if last else "Successful")
    due = analysis.due(state, timedelta(seconds=60), timedelta(seconds=150))

    assert due == START + timedelta(seconds=seconds), sentence


def test_nothing_is_due_before_the_clock_of_the_step_runs():
    state = rollout().model_copy(update={"step_start_time": None})

    assert analysis.due(state, timedelta(seconds=60), timedelta(seconds=150)) is None


def test_a_ratio_of_strangers_needs_rows_of_the_stable_version_or_its_frozen_share():
    rows = {"requests": 500, "strangers": 400, "rows": 1000}
    unscored = assess(STRANGER_RATIO, **rows, stableRequests=500, stableRows=0).status
    assert (unscored.verdict, unscored.message) == ("Inconclusive", "no row of the stable version was scored")

    frozen = assess(STRANGER_RATIO, **rows, frozen={"metric": 0.1}).status
    assert frozen.verdict == "Failed"
    assert frozen.bound == pytest.approx(0.15)


def test_a_metric_that_is_new_to_the_spec_is_lacking_until_it_is_measured():
    wanted = metric(**ERRORS)

    assert analysis.lacking([wanted], []) == "metric was not measured yet"
    assert analysis.failed_run([wanted], []) is None


CONTEST = queries.Contest(("2", "flights-v2-b"), ("1", "flights-v1-a"), START)
SUBJECT = ModelDeployment.model_validate(
    {"metadata": {"name": "flights", "namespace": "air"}, "spec": {"model": {"name": "flights"}}}
)


def test_measures_everything_since_the_step_began():
    asked = queries.questions(SUBJECT, metric(**ERRORS), CONTEST, START + timedelta(seconds=89.2))

    assert asked["requests"] == (
        'sum(increase(leeboard_requests_total{model_namespace="air",modeldeployment="flights",arm="flights-v2-b"}[90s]))'
    )
    assert 'code=~"5.."' in asked["errors"]
    assert 'arm="flights-v2-b",code=~"4..",code!="422"' in asked["refused"]
    assert 'arm="flights-v1-a",code=~"4..",code!="422"' in asked["stableRefused"]
    assert 'arm="flights-v1-a"}' in asked["stableRequests"]


def test_asks_for_the_stable_version_only_for_a_ratio_and_not_during_the_bake():
    baking = queries.Contest(CONTEST.candidate, CONTEST.stable, START, baking=True)

    assert "stableLatency" in queries.questions(SUBJECT, metric(**RATIO), CONTEST, START)
    assert "stableLatency" not in queries.questions(SUBJECT, metric(**RATIO), baking, START)
    assert "stableLatency" not in queries.questions(SUBJECT, metric(**SECONDS), CONTEST, START)
    assert "stableRequests" not in queries.questions(SUBJECT, metric(**SECONDS), CONTEST, START)
    assert {*queries.questions(SUBJECT, metric(**ERRORS), baking, START)} == {"requests", "errors", "refused"}


def test_the_lower_bound_of_a_quantile_is_an_order_statistic():
    asked = queries.questions(
        SUBJECT, metric(**SECONDS | {"latency": {"quantile": 0.9, "maxSeconds": 1}}), CONTEST, START
    )

    assert asked["latencyAtLeast"].startswith("histogram_quantile(scalar(clamp_min(0.9 - 0.493456 / sqrt(sum(increase(")


def test_fills_in_what_a_query_may_name():
    query = ",".join(f"{{{{{name}}}}}" for name in PROMQL_VARIABLES)
    asked = queries.questions(
        SUBJECT, metric(promql={"query": query, "min": 0}), CONTEST, START + timedelta(seconds=60)
    )

    assert asked["value"] == "air,flights,flights-v1-a,flights-v2-b,1,2,60s"
