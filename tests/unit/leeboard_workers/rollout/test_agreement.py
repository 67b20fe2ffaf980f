"""How two arms' answers to the same requests are compared."""

import html
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from leeboard.contract.examinations import CompareReport, CompareRequest
from leeboard.contract.jobs import JobOutcome, LiveArm, LogTables
from leeboard_workers.data.logpairs import LoggedPairs
from leeboard_workers.jobs.compare import compared
from leeboard_workers.rollout.agreement import match, ruled_out, wilson
from leeboard_workers.rollout.page import comparison

WINDOW = {"from_time": "2026-01-05T12:00:00Z", "to_time": "2026-01-05T13:00:00Z"}


def log(answers: dict[tuple[str, int], Any], **columns: list[Any]) -> pa.Table:
    """Rows of one arm: answers by request id and row."""
    ids, rows = [key[0] for key in answers], [key[1] for key in answers]
    known = {"latency_ms": [10.0] * len(answers)} | columns
    return pa.table(
        {"request_id": ids, "row": pa.array(rows, pa.int64()), "prediction": list(answers.values()), **known}
    )


def numbered(*answers: Any) -> dict[tuple[str, int], Any]:
    return {(f"r{at}", 0): answer for at, answer in enumerate(answers)}


def report_on(stable: pa.Table, candidate: pa.Table, *, share: float = 1.0, **changes: Any) -> CompareReport:
    request = CompareRequest(
        namespace="default",
        owner="flights",
        owner_uid="u",
        model_deployment="flights",
        model_name="flights",
        tracking_uri="http://mlflow",
        rollout_start_time="2026-01-05T11:00:00Z",
        rollout_attempt=1,
        stage="shadow",
        candidate=LiveArm(arm="b", version="2", **WINDOW),
        stable=LiveArm(arm="a", version="1", **WINDOW),
        log=LogTables(predictions="/p", labels="/l"),
        **({"min_samples": 2} | changes),
    )
    report = compared(request, match(LoggedPairs(stable, candidate, share=share)))
    if report.outcome is JobOutcome.MEASURED:
        assert report.message[1:] in html.unescape(comparison(report, request, "run-1"))
    return report


def test_only_rows_that_both_answered_are_compared_in_whatever_order_they_were_logged():
    stable = log({("a", 0): 1.0, ("a", 1): 0.0, ("b", 0): 1.0, ("d", 0): 0.0})
    candidate = log({("b", 0): 1.0, ("c", 0): 1.0, ("a", 1): 1.0, ("a", 0): 1.0})
    report = report_on(stable, candidate)
    assert (report.rows, report.stable_only_rows, report.candidate_only_rows) == (3, 1, 1)
    assert (report.equal_rows, report.agreement) == (2, pytest.approx(2 / 3))
    assert [(pair.stable, pair.candidate, pair.rows) for pair in report.pairs] == [("0", "1", 1)]


@pytest.mark.parametrize(
    ("one", "other", "tolerance", "same"),
    [
        (1.0, 1.0 + 1e-12, 0.0, True),
        (1.0, 1.001, 0.0, False),
        (1.0, 1.001, 0.01, True),
        (0.1 + 0.2, 0.3, 0.0, True),
        (float("nan"), float("nan"), 0.0, True),
        (1.0, float("nan"), 1.0, False),
        (None, None, 0.0, True),
        (None, 1.0, 5.0, False),
    ],
)
def test_numbers_are_equal_within_the_tolerance(one: Any, other: Any, tolerance: float, *, same: bool):
    stable, candidate = (log(numbered(pa.scalar(answer, pa.float64()).as_py(), 0.0)) for answer in (one, other))
    report = report_on(stable, candidate, tolerance=tolerance)
    assert report.equal_rows == 1 + same


