"""What a verification makes of answers: types, refused rows, class order, bounds."""

import html
from typing import Any

import pyarrow as pa
import pytest

from leeboard.api.verification import METRIC_NAMES, VerificationMetric
from leeboard.contract.examinations import ArmAddress, VerifyReport, VerifyRequest
from leeboard.contract.jobs import JobOutcome
from leeboard_workers.jobs.verify import compared
from leeboard_workers.retrain.answers import METRICS
from leeboard_workers.rollout.asking import Replies, encode
from leeboard_workers.rollout.page import verification

ACCURACY = [{"name": "accuracy", "min": 0.7, "maxDropFromStable": 0.1}]


def replies(*predictions: Any, probabilities: Any = None, classes: Any = None, **more: Any) -> Replies:
    given = probabilities or [None] * len(predictions)
    return Replies(list(predictions), given, classes, seconds=[0.01], **more)


def report_on(labels: list[Any], mine: Replies, theirs: Replies | None = None, metrics: Any = ACCURACY) -> VerifyReport:
    arm = ArmAddress(arm="flights-v2-abc", version="2", address="http://a")
    request = VerifyRequest(
        namespace="default",
        owner="flights",
        owner_uid="u",
        model_deployment="flights",
        model_name="flights",
        tracking_uri="http://mlflow",
        rollout_start_time="2026-01-05T12:00:00Z",
        rollout_attempt=1,
        candidate=arm,
        stable=arm.model_copy(update={"version": "1"}) if theirs is not None else None,
        protocol="v2",
        dataset={"uri": "/pack", "labelColumn": "late"},
        metrics=[VerificationMetric.model_validate(metric) for metric in metrics],
        max_rows=5000,
    )
    report = compared(request, labels, mine, theirs)
    page = verification(report, request, "run-1")
    assert report.message[1:] in html.unescape(page)
    assert "run-1" in page
    return report


def test_the_api_and_the_workers_know_the_same_metrics():
    assert set(METRIC_NAMES) == set(METRICS)


@pytest.mark.parametrize(
    ("labels", "predictions"),
    [
        ([0, 1, 1, 0], [0.0, 1.0, 1.0, 0.0]),
        ([False, True, True, False], [0, 1, 1, 0]),
        (["no", "yes", "yes", "no"], ["no", "yes", "yes", "no"]),
        (["0", "1", "1", "0"], [0.0, 1, 1.0, 0]),
        ([0, 1, 1, 0], ["0", "1", "1.0", "0"]),
    ],
)
def test_labels_and_answers_meet_in_whatever_type_they_come(labels: list[Any], predictions: list[Any]):
    report = report_on(labels, replies(*predictions))
    assert (report.passed, report.metrics[0].candidate) == (True, 1.0), report.message


def test_another_class_order_is_seen_in_the_probabilities():
    labels = ["a", "b", "a", "b"] * 5
    likely = [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.1, 0.9]] * 5
    metrics = [{"name": "roc_auc", "min": 0.9}]
    good = report_on(labels, replies(*labels, probabilities=likely, classes=["a", "b"]), metrics=metrics)
    bad = report_on(labels, replies(*labels, probabilities=likely, classes=["b", "a"]), metrics=metrics)
    assert (good.passed, bad.passed) == (True, False)
    assert bad.metrics[0].candidate == pytest.approx(0.0)


def test_a_drop_from_the_stable_version_fails_though_the_minimum_is_reached():
    labels = [0, 1] * 10
    worse = [0, 1] * 8 + [1, 0, 1, 0]
    report = report_on(labels, replies(*worse), replies(*labels))
    assert not report.passed
    assert "accuracy is 0.8, at least 0.9 is what the stable version's 1 allows" in report.message
    assert (report.different_rows, report.examples[0].row) == (4, 16)


def test_a_loss_must_not_be_above_its_bound():
    metrics = [{"name": "mae", "min": 0.5, "maxDropFromStable": 0.1}]
    labels = [1.0, 2.0, 3.0]
    assert report_on(labels, replies(1.4, 2.4, 3.4), metrics=metrics).passed
    report = report_on(labels, replies(1.4, 2.4, 3.4), replies(1.1, 2.1, 3.1), metrics=metrics)
    assert "mae is 0.4, at most 0.2 is what the stable version's 0.1 allows" in report.message


def test_refused_rows_stand_aside_for_both():
    labels = [0, 1, 1, 0]
    report = report_on(labels, replies(0, None, 1, 0), replies(0, 1, 0, 0))
    assert (report.refused_rows, report.compared_rows) == (1, 3)
    assert report.metrics[0].stable == pytest.approx(2 / 3)


def test_an_arm_that_refuses_everything_fails():
    report = report_on([0, 1], replies(None, None))
    assert (report.outcome, report.passed) == (JobOutcome.MEASURED, False)
    assert "refused all 2 rows" in report.message


def test_an_arm_that_answers_an_error_fails_whatever_the_rest_says():
    report = report_on([0, 1], replies(0, None, failures=1, trouble="it answers 500: oh"))
    assert not report.passed
    assert report.message == "version 2 failed on 1 rows of the test pack: it answers 500: oh"


def test_a_metric_that_is_not_defined_decides_nothing():
    report = report_on([0, 1, 0, 1], replies(0, 1, 0, 1), metrics=[{"name": "roc_auc", "min": 0.5}])
    assert (report.outcome, report.permanent) == (JobOutcome.ERROR, True)
    assert "choose another metric" in report.message


def test_an_answer_that_is_no_number_counts_as_none():
    report = report_on([1.0, 2.0], replies(1.0, "much"), metrics=[{"name": "mae", "min": 1.0}])
    assert report.compared_rows == 1


def test_requests_are_written_as_a_client_writes_them():
    rows = pa.table({"n": [1, 2], "x": [0.5, float("nan")], "s": ["a", None], "b": [True, False]})
    assert encode(rows, "v1") == {
        "instances": [{"n": 1, "x": 0.5, "s": "a", "b": True}, {"n": 2, "x": None, "s": None, "b": False}]
    }
    tensors = {tensor["name"]: tensor for tensor in encode(rows, "v2")["inputs"]}
    assert {name: tensor["datatype"] for name, tensor in tensors.items()} == {
        "n": "INT64",
        "x": "FP64",
        "s": "BYTES",
        "b": "BOOL",
    }
    assert tensors["x"]["data"] == [0.5, None]
