"""What answers are worth against scikit-learn, and what is not defined."""

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from leeboard_workers.retrain.answers import METRICS, Answers, answers_of, measure, metric_named
from leeboard_workers.retrain.context import TrainingError

DRAW = np.random.default_rng(0)
INPUTS = DRAW.normal(size=(400, 3))
BINARY = (INPUTS[:, 0] + DRAW.normal(size=400) > 0).astype(int)
MANY = np.array(["low", "mid", "top"])[np.digitize(INPUTS[:, 0], [-0.5, 0.5])]
NUMBERS = INPUTS[:, 0] * 2 + DRAW.normal(size=400)


def test_binary_classifiers_have_scikit_learns_metrics():
    model = LogisticRegression().fit(INPUTS, BINARY)
    found = measure(METRICS, BINARY, answers_of(model, INPUTS))
    assert 0 <= found.pop("calibration_error") < 0.1
    predicted, chances = model.predict(INPUTS), model.predict_proba(INPUTS)[:, 1]
    assert found == pytest.approx(
        {
            "accuracy": sk.accuracy_score(BINARY, predicted),
            "balanced_accuracy": sk.balanced_accuracy_score(BINARY, predicted),
            "f1": sk.f1_score(BINARY, predicted),
            "roc_auc": sk.roc_auc_score(BINARY, chances),
            "average_precision": sk.average_precision_score(BINARY, chances),
            "log_loss": sk.log_loss(BINARY, chances),
            "brier": sk.brier_score_loss(BINARY, chances),
        }
    )


def test_several_classes_are_averaged():
    model = LogisticRegression().fit(INPUTS, MANY)
    found = measure(METRICS, MANY, answers_of(model, INPUTS))
    chances = model.predict_proba(INPUTS)
    assert found["f1"] == pytest.approx(sk.f1_score(MANY, model.predict(INPUTS), average="macro"))
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(MANY, chances, multi_class="ovr"))
    assert found["log_loss"] == pytest.approx(sk.log_loss(MANY, chances))
    assert found["brier"] == pytest.approx(sk.brier_score_loss(MANY, chances, scale_by_half=True))


def test_regressors_have_errors():
    model = LinearRegression().fit(INPUTS, NUMBERS)
    found = measure(METRICS, NUMBERS, answers_of(model, INPUTS))
    predicted = model.predict(INPUTS)
    assert found == pytest.approx(
        {
            "mae": sk.mean_absolute_error(NUMBERS, predicted),
            "rmse": sk.root_mean_squared_error(NUMBERS, predicted),
            "mape": sk.mean_absolute_percentage_error(NUMBERS, predicted),
            "r2": sk.r2_score(NUMBERS, predicted),
        }
    )


def test_a_classifier_without_probabilities_has_no_ranking():
    model = LinearSVC().fit(INPUTS, BINARY)
    assert set(measure(METRICS, BINARY, answers_of(model, INPUTS))) == {"accuracy", "balanced_accuracy", "f1"}


def test_a_holdout_of_one_class_has_no_curve_but_a_loss():
    model = LogisticRegression().fit(INPUTS, BINARY)
    found = measure(METRICS, np.ones(400, dtype=int), answers_of(model, INPUTS))
    assert {"roc_auc", "average_precision"}.isdisjoint(found)
    assert "log_loss" in found


def test_a_class_that_the_model_does_not_know_costs_much_but_not_infinitely():
    model = LogisticRegression().fit(INPUTS, MANY)
    assert 30 < measure(["log_loss"], np.full(400, "new"), answers_of(model, INPUTS))["log_loss"] < 40


def test_classes_may_be_given_to_models_that_do_not_tell():
    class Pyfunc:
        def predict(self, rows: np.ndarray) -> np.ndarray:
            return (rows[:, 0] > 0).astype(int)

    assert "accuracy" in measure(METRICS, BINARY, answers_of(Pyfunc(), INPUTS, [0, 1]))
    assert "accuracy" not in measure(METRICS, BINARY, answers_of(Pyfunc(), INPUTS))


def test_an_unknown_metric_is_named():
    with pytest.raises(TrainingError, match="recall"):
        metric_named("recall")


def test_losses_know_their_direction():
    less = {name for name, metric in METRICS.items() if not metric.greater_is_better}
    assert less == {"log_loss", "brier", "calibration_error", "mae", "rmse", "mape"}


def test_a_model_that_leaves_rows_out_is_worth_nothing():
    assert measure(["mae"], np.array([np.inf]), Answers(np.array([1.0]))) == {}
    assert measure(["mae"], np.array([1.0, 2.0]), Answers(np.array([1.0, np.nan]))) == {}


def test_an_answer_that_is_no_class_is_never_right():
    assert measure(["accuracy"], np.array(["new", "b"]), Answers(np.array(["odd", "b"]), classes=["a", "b"])) == {
        "accuracy": 0.5
    }
