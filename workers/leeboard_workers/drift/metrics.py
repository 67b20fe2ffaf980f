"""Metrics of answers, each as a function of the rows' weights, so that resampling costs one pass and no sorting.

`prepare(outcomes)` does what depends on the rows alone, once, and returns the metric for any weights. A metric that is
not defined for the weights, such as a ROC curve of one class, is NaN.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from leeboard_workers.drift.outcomes import Codes, Outcomes
from leeboard_workers.drift.values import Floats

Weighted = Callable[[Floats], float]
"""Weights of the rows → the metric."""

CALIBRATION_BINS = 15
_TINY = float(np.finfo(np.float64).eps)
"""What scikit-learn clips probabilities to."""


@dataclass(frozen=True)
class Metric:
    """One number about answers."""

    name: str
    greater_is_better: bool
    needs: Literal["classes", "probabilities", "numbers"]
    lowest: float
    highest: float
    prepare: Callable[[Outcomes], Weighted]
    proportion: bool = False
    """Whether it is a share of the rows."""


def metric_of(name: str, quantile: float | None = None) -> Metric:
    """Return a metric. Raises KeyError: there is no such metric."""
    metric = METRICS[name]
    if name != "quantile_loss":
        return metric
    return Metric(**metric.__dict__ | {"prepare": partial(_quantile_loss, quantile=quantile or 0.5)})


def fits(metric: Metric, outcomes: Outcomes) -> bool:
    """Whether a metric speaks of such answers: of classes, of probabilities, of numbers."""
    if metric.needs == "numbers":
        return outcomes.classes is None
    if outcomes.classes is None:
        return False
    return metric.needs == "classes" or outcomes.probabilities is not None


def measured(metrics: Iterable[Metric], outcomes: Outcomes) -> dict[str, float]:
    """Return the metrics that are defined for these rows, each counted once, by name: finite numbers only."""
    ones = np.ones(outcomes.rows)
    values = {metric.name: metric.prepare(outcomes)(ones) for metric in metrics if fits(metric, outcomes)}
    return {name: value for name, value in values.items() if np.isfinite(value)}


def _mean(losses: Floats) -> Weighted:
    return lambda weights: _ratio(float(weights @ losses), float(weights.sum()))


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else float("nan")


def _accuracy(outcomes: Outcomes) -> Weighted:
    return _mean((outcomes.truth == outcomes.answer).astype(np.float64))


def _confusion(outcomes: Outcomes) -> Callable[[Floats], Floats]:
    """Return the confusion matrix, truth by answer, for any weights; what is no class of the model comes last."""
    size = len(outcomes.classes or ()) + 2
    cell = outcomes.truth.astype(np.int64) * size + outcomes.answer.astype(np.int64)

    def weighted(weights: Floats) -> Floats:
        counts: Floats = np.bincount(cell, weights=weights, minlength=size * size).astype(np.float64)
        return counts.reshape(size, size)

    return weighted


def _balanced_accuracy(outcomes: Outcomes) -> Weighted:
    confusion = _confusion(outcomes)

    def weighted(weights: Floats) -> float:
        matrix = confusion(weights)
        of_class = matrix.sum(axis=1)
        there = of_class > 0
        return float((matrix.diagonal()[there] / of_class[there]).mean()) if there.any() else float("nan")

    return weighted


def _f1(outcomes: Outcomes) -> Weighted:
    """Measure F1 of the second class for two classes, else the mean over the classes that occur (macro)."""
    confusion = _confusion(outcomes)
    binary = len(outcomes.classes or ()) == 2  # noqa: PLR2004 (the second class is the positive one, as in scikit-learn)

    def weighted(weights: Floats) -> float:
        matrix = confusion(weights)
        both = matrix.sum(axis=0) + matrix.sum(axis=1)
        scores = np.divide(2 * matrix.diagonal(), both, out=np.zeros(len(both)), where=both > 0)
        if binary:
            return float(scores[1])
        return float(scores[both > 0].mean()) if (both > 0).any() else float("nan")

    return weighted


def _one_vs_rest(outcomes: Outcomes, one: Callable[[Floats, Floats], Weighted]) -> Weighted:
    """Measure how probabilities rank: of the second class for two classes, else the mean of each against the rest."""
    probabilities = _probabilities(outcomes)
    width = probabilities.shape[1]
    columns = [1] if width == 2 else range(width)  # noqa: PLR2004 (binary)
    ranked = [one((outcomes.truth == column).astype(np.float64), probabilities[:, column]) for column in columns]
    return lambda weights: float(np.mean([measure(weights) for measure in ranked]))


def _steps(scores: Floats, order: Codes) -> Codes:
    """Return where each run of equal scores begins, in the order given."""
    ordered = scores[order]
    return np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1]).astype(np.int64)


def _area_under_roc(truth: Floats, scores: Floats) -> Weighted:
    """Measure the share of pairs in their right order, ties half (Mann and Whitney, 1947)."""
    order = np.argsort(scores, kind="stable")
    starts, known = _steps(scores, order), truth[order]

    def weighted(weights: Floats) -> float:
        ordered = weights[order]
        hits = np.add.reduceat(ordered * known, starts)
        others = np.add.reduceat(ordered * (1 - known), starts)
        below = np.cumsum(others) - others
        return _ratio(float(hits @ (below + others / 2)), float(hits.sum() * others.sum()))

    return weighted


def _average_precision(truth: Floats, scores: Floats) -> Weighted:
    """Measure the precision at each threshold, weighted by the recall that it adds, as scikit-learn does."""
    order = np.argsort(-scores, kind="stable")
    starts, known = _steps(scores, order), truth[order]

    def weighted(weights: Floats) -> float:
        ordered = weights[order]
        hits = np.add.reduceat(ordered * known, starts)
        if hits.sum() == ordered.sum():
            return float("nan")  # 1 at any threshold, whatever the scores: that would praise a model for its rows
        found, all_rows = np.cumsum(hits), np.cumsum(np.add.reduceat(ordered, starts))
        precision = np.divide(found, all_rows, out=np.zeros(len(found)), where=all_rows > 0)
        return _ratio(float(hits @ precision), float(hits.sum()))

    return weighted


def _indicator(outcomes: Outcomes) -> Floats:
    width = _probabilities(outcomes).shape[1]
    found: Floats = (outcomes.truth[:, None] == np.arange(width)[None, :]).astype(np.float64)
    return found


def _log_loss(outcomes: Outcomes) -> Weighted:
    """A label that the model does not know counts as if it had been given no chance at all."""
    probabilities = _probabilities(outcomes)
    of_truth = (_indicator(outcomes) * probabilities).sum(axis=1)
    return _mean(-np.log(np.clip(of_truth, _TINY, 1.0)))


def _brier(outcomes: Outcomes) -> Weighted:
    """Measure Brier's score (1950): of the positive class for two classes, halved over all classes for more."""
    squares = (_probabilities(outcomes) - _indicator(outcomes)) ** 2
    return _mean(squares.sum(axis=1) / 2)


