"""The page about a retraining."""

from dataclasses import replace

import pytest

from leeboard.api.training import Evaluation, Gate
from leeboard.contract.jobs import BacktestFold, JobOutcome, RetrainReport
from leeboard_workers.retrain.gates import Evidence, check_gates, passed
from leeboard_workers.retrain.report import Story, headline, html, verdict_of

EVALUATION = Evaluation(gates=[Gate(name="better", metric="roc_auc", min_gain_over_champion=0.0)])
STORY = Story(
    subject="rivers",
    model="rivers",
    champion="1",
    trainer="refit",
    triggers=("rain drifted",),
    data="the prediction log",
    features=4,
    unlabelled=3,
)


def report(challenger: float, champion: float, *, inconclusive: str = "") -> RetrainReport:
    metrics, theirs = {"roc_auc": challenger}, {"roc_auc": champion}
    gates = check_gates(EVALUATION.gates, [Evidence(metrics, theirs, 500, inconclusive)])
    folds = tuple(
        BacktestFold(
            train_to_time=f"2026-01-0{day}T00:00:00Z",
            test_to_time=f"2026-01-0{day + 1}T00:00:00Z",
            train_rows=100 * day,
            test_rows=100,
            metrics={"roc_auc": 0.6 + day / 100},
        )
        for day in range(1, 5)
    )
    good = passed(gates)
    return RetrainReport(
        request_hash="abc",
        outcome=JobOutcome.MEASURED,
        passed=good,
        version="2" if good else None,
        metrics=metrics,
        champion_metrics=theirs,
        gates=gates,
        backtest=folds,
    )


@pytest.mark.parametrize(
    ("found", "verdict", "sentence"),
    [
        (report(0.8, 0.7), "Passed", "The challenger passed every gate and is version 2: roc_auc 0.8, against 0.7"),
        (
            report(0.6, 0.7),
            "Failed",
            "The challenger failed the gate better: roc_auc is 0.6, at least 0.7 is asked for.",
        ),
        (report(0.8, 0.7, inconclusive="12 rows"), "Inconclusive", "The gate better could not be decided: 12 rows."),
    ],
)
def test_the_verdict_stands_in_one_sentence(found: RetrainReport, verdict: str, sentence: str):
    assert verdict_of(found) == verdict
    assert headline(found).startswith(sentence)
    assert sentence in html(found, EVALUATION, STORY)


def test_the_backtest_is_drawn_with_one_dot_for_each_fold():
    page = html(report(0.8, 0.7), EVALUATION, STORY)
    assert page.count("<circle") == 4
    assert "challenger on the holdout: 0.8" in page


def test_equal_folds_are_drawn_too():
    page = html(report(0.61, 0.61).model_copy(update={"backtest": report(0.8, 0.7).backtest[:1]}), EVALUATION, STORY)
    assert page.count("<circle") == 1


def test_a_run_without_numbers_has_a_page():
    few = RetrainReport(request_hash="abc", outcome=JobOutcome.INSUFFICIENT, message="3 labelled rows are left")
    page = html(few, EVALUATION, replace(STORY, champion=""))
    assert "3 labelled rows are left" in page
    assert "none yet" in page
