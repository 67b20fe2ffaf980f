"""What a model answers beside its prediction: probabilities, logits, features of the penultimate layer.

Logits are what the model itself adds up: a decision function, the margins of boosted trees, or the last layer of a
network. The logarithm of probabilities is none: its energy is zero for every row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.ood.detectors.known import Head

MATRICES = ("probabilities", "logits", "features")
_PREDICTIONS = ("predict", "predictions", "label")
_MARGINS = {"xgboost": "output_margin", "lightgbm": "raw_score"}
"""What a library's classifiers call the wish for sums instead of classes, as an argument of `predict`."""


@dataclass(frozen=True)
class Outputs:
    """Answers to some rows."""

    predict: NDArray[Any]
    """One per row (n), or several (n x outputs)."""
    probabilities: NDArray[np.float64] | None = None
    """Rows by classes."""
    logits: NDArray[np.float64] | None = None
    """Rows by classes; their softmax has the order of the probabilities."""
    features: NDArray[np.float64] | None = None
    """Rows by units of the penultimate layer."""


def outputs_of(model: Any, rows: Any) -> Outputs:
    """Ask a scikit-learn style estimator, or a pipeline that ends in one, for all that it can tell about the rows."""
    predict = np.asarray(model.predict(rows))
    probabilities = _matrix(model.predict_proba(rows)) if hasattr(model, "predict_proba") else None
    last, inputs = _last_step(model, rows)
    if _is_network(last):
        features, logits = _through_network(last, inputs)
        return Outputs(predict, probabilities, logits if probabilities is not None else None, features)
    if probabilities is not None and _adds_up(model):
        return Outputs(predict, probabilities, _both_sides(np.asarray(model.decision_function(rows), dtype=np.float64)))
    if probabilities is not None and (margin := _margin(last)) is not None:
        return Outputs(
            predict, probabilities, _both_sides(np.asarray(model.predict(rows, **{margin: True}), np.float64))
        )
    return Outputs(predict, probabilities)


def widths_of(model: Any) -> dict[str, int]:
    """Return which of probabilities, logits and features `outputs_of` tells, and their columns (-1: unknown)."""
    classes = getattr(model, "classes_", None)
    last = _last_of(model)
    features = {"features": len(last.coefs_[-1])} if _is_network(last) else {}
    if not hasattr(model, "predict_proba") or isinstance(classes, list):  # one list for each of several outputs
        return features
    sums = features or _adds_up(model) or _margin(last) is not None
    told = ("probabilities", "logits") if sums else ("probabilities",)
    return dict.fromkeys(told, -1 if classes is None else len(classes)) | features


def outputs_in(answer: Any) -> Outputs:
    """Read what an MLflow model without an estimator answers: an array, a data frame, or arrays by name.

    Of arrays by name `probabilities`, `logits` and `features` (rows by columns) are what their names say; the
    prediction is the array `predict`, `predictions` or `label`, else the first of another name, else the class of the
    highest logit or probability.

    Raises:
        ValueError: arrays by name without any of these.
    """
    if not isinstance(answer, dict):
        return Outputs(answer.to_numpy() if hasattr(answer, "to_numpy") else np.asarray(answer))
    arrays = {str(name): np.asarray(values) for name, values in answer.items()}
    told = {name: arrays.pop(name) for name in MATRICES if name in arrays and arrays[name].ndim == 2}  # noqa: PLR2004
    matrices = {name: np.asarray(values, dtype=np.float64) for name, values in told.items()}
    name = next((name for name in (*_PREDICTIONS, *arrays) if name in arrays), None)
    if name is not None:
        return Outputs(arrays[name], **matrices)
    classes = matrices.get("logits", matrices.get("probabilities"))
    if classes is None:
        raise ValueError("the model answers no prediction, no probabilities and no logits")
    return Outputs(classes.argmax(axis=1), **matrices)


def head_of(model: Any) -> Head | None:
    """Return the last layer of an estimator, or of a pipeline that ends in one, if it is a network."""
    last = _last_of(model)
    if not _is_network(last):
        return None
    weights, bias = last.coefs_[-1], last.intercepts_[-1]
    if weights.shape[1] == 1:
        weights, bias = np.hstack([-weights, weights]) / 2.0, np.concatenate([-bias, bias]) / 2.0
    return Head(np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64))


def classes_of(model: Any) -> list[Any] | None:
    """Return the classes in the order of the probabilities, or none for a model without classes."""
    classes = getattr(model, "classes_", None)
    return None if classes is None or isinstance(classes, list) else list(np.asarray(classes).tolist())


def estimator_of(pyfunc_model: Any) -> Any | None:
    """Return the estimator inside an MLflow pyfunc model, or none when it is of no scikit-learn style."""
    try:
        raw = pyfunc_model.get_raw_model()
    except (AttributeError, NotImplementedError, TypeError):  # flavours without a native model to hand out
        return None
    return raw if hasattr(raw, "predict") and hasattr(raw, "get_params") else None


def _matrix(values: Any) -> NDArray[np.float64] | None:
    """Return rows by classes; none for models with several outputs, which answer a list."""
    return None if isinstance(values, list) else np.asarray(values, dtype=np.float64)


def _last_of(model: Any) -> Any:
    steps = getattr(model, "steps", None)
    return steps[-1][1] if steps else model


def _last_step(model: Any, rows: Any) -> tuple[Any, Any]:
    last = _last_of(model)
    return (last, rows) if last is model or not _is_network(last) else (last, model[:-1].transform(rows))


def _adds_up(model: Any) -> bool:
    """Say whether there is a decision function of one column per class; pairs of classes are none."""
    pairs = getattr(_last_of(model), "decision_function_shape", None) == "ovo"
    return hasattr(model, "decision_function") and not pairs


def _margin(model: Any) -> str | None:
    """Return the argument by which a classifier of boosted trees, or of a class made from one, tells its margins."""
    libraries = (kind.__module__.partition(".")[0] for kind in type(model).__mro__)
    return next((_MARGINS[library] for library in libraries if library in _MARGINS), None)


def _is_network(model: Any) -> bool:
    return hasattr(model, "coefs_") and hasattr(model, "intercepts_") and hasattr(model, "activation")


def _through_network(network: Any, rows: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    activations: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
        "identity": lambda values: values,
        "logistic": lambda values: 1.0 / (1.0 + np.exp(-values)),
        "tanh": np.tanh,
        "relu": lambda values: np.maximum(values, 0.0),
    }
    layer = np.asarray(rows, dtype=np.float64)
    for weights, bias in zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True):
        layer = activations[network.activation](layer @ weights + bias)
    last = layer @ network.coefs_[-1] + network.intercepts_[-1]
    return layer, _both_sides(last[:, 0]) if last.shape[1] == 1 else last


def _both_sides(decision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give both classes of a binary model their half of the log odds."""
    return decision if decision.ndim > 1 else np.column_stack([-decision / 2.0, decision / 2.0])