def _calibration_error(outcomes: Outcomes) -> Weighted:
    """Measure the root of the squared calibration error of the likeliest class, debiased (Kumar, Liang, Ma, 2019).

    In 15 bins of equal numbers of rows. The plain estimate grows as rows get fewer, so that a small window would always
    look worse than a large reference; the variance that each bin has by chance is therefore taken off.
    """
    probabilities = _probabilities(outcomes)
    likeliest = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(outcomes.rows), likeliest]
    hit = (outcomes.truth == likeliest).astype(np.float64)
    rank = np.argsort(np.argsort(confidence, kind="stable"), kind="stable")
    bins = rank * CALIBRATION_BINS // max(outcomes.rows, 1)

    def weighted(weights: Floats) -> float:
        rows = np.bincount(bins, weights=weights, minlength=CALIBRATION_BINS)
        there = rows > 1
        if not there.any():
            return float("nan")
        rows = rows[there]
        hits = np.bincount(bins, weights=weights * hit, minlength=CALIBRATION_BINS)[there] / rows
        said = np.bincount(bins, weights=weights * confidence, minlength=CALIBRATION_BINS)[there] / rows
        squares = (hits - said) ** 2 - hits * (1 - hits) / (rows - 1)
        return float(np.sqrt(max(rows @ squares / rows.sum(), 0.0)))

    return weighted


