"""What models answer, and what that is worth by the metrics that drift checks use, too."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leeboard.api.verification import METRIC_NAMES
from leeboard_workers.drift.metrics import METRICS as ALL
from leeboard_workers.drift.metrics import Metric, measured
from leeboard_workers.drift.outcomes import outcomes_of
from leeboard_workers.retrain.context import TrainingError

Array = npt.NDArray[Any]

METRICS = {name: ALL[name] for name in METRIC_NAMES}
"""Those that gates and verification may name."""


@dataclass(frozen=True)
class Answers:
    """What a model answers to some rows."""

    predict: Array
    probabilities: Array | None = None
    """Rows by classes, in their order."""
    classes: Sequence[Any] | None = None
    """Of a classifier."""


def answers_of(model: Any, inputs: Any, classes: Sequence[Any] | None = None) -> Answers:
    """Ask a model; it is a classifier if it has classes, or if they are given."""
    own = getattr(model, "classes_", None)
    predict = np.asarray(model.predict(inputs))
    if own is None:
        return Answers(predict, classes=classes)
    probabilities = np.asarray(model.predict_proba(inputs)) if hasattr(model, "predict_proba") else None
    return Answers(predict, probabilities, list(np.asarray(own)))


def measure(names: Iterable[str], truth: Array, answers: Answers) -> dict[str, float]:
    """Return the metrics that are defined for these answers: finite numbers only.

    A model that answers some rows with no number has none: it is not judged by the others.

    Raises:
        TrainingError: there is no such metric.
    """
    metrics = [metric_named(name) for name in names]
    outcomes = outcomes_of(
        pa.array(truth),
        pa.array(answers.predict),
        classes=None if answers.classes is None else np.asarray(answers.classes).tolist(),
        probabilities=None if answers.probabilities is None else answers.probabilities.astype(np.float64),
    )
    return measured(metrics, outcomes) if outcomes.rows == len(truth) else {}


def metric_named(name: str) -> Metric:
    """Return a metric.

    Raises:
        TrainingError: there is no such metric.
    """
    if name not in METRICS:
        raise TrainingError(f"there is no metric {name!r}; there are {', '.join(METRICS)}")
    return METRICS[name]
