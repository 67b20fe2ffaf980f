"""Every detector through the conformance suite, and against independent implementations and known figures."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp, rel_entr, softmax
from sklearn.covariance import EmpiricalCovariance
from sklearn.covariance import ledoit_wolf as sklearn_ledoit_wolf
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier

from leeboard.api.outofdistribution import WITHOUT_CLASSES, Calibration, Detector, DetectorInput
from leeboard_workers.ood.conformance import Case, check_detector
from leeboard_workers.ood.detectors import Head, Known, Matrix, fit_scorer
from leeboard_workers.ood.detectors.gaussian import ledoit_wolf
from leeboard_workers.ood.detectors.lists import FEWEST_ROWS, LEAST_RECALL
from leeboard_workers.ood.outputs import head_of, outputs_of
from leeboard_workers.ood.store import DOCUMENT

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
        known = Known(reference, self.labels, DetectorInput(what.capitalize()), head_of(self.model))
        _, scorer = fit_scorer(detector, known, np.random.default_rng(0))
        truth = np.repeat([0, 1], [len(test), len(strange)])
        return float(roc_auc_score(truth, np.concatenate([scorer.score(test), scorer.score(strange)])))


def _fit(
    detector: dict[str, Any],
    rows: Matrix,
    labels: Any = None,
    what: DetectorInput = DetectorInput.FEATURES,
    head: Head | None = None,
) -> Any:
    known = Known(rows, labels, what, head)
    return fit_scorer(Detector.model_validate(detector), known, np.random.default_rng(0))[1]


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits()


def _clusters(rows: int) -> tuple[Matrix, np.ndarray]:
    labels = RNG.integers(0, CLASSES, rows)
    return np.eye(CLASSES)[labels] * 8.0 + RNG.normal(size=(rows, CLASSES)), labels


HEAD = Head(np.eye(CLASSES) * 1.5 + 0.1, np.linspace(-1.0, 1.0, CLASSES))

CASES = [
    ({"maxSoftmax": {}}, DetectorInput.PROBABILITIES),
    ({"maxSoftmax": {}}, DetectorInput.LOGITS),
    ({"maxLogit": {}}, DetectorInput.LOGITS),
    ({"energy": {"temperature": 2.0}}, DetectorInput.LOGITS),
    ({"klMatching": {}}, DetectorInput.PROBABILITIES),
    ({"klMatching": {}}, DetectorInput.LOGITS),
    ({"mahalanobis": {}}, DetectorInput.FEATURES),
    ({"relativeMahalanobis": {}}, DetectorInput.FEATURES),
    ({"knn": {"neighbours": 5, "maxReferenceRows": 500}}, DetectorInput.FEATURES),
    ({"vim": {"dimensions": 3}}, DetectorInput.FEATURES),
    ({"react": {}}, DetectorInput.FEATURES),
    ({"pca": {"variance": 0.6}}, DetectorInput.FEATURES),
    ({"isolationForest": {"trees": 50}}, DetectorInput.FEATURES),
    ({"auto": {}}, DetectorInput.FEATURES),
]


@pytest.mark.parametrize("with_labels", [True, False])
@pytest.mark.parametrize(("detector", "what"), CASES)
def test_detector_keeps_every_promise(
    detector: dict[str, Any], what: DetectorInput, tmp_path: Path, *, with_labels: bool
) -> None:
    known, labels = _clusters(4000)
    strange = RNG.normal(size=(200, CLASSES)) - (12.0 if "auto" not in detector else 40.0)
    if what is DetectorInput.PROBABILITIES:
        known, strange = (np.exp(log_softmax(rows, axis=1)) for rows in (known, strange))
    case = Case(Detector.model_validate(detector), what, known, strange, labels if with_labels else None, HEAD)
    if "relativeMahalanobis" in detector and not with_labels:
        with pytest.raises(ValueError, match="needs a reference with a label column"):
            check_detector(case, tmp_path)
        return
    check_detector(case, tmp_path)
    if "mahalanobis" in detector and not with_labels:
        with pytest.raises(
            ValueError, match="a threshold for each class needs more than one: give the reference a label"
        ):
            check_detector(replace(case, calibration=Calibration.PER_CLASS), tmp_path)
    elif not set(detector) & set(WITHOUT_CLASSES):
        check_detector(replace(case, calibration=Calibration.PER_CLASS), tmp_path)


@pytest.mark.parametrize(
    ("detector", "what", "least"),
    [
        ({"maxSoftmax": {}}, "probabilities", 0.94),
        ({"maxSoftmax": {}}, "logits", 0.94),
        ({"maxLogit": {}}, "logits", 0.94),
        ({"energy": {}}, "logits", 0.94),
        ({"klMatching": {}}, "probabilities", 0.93),
        ({"react": {}}, "features", 0.93),
        ({"vim": {}}, "features", 0.85),
        ({"knn": {"neighbours": 5}}, "features", 0.94),
        ({"mahalanobis": {}}, "features", 0.90),
        ({"relativeMahalanobis": {}}, "features", 0.94),
        ({"pca": {}}, "features", 0.7),
    ],
)
def test_digits_never_seen_are_told_apart(digits: Digits, detector: dict[str, Any], what: str, least: float) -> None:
    assert digits.auroc(Detector.model_validate(detector), what) > least


def test_energy_is_minus_the_log_of_the_sum_of_exponentials() -> None:
    logits = RNG.normal(size=(50, 10)) * 30
    scorer = _fit({"energy": {"temperature": 3.0}}, logits)
    np.testing.assert_allclose(scorer.score(logits), -3.0 * logsumexp(logits / 3.0, axis=1), rtol=1e-12)


def test_softmax_score_does_not_saturate() -> None:
    logits = np.zeros((3, 4))
    logits[:, 0] = [40.0, 60.0, 700.0]  # 1 - p is exactly 0 in floating point for all three
    scorer = _fit({"maxSoftmax": {}}, logits, what=DetectorInput.LOGITS)
    np.testing.assert_allclose(scorer.score(logits), np.log(3.0) - logits[:, 0], rtol=1e-12)


def test_softmax_scores_of_probabilities_and_logits_agree() -> None:
    logits = RNG.normal(size=(50, 10)) * 5
    inputs = (DetectorInput.LOGITS, DetectorInput.PROBABILITIES)
    one, two = (_fit({"maxSoftmax": {}}, logits, what=what) for what in inputs)
    np.testing.assert_allclose(one.score(logits), two.score(np.exp(log_softmax(logits, axis=1))), rtol=1e-9)


def test_covariance_is_shrunk_as_ledoit_and_wolf_say() -> None:
    for shape in ((30, 20), (2000, 5), (50, 1)):
        rows = RNG.normal(size=shape) @ RNG.normal(size=(shape[1], shape[1]))
        rows -= rows.mean(axis=0)
        expected, _ = sklearn_ledoit_wolf(rows, assume_centered=True)
        np.testing.assert_allclose(ledoit_wolf(rows), expected, rtol=1e-9)


def test_mahalanobis_is_the_distance_to_the_nearest_mean() -> None:
    rows, labels = _clusters(2000)
    scorer = _fit({"mahalanobis": {}}, rows, labels)
    inverse = scorer.whitening @ scorer.whitening.T
    means = np.stack([rows[labels == label].mean(axis=0) for label in range(CLASSES)])
    apart = rows[:100, None, :] - means
    expected = np.einsum("nci,ij,ncj->nc", apart, inverse, apart).min(axis=1)
    np.testing.assert_allclose(scorer.score(rows[:100]), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["mahalanobis", "relativeMahalanobis", "pca"])
def test_parts_of_the_score_add_up_to_it(kind: str) -> None:
    rows, labels = _clusters(300)
    scorer = _fit({kind: {}}, rows, labels)
    np.testing.assert_allclose(scorer.contributions(rows).sum(axis=1), scorer.score(rows), rtol=1e-9, atol=1e-10)


def test_neighbours_are_exact() -> None:
    reference, rows = RNG.normal(size=(500, 6)), RNG.normal(size=(40, 6))
    scorer = _fit({"knn": {"neighbours": 7}}, reference)
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (reference, rows)]
    expected = NearestNeighbors(n_neighbors=7).fit(unit[0]).kneighbors(unit[1])[0][:, -1]
    np.testing.assert_allclose(scorer.score(rows), expected, rtol=1e-9)


def _exact_distances(scorer: Any, rows: Matrix) -> Matrix:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    peer = NearestNeighbors(n_neighbors=scorer.neighbours, algorithm="brute").fit(scorer.bank.T)
    distances: Matrix = peer.kneighbors(unit)[0][:, -1]
    return distances


def test_an_index_keeps_every_promise(tmp_path: Path) -> None:
    known, _ = _clusters(2 * 9_000)  # 30 % of the half that is the reference set the threshold
    strange = RNG.normal(size=(200, CLASSES)) - 12.0
    check_detector(Case(Detector.model_validate({"knn": {}}), DetectorInput.FEATURES, known, strange), tmp_path)
    stored = json.loads((tmp_path / "one" / DOCUMENT).read_text())["parameters"]["lists"]
    assert LEAST_RECALL <= stored["recall"] <= 1.0
    assert stored["probes"] <= stored["lists"] / 4


@pytest.mark.parametrize("neighbours", [1, 10])
def test_an_index_finds_as_many_neighbours_as_it_says(neighbours: int) -> None:
    scorer = _fit({"knn": {"neighbours": neighbours}}, _clusters(FEWEST_ROWS)[0])
    fresh, _ = _clusters(500)
    scores, exact = scorer.score(fresh), _exact_distances(scorer, fresh)
    assert (scores >= exact - 1e-9).all(), "an approximate distance is never the smaller one"
    right = scores <= exact + 1e-9
    assert (~right).mean() <= neighbours * (1.0 - scorer.recall) + 0.05, "one missed neighbour makes a distance wrong"
    np.testing.assert_allclose(scores[right], exact[right], rtol=1e-6)


def test_an_index_is_made_for_many_rows_only() -> None:
    rows, _ = _clusters(FEWEST_ROWS)
    assert _fit({"knn": {}}, rows).recall >= LEAST_RECALL
    assert _fit({"knn": {}}, rows[1:]).recall is None


def test_an_index_that_would_be_no_faster_is_left_out() -> None:
    formless, fresh = RNG.normal(size=(FEWEST_ROWS, 64)), RNG.normal(size=(50, 64))
    scorer = _fit({"knn": {}}, formless)
    assert scorer.recall is None
    np.testing.assert_allclose(scorer.score(fresh), _exact_distances(scorer, fresh), rtol=1e-7)


def test_rows_that_are_all_the_same_are_all_near() -> None:
    same = np.ones((FEWEST_ROWS, 3))
    np.testing.assert_allclose(_fit({"knn": {}}, same).score(same[:3]), 0.0, atol=1e-7)


def test_too_few_neighbours_are_one_sentence() -> None:
    with pytest.raises(ValueError, match="knn with 10 neighbours needs as many reference rows, there are 3"):
        _fit({"knn": {}}, RNG.normal(size=(3, 2)))


def test_relative_distance_is_a_difference_of_two() -> None:
    rows, labels = _clusters(2000)
    means = np.stack([rows[labels == label].mean(axis=0) for label in range(CLASSES)])
    within = sklearn_ledoit_wolf(rows - means[labels], assume_centered=True)[0]
    within += 1e-6 * np.trace(within) / CLASSES * np.eye(CLASSES)
    apart = means[labels] - rows.mean(axis=0)

    def squared(covariance: Matrix, mean: Matrix) -> Matrix:
        return np.einsum("ij,jk,ik->i", rows - mean, np.linalg.inv(covariance), rows - mean)

    near = np.stack([squared(within, mean) for mean in means]).min(axis=0)
    expected = near - squared(within + apart.T @ apart / len(rows), rows.mean(axis=0))
    scores = _fit({"relativeMahalanobis": {}}, rows, labels).score(rows)
    np.testing.assert_allclose(scores, expected, rtol=1e-7, atol=1e-7)


def test_virtual_logit_is_that_of_the_paper() -> None:
    features, _ = _clusters(2000)
    logits = HEAD.logits(features)
    origin = -np.linalg.pinv(HEAD.weights.T) @ HEAD.bias
    covariance = EmpiricalCovariance(assume_centered=True).fit(features - origin).covariance_
    variances, directions = np.linalg.eig(covariance)
    residual = directions[:, np.argsort(-variances)[3:]]
    virtual = np.linalg.norm((features - origin) @ residual, axis=1)
    expected = virtual * logits.max(axis=1).mean() / virtual.mean() - logsumexp(logits, axis=1)
    scores = _fit({"vim": {"dimensions": 3}}, features, head=HEAD).score(features)
    np.testing.assert_allclose(scores, expected, rtol=1e-8)


def test_rectified_energy_is_that_of_the_cut_features() -> None:
    features, _ = _clusters(500)
    cut = np.minimum(features, np.quantile(features, 0.9))
    expected = -logsumexp(cut @ HEAD.weights + HEAD.bias, axis=1)
    np.testing.assert_allclose(_fit({"react": {}}, features, head=HEAD).score(features), expected, rtol=1e-10)


def test_a_model_without_a_last_layer_is_one_sentence() -> None:
    for kind in ("vim", "react"):
        with pytest.raises(ValueError, match=f"{kind} needs the last layer of a neural network"):
            _fit({kind: {}}, RNG.normal(size=(30, 4)))


def test_divergence_is_the_smallest_from_a_class_mean() -> None:
    logits, _ = _clusters(500)
    shares = softmax(logits, axis=1)
    means = [shares[shares.argmax(axis=1) == number].mean(axis=0) for number in range(CLASSES)]
    expected = np.stack([rel_entr(shares, mean).sum(axis=1) for mean in means]).min(axis=0)
    scorer = _fit({"klMatching": {}}, shares, what=DetectorInput.PROBABILITIES)
    np.testing.assert_allclose(scorer.score(shares), expected, rtol=1e-9, atol=1e-12)
    of_logits = _fit({"klMatching": {}}, logits, what=DetectorInput.LOGITS)
    np.testing.assert_allclose(of_logits.score(logits), expected, rtol=1e-9, atol=1e-12)


def test_residual_is_the_error_of_the_reconstruction() -> None:
    rows = RNG.normal(size=(500, 10)) @ RNG.normal(size=(10, 10))
    peer = PCA(n_components=0.8, svd_solver="full").fit(rows)
    expected = np.square(rows - peer.inverse_transform(peer.transform(rows))).sum(axis=1)
    np.testing.assert_allclose(_fit({"pca": {"variance": 0.8}}, rows).score(rows), expected, rtol=1e-7)


@pytest.mark.parametrize("rows_per_tree", [2, 256, 10_000])
def test_forest_is_that_of_scikit_learn(rows_per_tree: int) -> None:
    reference, rows = RNG.normal(size=(700, 5)), RNG.normal(size=(300, 5)) * 2.0
    scorer = _fit({"isolationForest": {"trees": 40, "rowsPerTree": rows_per_tree}}, reference)
    seed = int(np.random.default_rng(0).integers(2**31))
    peer = IsolationForest(n_estimators=40, max_samples=min(rows_per_tree, 700), random_state=seed).fit(reference)
    np.testing.assert_allclose(scorer.score(rows), -peer.score_samples(rows), rtol=1e-12)
