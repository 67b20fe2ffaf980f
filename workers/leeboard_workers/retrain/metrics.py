"""Metrics of a model on labelled rows, each with its direction, as scikit-learn defines them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from leeboard_workers.retrain.context import TrainingError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Answers:
    """What a model answers to some rows."""

    predict: Array
    probabilities: Array | None = None
    """Rows by classes, in their order."""
    classes: Sequence[Any] | None = None
    """Of a classifier."""


@dataclass(frozen=True)
class Metric:
    """One number about answers."""

    name: str
    greater_is_better: bool
    needs: Literal["classes", "probabilities", "numbers"]
    measure: Callable[[Array, Answers], float]


def measure(names: Iterable[str], truth: Array, answers: Answers) -> dict[str, float]:
    """Return the metrics that are defined for these answers: finite numbers only."""
    found = {}
    for name in names:
        metric = metric_named(name)
        if metric.needs == "probabilities" and answers.probabilities is None:
            continue
        if (metric.needs == "numbers") is (answers.classes is not None):
            continue
        try:
            value = float(metric.measure(truth, answers))
        except ValueError:  # not defined here, such as a ROC curve of one class
            continue
        if np.isfinite(value):
            found[name] = value
    return found


def metric_named(name: str) -> Metric:
    """Return a metric.

    Raises:
        TrainingError: there is no such metric.
    """
    if name not in METRICS:
        raise TrainingError(f"there is no metric {name!r}; there are {', '.join(METRICS)}")
    return METRICS[name]


def answers_of(model: Any, inputs: Any, classes: Sequence[Any] | None = None) -> Answers:
    """Ask a model; it is a classifier if it has classes, or if they are given."""
    own = getattr(model, "classes_", None)
    predict = np.asarray(model.predict(inputs))
    if own is None:
        return Answers(predict, classes=classes)
    probabilities = np.asarray(model.predict_proba(inputs)) if hasattr(model, "predict_proba") else None
    return Answers(predict, probabilities, list(np.asarray(own)))


def _sklearn(function: str, **options: Any) -> Callable[[Array, Answers], float]:
    def measured(truth: Array, answers: Answers) -> float:
        from sklearn import metrics  # noqa: PLC0415 (a second that only retraining needs)

        return float(getattr(metrics, function)(truth, answers.predict, **options))

    return measured


def _f1(truth: Array, answers: Answers) -> float:
    from sklearn.metrics import f1_score  # noqa: PLC0415 (a second that only retraining needs)

    classes = answers.classes or []
    if len(classes) == 2:  # noqa: PLR2004 (the second class is the positive one, as everywhere in scikit-learn)
        return float(f1_score(truth, answers.predict, pos_label=classes[1], zero_division=0))
    return float(f1_score(truth, answers.predict, average="macro", zero_division=0))


def _indicator(truth: Array, answers: Answers) -> tuple[Array, Array]:
    """Return truth and probabilities as rows by classes."""
    if answers.probabilities is None:
        raise ValueError("no probabilities")
    classes = np.asarray(answers.classes)
    return (truth[:, None] == classes[None, :]).astype(np.float64), answers.probabilities


def _ranked(function: str) -> Callable[[Array, Answers], float]:
    """Measure how well probabilities rank: of the positive class, or the mean of each class against the rest."""

    def measured(truth: Array, answers: Answers) -> float:
        from sklearn import metrics  # noqa: PLC0415 (a second that only retraining needs)

        known, probabilities = _indicator(truth, answers)
        columns = [1] if known.shape[1] == 2 else range(known.shape[1])  # noqa: PLR2004 (binary)
        if any(known[:, column].min() == known[:, column].max() for column in columns):
            raise ValueError("a class is always or never there")
        rank = getattr(metrics, function)
        return float(np.mean([rank(known[:, column], probabilities[:, column]) for column in columns]))

    return measured


def _log_loss(truth: Array, answers: Answers) -> float:
    known, probabilities = _indicator(truth, answers)
    # A class that the model does not know has the smallest probability that a double holds.
    of_truth = np.where(known.any(axis=1), (known * probabilities).sum(axis=1), 0.0)
    return float(-np.log(np.clip(of_truth, np.finfo(np.float64).eps, 1.0)).mean())


def _brier(truth: Array, answers: Answers) -> float:
    """Return Brier's score: of the positive class for two classes, halved over all classes for more."""
    known, probabilities = _indicator(truth, answers)
    squares = (probabilities - known) ** 2
    return float(squares.sum(axis=1).mean() / 2)


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", greater_is_better=True, needs="classes", measure=_sklearn("accuracy_score")),
        Metric(
            "balanced_accuracy", greater_is_better=True, needs="classes", measure=_sklearn("balanced_accuracy_score")
        ),
        Metric("f1", greater_is_better=True, needs="classes", measure=_f1),
        Metric("roc_auc", greater_is_better=True, needs="probabilities", measure=_ranked("roc_auc_score")),
        Metric(
            "average_precision",
            greater_is_better=True,
            needs="probabilities",
            measure=_ranked("average_precision_score"),
        ),
        Metric("log_loss", greater_is_better=False, needs="probabilities", measure=_log_loss),
        Metric("brier", greater_is_better=False, needs="probabilities", measure=_brier),
        Metric("mae", greater_is_better=False, needs="numbers", measure=_sklearn("mean_absolute_error")),
        Metric("rmse", greater_is_better=False, needs="numbers", measure=_sklearn("root_mean_squared_error")),
        Metric("r2", greater_is_better=True, needs="numbers", measure=_sklearn("r2_score")),
    )
}