def _mae(outcomes: Outcomes) -> Weighted:
    missed: Floats = np.abs(outcomes.truth - outcomes.answer)
    return _mean(missed)


def _rmse(outcomes: Outcomes) -> Weighted:
    mean = _mean(np.square(np.subtract(outcomes.truth, outcomes.answer, dtype=np.float64)))
    return lambda weights: float(np.sqrt(mean(weights)))


def _mape(outcomes: Outcomes) -> Weighted:
    """Measure the mean absolute error as a share of the truth; rows whose truth is 0 are left out."""
    there = outcomes.truth != 0
    shares = np.divide(np.abs(outcomes.truth - outcomes.answer), np.abs(outcomes.truth), where=there)
    shares = np.where(there, shares, 0.0)
    return lambda weights: _ratio(float(weights @ shares), float(weights @ there))


def _r2(outcomes: Outcomes) -> Weighted:
    truth, squares = outcomes.truth, (outcomes.truth - outcomes.answer) ** 2

    def weighted(weights: Floats) -> float:
        mean = _ratio(float(weights @ truth), float(weights.sum()))
        spread = float(weights @ (truth - mean) ** 2)
        return 1 - _ratio(float(weights @ squares), spread)

    return weighted


def _quantile_loss(outcomes: Outcomes, quantile: float = 0.5) -> Weighted:
    """Measure the pinball loss (Koenker and Bassett, 1978)."""
    missed = outcomes.truth - outcomes.answer
    losses: Floats = np.maximum(quantile * missed, (quantile - 1) * missed)
    return _mean(losses)


def _probabilities(outcomes: Outcomes) -> Floats:
    if outcomes.probabilities is None:
        raise ValueError("there are no probabilities")
    return outcomes.probabilities


_INF = float("inf")
METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", True, "classes", 0, 1, _accuracy, proportion=True),  # noqa: FBT003 (a table of columns)
        Metric("balanced_accuracy", True, "classes", 0, 1, _balanced_accuracy),  # noqa: FBT003
        Metric("f1", True, "classes", 0, 1, _f1),  # noqa: FBT003
        Metric("roc_auc", True, "probabilities", 0, 1, partial(_one_vs_rest, one=_area_under_roc)),  # noqa: FBT003
        Metric("average_precision", True, "probabilities", 0, 1, partial(_one_vs_rest, one=_average_precision)),  # noqa: FBT003
        Metric("log_loss", False, "probabilities", 0, _INF, _log_loss),  # noqa: FBT003
        Metric("brier", False, "probabilities", 0, 1, _brier),  # noqa: FBT003
        Metric("calibration_error", False, "probabilities", 0, 1, _calibration_error),  # noqa: FBT003
        Metric("mae", False, "numbers", 0, _INF, _mae),  # noqa: FBT003
        Metric("rmse", False, "numbers", 0, _INF, _rmse),  # noqa: FBT003
        Metric("mape", False, "numbers", 0, _INF, _mape),  # noqa: FBT003
        Metric("r2", True, "numbers", -_INF, 1, _r2),  # noqa: FBT003
        Metric("quantile_loss", False, "numbers", 0, _INF, _quantile_loss),  # noqa: FBT003
    )
}
