"""One training and what its model is worth on rows that it has not seen; runs anywhere, so that folds run at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from leeboard.api.training import Trainer
from leeboard_workers.retrain.answers import METRICS, answers_of, measure
from leeboard_workers.retrain.context import TrainedModel, TrainingContext
from leeboard_workers.retrain.tables import inputs_of, labels_of
from leeboard_workers.retrain.trainers import trainer_of


@dataclass(frozen=True)
class Training:
    """What to train, and on what to measure it."""

    trainer: Trainer
    context: TrainingContext
    test: pa.Table


@dataclass(frozen=True)
class Trained:
    """A trained model and its metrics on the test rows."""

    trained: TrainedModel
    metrics: Mapping[str, float]


def train_and_measure(training: Training) -> Trained:
    """Train and measure.

    Raises:
        TrainingError: training cannot succeed.
    """
    context = training.context
    trained = trainer_of(training.trainer)(context)
    return Trained(trained, metrics_on(trained.model, training.test, context.features, context.label))


def metrics_on(
    model: Any, rows: pa.Table, features: tuple[str, ...], label: str, classes: Any = None
) -> dict[str, float]:
    """Return all metrics of a model that are defined on the rows.

    Args:
        model: Answers.
        rows: Labelled rows.
        features: What the model takes.
        label: Column with the truth.
        classes: Classes of a model that does not tell them itself.
    """
    if rows.num_rows == 0:
        return {}
    answers = answers_of(model, inputs_of(rows, features), classes)
    return measure(METRICS, labels_of(rows, label, answers.classes), answers)
