import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from leeboard_workers.ood.metrics import separation

RNG = np.random.default_rng(0)
KNOWN, STRANGE = np.round(RNG.normal(size=400), 1), np.round(RNG.normal(size=150) + 1.0, 1)  # with ties
TRUTH = np.repeat([0, 1], [len(KNOWN), len(STRANGE)])
SCORES = np.concatenate([KNOWN, STRANGE])


def test_figures_are_those_of_scikit_learn() -> None:
    found = separation(KNOWN, STRANGE, np.random.default_rng(1))
    fpr, tpr, _ = roc_curve(TRUTH, SCORES, drop_intermediate=False)
    assert found.auroc.value == pytest.approx(roc_auc_score(TRUTH, SCORES))
    assert found.aupr_out.value == pytest.approx(average_precision_score(TRUTH, SCORES))
    assert found.aupr_in.value == pytest.approx(average_precision_score(1 - TRUTH, -SCORES))
    assert found.fpr_at_95_tpr.value == pytest.approx(fpr[np.argmax(tpr >= 0.95)])
    assert found.detection_error.value == pytest.approx(((1.0 - tpr + fpr) / 2.0).min())


def test_intervals_hold_the_truth_nineteen_times_in_twenty() -> None:
    truth = 0.7602499  # of two normal distributions one apart: Φ(1 / √2)
    hits = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        auroc = separation(random.normal(size=150), random.normal(size=100) + 1.0, random).auroc
        assert auroc.low <= auroc.value <= auroc.high
        hits += auroc.low <= truth <= auroc.high
    assert 0.88 <= hits / 200 <= 0.99


def test_perfect_and_useless_scores() -> None:
    perfect = separation(np.zeros(50), np.ones(50), RNG)
    assert (perfect.auroc.value, perfect.fpr_at_95_tpr.value, perfect.detection_error.value) == (1.0, 0.0, 0.0)
    useless = separation(np.zeros(50), np.zeros(50), RNG)
    assert (useless.auroc.value, useless.fpr_at_95_tpr.value, useless.detection_error.value) == (0.5, 1.0, 0.5)
    with pytest.raises(ValueError, match="at least one score"):
        separation(np.zeros(0), np.zeros(3), RNG)
