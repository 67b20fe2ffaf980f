from typing import Any

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from scipy.special import expit, logsumexp, softmax
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from xgboost import XGBClassifier, XGBRegressor

from leeboard_workers.ood.outputs import classes_of, outputs_in, outputs_of, widths_of

TWO = make_classification(300, n_classes=2, random_state=0)
THREE = make_classification(300, n_classes=3, n_informative=4, random_state=0)
BOOSTED = [LGBMClassifier(n_estimators=5, verbose=-1), XGBClassifier(n_estimators=5)]


@pytest.mark.parametrize("model", [LogisticRegression(max_iter=500), HistGradientBoostingClassifier(max_iter=5)])
@pytest.mark.parametrize("data", [TWO, THREE])
def test_softmax_of_the_logits_are_the_probabilities(model, data) -> None:  # noqa: ANN001
    outputs = outputs_of(model.fit(*data), data[0])
    np.testing.assert_allclose(softmax(outputs.logits, axis=1), outputs.probabilities, rtol=1e-6)
    assert outputs.features is None


@pytest.mark.parametrize("data", [TWO, THREE])
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_a_network_shows_its_last_layer_but_one(data, activation: str) -> None:  # noqa: ANN001
    network = MLPClassifier((8, 5), activation=activation, max_iter=20, random_state=0)
    model = make_pipeline(StandardScaler(), network).fit(*data)
    outputs = outputs_of(model, data[0])
    assert outputs.features.shape == (300, 5)
    np.testing.assert_allclose(softmax(outputs.logits, axis=1), outputs.probabilities, rtol=1e-6)


@pytest.mark.parametrize("data", [TWO, THREE])
@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("trees", BOOSTED)
def test_boosted_trees_tell_their_margins(trees: Any, data: tuple[Any, Any], *, alone: bool) -> None:
    model = (clone(trees) if alone else make_pipeline(StandardScaler(), clone(trees))).fit(*data)
    outputs = outputs_of(model, data[0])
    np.testing.assert_allclose(softmax(outputs.logits, axis=1), outputs.probabilities, rtol=1e-4, atol=1e-6)
    assert np.ptp(logsumexp(outputs.logits, axis=1)) > 0.01, "the logarithm of the probabilities is no margin"
    assert widths_of(model) == dict.fromkeys(("probabilities", "logits"), len(model.classes_))


@pytest.mark.parametrize("trees", [LGBMRegressor(n_estimators=5, verbose=-1), XGBRegressor(n_estimators=5)])
def test_boosted_trees_that_regress_have_no_logits(trees: Any) -> None:
    model = clone(trees).fit(*TWO)
    outputs = outputs_of(model, TWO[0])
    assert (outputs.probabilities, outputs.logits, widths_of(model)) == (None, None, {})


def test_both_classes_of_a_binary_model_get_their_half_of_the_log_odds() -> None:
    model = LogisticRegression().fit(*TWO)
    outputs = outputs_of(model, TWO[0])
    np.testing.assert_allclose(outputs.logits.sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(expit(outputs.logits[:, 1] * 2), outputs.probabilities[:, 1], rtol=1e-9)


def test_a_model_without_logits_has_none() -> None:
    assert outputs_of(RandomForestClassifier(5).fit(*TWO), TWO[0]).logits is None


@pytest.mark.parametrize("data", [TWO, THREE])
@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=500),
        RandomForestClassifier(5),
        make_pipeline(StandardScaler(), MLPClassifier((8, 5), max_iter=5)),
        make_pipeline(StandardScaler(), SVC(probability=True, decision_function_shape="ovo")),
        LinearSVC(),
        LinearRegression(),
        MultiOutputClassifier(LogisticRegression(max_iter=500)),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::FutureWarning")
def test_what_is_told_beforehand_is_what_comes(model, data) -> None:  # noqa: ANN001
    rows, labels = data
    model.fit(rows, np.column_stack([labels, labels]) if isinstance(model, MultiOutputClassifier) else labels)
    outputs = outputs_of(model, rows)
    matrices = {name: getattr(outputs, name) for name in ("probabilities", "logits", "features")}
    assert widths_of(model) == {name: matrix.shape[1] for name, matrix in matrices.items() if matrix is not None}


def test_a_regression_answers_numbers_alone() -> None:
    model = LinearRegression().fit(TWO[0], TWO[1])
    outputs = outputs_of(model, TWO[0])
    assert (outputs.probabilities, outputs.logits, classes_of(model)) == (None, None, None)


def test_arrays_by_name_are_what_their_names_say() -> None:
    matrix = np.array([[0.2, 0.8], [0.9, 0.1]], dtype=np.float32)
    network = outputs_in({"logits": matrix, "features": matrix, "hidden": matrix[:, :1]})
    assert (network.predict.tolist(), network.probabilities) == (matrix[:, :1].tolist(), None)
    classifier = outputs_in({"probabilities": matrix})
    assert (classifier.predict.tolist(), classifier.probabilities.dtype) == ([1, 0], np.float64)
    assert outputs_in({"label": [3, 4], "probabilities": matrix}).predict.tolist() == [3, 4]
    assert outputs_in([1, 2]).predict.tolist() == [1, 2]
    with pytest.raises(ValueError, match="no prediction"):
        outputs_in({"features": matrix})


def test_classes_stand_in_the_order_of_the_probabilities() -> None:
    assert classes_of(LogisticRegression().fit(TWO[0], np.where(TWO[1], "yes", "no"))) == ["no", "yes"]
