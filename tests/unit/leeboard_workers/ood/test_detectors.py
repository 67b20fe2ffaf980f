"""Every detector through the conformance suite, and against independent implementations and known figures."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp
from sklearn.covariance import ledoit_wolf as sklearn_ledoit_wolf
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier

from leeboard.api.outofdistribution import Detector, DetectorInput
from leeboard_workers.ood.conformance import check_detector
from leeboard_workers.ood.detectors import Matrix, fit_scorer
from leeboard_workers.ood.detectors.mahalanobis import MahalanobisScorer, ledoit_wolf
from leeboard_workers.ood.outputs import outputs_of

RNG = np.random.default_rng(0)
CLASSES = 8


class Digits:
    """A network trained on the digits 0 to 7 that then meets 8 and 9."""

    def __init__(self) -> None:
        pixels, digits = load_digits(return_X_y=True)
        known = digits < CLASSES
        order = np.random.default_rng(0).permutation(np.flatnonzero(known))
        train, test = order[: len(order) // 2], order[len(order) // 2 :]
        self.model = MLPClassifier((64,), max_iter=400, random_state=0).fit(pixels[train] / 16, digits[train])
        self.train, self.labels = outputs_of(self.model, pixels[train] / 16), digits[train].astype(np.int64)
        self.test, self.strange = (outputs_of(self.model, pixels[rows] / 16) for rows in (test, ~known))

    def auroc(self, detector: Detector, what: str) -> float:
        reference, test, strange = (getattr(of, what) for of in (self.train, self.test, self.strange))
        scorer = fit_scorer(detector, reference, self.labels, rng=np.random.default_rng(0), logits=what == "logits")
        truth = np.repeat([0, 1], [len(test), len(strange)])
        return float(roc_auc_score(truth, np.concatenate([scorer.score(test), scorer.score(strange)])))


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits()


def _clusters(rows: int) -> tuple[Matrix, np.ndarray]:
    labels = RNG.integers(0, CLASSES, rows)
    return np.eye(CLASSES)[labels] * 8.0 + RNG.normal(size=(rows, CLASSES)), labels


@pytest.mark.parametrize("with_labels", [True, False])
@pytest.mark.parametrize(
    ("detector", "what"),
    [
        (Detector(max_softmax={}), DetectorInput.PROBABILITIES),
        (Detector(max_softmax={}), DetectorInput.LOGITS),
        (Detector(energy={"temperature": 2.0}), DetectorInput.LOGITS),
        (Detector(mahalanobis={}), DetectorInput.FEATURES),
        (Detector(knn={"neighbours": 5, "maxReferenceRows": 500}), DetectorInput.FEATURES),
    ],
)
def test_detector_keeps_every_promise(
    detector: Detector, what: DetectorInput, tmp_path: Path, *, with_labels: bool
) -> None:
    known, labels = _clusters(4000)
    strange = RNG.normal(size=(200, CLASSES)) - 12.0
    if what is DetectorInput.PROBABILITIES:
        known, strange = (np.exp(log_softmax(rows, axis=1)) for rows in (known, strange))
    check_detector(
        detector, what, known=known, labels=labels[:4000] if with_labels else None, strange=strange, folder=tmp_path
    )


@pytest.mark.parametrize(
    ("detector", "what", "least"),
    [
        (Detector(max_softmax={}), "probabilities", 0.94),
        (Detector(max_softmax={}), "logits", 0.94),
        (Detector(energy={}), "logits", 0.94),
        (Detector(knn={"neighbours": 5}), "features", 0.94),
        (Detector(mahalanobis={}), "features", 0.90),
    ],
)
def test_digits_never_seen_are_told_apart(digits: Digits, detector: Detector, what: str, least: float) -> None:
    assert digits.auroc(detector, what) > least


def test_energy_is_minus_the_log_of_the_sum_of_exponentials() -> None:
    logits = RNG.normal(size=(50, 10)) * 30
    scorer = fit_scorer(Detector(energy={"temperature": 3.0}), logits, None, rng=RNG)
    np.testing.assert_allclose(scorer.score(logits), -3.0 * logsumexp(logits / 3.0, axis=1), rtol=1e-12)


def test_softmax_score_does_not_saturate() -> None:
    logits = np.zeros((3, 4))
    logits[:, 0] = [40.0, 60.0, 700.0]  # 1 - p is exactly 0 in floating point for all three
    scorer = fit_scorer(Detector(max_softmax={}), logits, None, rng=RNG, logits=True)
    np.testing.assert_allclose(scorer.score(logits), np.log(3.0) - logits[:, 0], rtol=1e-12)


def test_softmax_scores_of_probabilities_and_logits_agree() -> None:
    logits = RNG.normal(size=(50, 10)) * 5
    one, two = (fit_scorer(Detector(max_softmax={}), logits, None, rng=RNG, logits=raw) for raw in (True, False))
    np.testing.assert_allclose(one.score(logits), two.score(np.exp(log_softmax(logits, axis=1))), rtol=1e-9)


def test_covariance_is_shrunk_as_ledoit_and_wolf_say() -> None:
    for shape in ((30, 20), (2000, 5), (50, 1)):
        rows = RNG.normal(size=shape) @ RNG.normal(size=(shape[1], shape[1]))
        rows -= rows.mean(axis=0)
        expected, _ = sklearn_ledoit_wolf(rows, assume_centered=True)
        np.testing.assert_allclose(ledoit_wolf(rows), expected, rtol=1e-9)


def test_mahalanobis_is_the_distance_to_the_nearest_mean() -> None:
    rows, labels = _clusters(2000)
    scorer = MahalanobisScorer.fit(rows, labels)
    inverse = scorer.whitening.T @ scorer.whitening
    means = np.stack([rows[labels == label].mean(axis=0) for label in range(CLASSES)])
    apart = rows[:100, None, :] - means
    expected = np.einsum("nci,ij,ncj->nc", apart, inverse, apart).min(axis=1)
    np.testing.assert_allclose(scorer.score(rows[:100]), expected, rtol=1e-6)


def test_parts_of_the_distance_add_up_to_it() -> None:
    rows = RNG.normal(size=(300, 4))
    scorer = MahalanobisScorer.fit(rows, None)
    np.testing.assert_allclose(scorer.contributions(rows).sum(axis=1), scorer.score(rows), rtol=1e-9)


def test_neighbours_are_exact() -> None:
    reference, rows = RNG.normal(size=(500, 6)), RNG.normal(size=(40, 6))
    scorer = fit_scorer(Detector(knn={"neighbours": 7}), reference, None, rng=RNG)
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (reference, rows)]
    expected = NearestNeighbors(n_neighbors=7).fit(unit[0]).kneighbors(unit[1])[0][:, -1]
    np.testing.assert_allclose(scorer.score(rows), expected, rtol=1e-9)


def test_too_few_neighbours_are_one_sentence() -> None:
    with pytest.raises(ValueError, match="knn with 10 neighbours needs as many reference rows, there are 3"):
        fit_scorer(Detector(knn={}), RNG.normal(size=(3, 2)), None, rng=RNG)
