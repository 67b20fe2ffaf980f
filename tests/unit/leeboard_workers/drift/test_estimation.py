"""Quality without labels, held against the quality that labels tell."""

import numpy as np
import pytest

from leeboard_workers.drift.estimation import Estimator
from leeboard_workers.drift.metrics import METRICS
from leeboard_workers.drift.outcomes import Outcomes

NAMES = ["accuracy", "balanced_accuracy", "f1", "roc_auc", "average_precision", "log_loss", "brier"]
ALL = [METRICS[name] for name in NAMES]


def world(rows: int, seed: int, *, shift: float = 0.0, concept: float = 1.0, classes: int = 2) -> Outcomes:
    """Answers of a model that is overconfident; `shift` moves inputs to where it knows less, `concept` the outcomes."""
    draw = np.random.default_rng(seed)
    signal = draw.normal(0, 1 / (1 + shift), (rows, classes))
    true = np.exp(concept * signal) / np.exp(concept * signal).sum(axis=1, keepdims=True)
    said = np.exp(2 * signal) / np.exp(2 * signal).sum(axis=1, keepdims=True)
    truth = (draw.random((rows, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    return Outcomes(truth, said.argmax(axis=1), tuple("abcd"[:classes]), said)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_the_estimate_follows_what_covariate_drift_does(shift: float, classes: int):
    estimator = Estimator.fitted_on(world(4_000, 0, classes=classes))
    window = world(4_000, 1, shift=shift, classes=classes)
    metrics = ALL if classes == 2 else [METRICS["accuracy"], METRICS["f1"], METRICS["log_loss"]]
    estimated = estimator.estimate(window, metrics, 0)
    for metric in metrics:
        realised = metric.prepare(window)(np.ones(window.rows))
        assert estimated[metric.name].value == pytest.approx(realised, abs=0.05), metric.name
        assert estimated[metric.name].low <= estimated[metric.name].value <= estimated[metric.name].high


def test_the_estimate_is_blind_to_concept_drift():
    estimator = Estimator.fitted_on(world(4_000, 0))
    turned = world(5_000, 1, concept=-1.0)
    assert METRICS["accuracy"].prepare(turned)(np.ones(5_000)) < 0.45
    assert estimator.estimate(turned, ALL, 0)["accuracy"].low > 0.6


def test_the_interval_is_of_rows_and_not_of_their_classes():
    """Each row is there once for each class; that makes it no surer."""
    estimator = Estimator.fitted_on(world(4_000, 0))
    window = world(400, 1)
    found = estimator.estimate(window, [METRICS["log_loss"]], 0)["log_loss"]
    expected = (estimator.calibrated(window.probabilities) * -np.log(window.probabilities)).sum(axis=1)
    assert found.value == pytest.approx(expected.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * expected.std() / np.sqrt(400), rel=0.25)


def test_many_rows_are_thinned(monkeypatch: pytest.MonkeyPatch):
    estimator = Estimator.fitted_on(world(5_000, 0))
    window = world(5_000, 1)
    whole = estimator.estimate(window, [METRICS["accuracy"]], 0)["accuracy"].value
    monkeypatch.setattr("leeboard_workers.drift.estimation.MOST_WEIGHTED_ROWS", 4_000)
    assert estimator.estimate(window, [METRICS["accuracy"]], 0)["accuracy"].value == pytest.approx(whole, abs=0.02)


def test_without_probabilities_or_outcomes_there_is_no_estimate():
    assert Estimator.fitted_on(None) is None
    assert Estimator.fitted_on(world(50, 0)) is None
    bare = world(500, 0)
    assert Estimator.fitted_on(Outcomes(bare.truth, bare.answer, bare.classes)) is None
    estimator = Estimator.fitted_on(bare)
    assert estimator.estimate(Outcomes(bare.truth, bare.answer, bare.classes), ALL, 0) == {}
    assert estimator.estimate(bare, [METRICS["mae"]], 0) == {}