def test_classes_are_compared_as_they_are():
    report = report_on(log(numbered("yes", "no", None)), log(numbered("yes", "yes", "no")))
    assert report.equal_rows == 1
    assert {(pair.stable, pair.candidate) for pair in report.pairs} == {("no", "yes"), ("refused", "no")}
    assert report.score_kind == ""


def test_probabilities_differ_by_their_total_variation_distance():
    stable = log(numbered(1.0, 0.0), probabilities=[[0.2, 0.8], [0.9, 0.1]])
    candidate = log(numbered(1.0, 0.0), probabilities=[[0.3, 0.7], [0.9, 0.1]])
    report = report_on(stable, candidate)
    assert report.score_kind == "probabilities"
    assert report.score_differences.largest == pytest.approx(0.1)
    assert report.score_differences.p50 == pytest.approx(0.05)


def test_predicted_numbers_differ_by_their_distance_and_refusals_by_none():
    report = report_on(log(numbered(1.0, 2.0, None)), log(numbered(1.5, 2.0, 3.0)), tolerance=1.0)
    assert (report.score_kind, report.score_differences.largest) == ("predictions", 0.5)
    assert report.equal_rows == 2


def test_few_rows_decide_nothing():
    report = report_on(log(numbered(1.0, 2.0)), log(numbered(1.0, 2.0)), min_samples=3)
    assert (report.outcome, report.passed) == (JobOutcome.INSUFFICIENT, False)
    assert report.message == "2 of at least 3 rows were answered by both versions"


def test_a_sample_says_so_and_stands_for_all_rows():
    sampled = log(numbered(1.0, 2.0))
    report = report_on(sampled, sampled, share=0.25, min_samples=8)
    assert report.message.startswith("versions 1 and 2 agree on 100.00% of 2 rows, a sample of 25.00% (95 % interval")
    assert (report.rows, report.sampled_share) == (2, 0.25)
    few = report_on(sampled, sampled, share=0.25, min_samples=9)
    assert few.message == "8 of at least 9 rows were answered by both versions"


def test_copies_under_other_ids_are_explained():
    stable, candidate = log(numbered(*[1.0] * 9)), log({(f"other-{at}", 0): 1.0 for at in range(9)})
    report = report_on(stable, candidate)
    assert report.outcome is JobOutcome.INSUFFICIENT
    assert "x-request-id before it is copied" in report.message


def test_an_empty_log_is_too_few_rows():
    nothing = log(numbered()).cast(log(numbered(1.0)).schema)
    assert report_on(nothing, nothing).outcome is JobOutcome.INSUFFICIENT


@pytest.mark.parametrize(("equal", "passed"), [(100, True), (93, True), (92, True), (85, False)])
def test_an_agreement_fails_only_when_the_bound_is_ruled_out(equal: int, *, passed: bool):
    stable = log(numbered(*[1.0] * 100))
    candidate = log(numbered(*[1.0] * equal, *[0.0] * (100 - equal)))
    report = report_on(stable, candidate, min_agreement=0.95)
    assert report.passed is passed, report.message
    assert ("which is ruled out" in report.message) is not passed
    assert report_on(stable, candidate).passed, "without a bound it is only reported"


def test_latency_counts_each_request_once_and_flags_are_shares():
    stable = log({("a", 0): 1.0, ("a", 1): 1.0, ("b", 0): 1.0}, latency_ms=[10.0, 10.0, 30.0], ood=[True, None, False])
    report = report_on(stable, stable)
    assert report.latency.p50 == 20.0
    assert report.flagged_share == 0.5


@given(st.integers(1, 500).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_interval_is_wilsons(counts: tuple[int, int]):
    hits, total = counts
    known = binomtest(hits, total).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson(hits, total), (known.low, known.high), atol=1e-12)
    one_sided = binomtest(hits, total, alternative="less").proportion_ci(method="wilson").high
    assert ruled_out(hits, total, min(1.0, one_sided + 1e-9)) or one_sided >= 1 - 1e-9
    assert not ruled_out(hits, total, one_sided - 1e-9)
