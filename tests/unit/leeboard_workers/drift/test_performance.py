"""When answers have become worse, and when nobody can tell."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from leeboard.api.performance import Performance, PerformanceMetric
from leeboard.contract.jobs import CheckReport
from leeboard_workers.drift.metrics import METRICS
from leeboard_workers.drift.outcomes import Outcomes
from leeboard_workers.drift.performance import Coverage, Interval, intervals, performance_report

ACCURACY = PerformanceMetric(name="accuracy", max_drop=0.05)


def right(share: float, rows: int, *, groups: int | None = None) -> Outcomes:
    """Rows of two classes of which so many are answered rightly."""
    hits = np.arange(rows) < round(share * rows)
    truth = np.arange(rows) % 2
    together = None if groups is None else np.arange(rows) * groups // rows
    return Outcomes(truth, np.where(hits, truth, 1 - truth), ("0", "1"), groups=together)


def report(
    window: Outcomes | None, reference: Outcomes | None, *metrics: PerformanceMetric, **more: Any
) -> CheckReport:
    rows = more.pop("rows", window.rows if window is not None else 0)
    check = Performance(metrics=list(metrics) or [ACCURACY], min_coverage=more.pop("min_coverage", 0.5))
    labelled = more.pop("labelled", window.rows if window is not None else 0)
    coverage = Coverage("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", rows, labelled)
    return performance_report("quality", check, coverage, window=window, reference=reference, **more)


GOOD = right(0.9, 5000)


@pytest.mark.parametrize(
    ("sentence", "window", "reference", "drifted"),
    [
        ("as good as ever", right(0.9, 1000), GOOD, False),
        ("better", right(0.99, 1000), GOOD, False),
        ("much worse", right(0.7, 1000), GOOD, True),
        ("worse, within what is allowed", right(0.87, 1000), GOOD, False),
        ("worse than allowed, by too few rows to be sure", right(0.82, 100), GOOD, False),
        ("worse than allowed, and rows enough to be sure", right(0.82, 3000), GOOD, True),
        ("all wrong", right(0.0, 200), GOOD, True),
        ("a reference of so few rows that it tells little", right(0.82, 3000), right(0.9, 60), False),
    ],
)
def test_falls_only_beyond_doubt(sentence: str, window: Outcomes, reference: Outcomes, *, drifted: bool):
    found = report(window, reference)
    assert found.drifted is drifted, sentence
    assert found.drifted is (found.statistic > found.threshold)
    assert found.labels_wanted is None
    assert "accuracy is" in found.message


def test_losses_fall_when_they_rise():
    truth = np.linspace(1, 2, 400)
    calm, wild = Outcomes(truth, truth + 0.1), Outcomes(truth, truth + np.where(np.arange(400) % 2, 1.0, -1.0))
    mae = PerformanceMetric(name="mae", max_drop=0.2)
    assert report(wild, calm, mae).drifted
    assert not report(calm, wild, mae).drifted
    r2 = PerformanceMetric(name="r2", max_drop=0.2)
    assert report(wild, calm, r2).drifted


def test_a_stated_baseline_needs_no_reference():
    asked = ACCURACY.model_copy(update={"baseline": 0.9})
    assert report(right(0.7, 1000), None, asked).drifted
    assert not report(right(0.88, 1000), None, asked).drifted


def test_of_several_metrics_the_breached_one_leads():
    f1 = PerformanceMetric(name="f1", max_drop=0.05)
    found = report(right(0.6, 1000), GOOD, ACCURACY.model_copy(update={"max_drop": 0.9}), f1)
    assert found.drifted
    assert found.message.startswith("f1 is")
    assert [metric.drifted for metric in found.performance.metrics] == [False, True]


@pytest.mark.parametrize(
    ("sentence", "rows", "labelled", "wanted"),
    [
        ("labels never come", 1000, 0, 500),
        ("too few have come", 1000, 499, 1),
        ("enough have come", 1000, 500, None),
        ("a share of hardly any rows is still too few", 40, 20, 10),
    ],
)
def test_waits_for_labels(sentence: str, rows: int, labelled: int, wanted: int | None):
    window = right(0.5, labelled) if labelled else None
    found = report(window, GOOD, rows=rows, labelled=labelled)
    assert found.labels_wanted == wanted, sentence
    if wanted is not None:
        assert (found.statistic, found.drifted) == (None, False)
        assert "scored again as labels come" in found.message
        assert found.performance.labelled == labelled


@pytest.mark.parametrize("labelled", [0, 3])
def test_three_rows_never_decide(labelled: int):
    found = report(right(0.0, labelled), GOOD, rows=3)
    assert (found.statistic, found.drifted, found.labels_wanted) == (None, False, None)
    assert "3 rows are too few" in found.message


@pytest.mark.parametrize(
    ("sentence", "metric", "window", "words"),
    [
        (
            "probabilities that were not logged",
            "log_loss",
            right(0.5, 100),
            "serve the model with Leeboard's predictor",
        ),
        ("numbers asked of classes", "mae", right(0.5, 100), "the model answers classes"),
        ("classes asked of numbers", "f1", Outcomes(np.ones(100), np.ones(100)), "the model answers numbers"),
        (
            "one class alone",
            "roc_auc",
            Outcomes(np.zeros(99, int), np.zeros(99, int), ("0", "1"), np.full((99, 2), 0.5)),
            "one class alone",
        ),
        ("answers that were all refused", "accuracy", None, "both an answer and a label"),
    ],
)
def test_says_why_a_metric_has_no_number(sentence: str, metric: str, window: Outcomes | None, words: str):
    found = report(window, GOOD, PerformanceMetric(name=metric, max_drop=0.1), rows=100, labelled=100)
    assert words in found.message, sentence
    assert (found.statistic, found.drifted, found.labels_wanted) == (None, False, None)


def test_without_a_reference_says_what_to_do():
    found = report(right(0.5, 100), None, why_no_reference="the reference has no label column: name it")
    assert found.message == "the reference has no label column: name it"
    assert found.performance.metrics[0].value == 0.5


# -- intervals --


def test_the_interval_of_a_share_is_wilsons():
    known = binomtest(180, 200).proportion_ci(0.95, "wilson")
    found = intervals(right(0.9, 200), [METRICS["accuracy"]], 0)["accuracy"]
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.012)
    assert intervals(right(1.0, 50), [METRICS["accuracy"]], 0)["accuracy"].low == pytest.approx(0.929, abs=0.001)


def test_rows_of_one_request_count_as_less():
    alone = intervals(right(0.8, 1000), [METRICS["accuracy"]], 0)["accuracy"]
    together = intervals(right(0.8, 1000, groups=20), [METRICS["accuracy"]], 0)["accuracy"]
    assert together.high - together.low > 3 * (alone.high - alone.low)


@pytest.mark.parametrize("name", ["f1", "roc_auc", "log_loss"])
def test_intervals_hold_the_truth_as_often_as_they_say(name: str):
    """95 % of the intervals, within four standard errors of 80 tries."""
    metric = METRICS[name]

    def draw(rows: int, seed: int) -> Outcomes:
        random = np.random.default_rng(seed)
        score = random.normal(size=rows)
        p = 1 / (1 + np.exp(-score))
        truth = (random.random(rows) < 1 / (1 + np.exp(-1.5 * score))).astype(np.int64)
        return Outcomes(truth, (p > 0.5).astype(np.int64), ("0", "1"), np.column_stack([1 - p, p]))

    true = metric.prepare(draw(400_000, 99))(np.ones(400_000))
    held = 0
    for seed in range(80):
        found = intervals(draw(300, seed), [metric], seed)[name]
        held += found.low <= true <= found.high
    assert held / 80 > 0.95 - 4 * 0.024


def test_equal_rows_give_equal_intervals():
    assert intervals(GOOD, [METRICS["f1"]], 3) == intervals(GOOD, [METRICS["f1"]], 3)
    assert intervals(Outcomes(np.array([]), np.array([])), [METRICS["mae"]], 0) == {}
    assert isinstance(intervals(GOOD, [METRICS["f1"]], 3)["f1"], Interval)
