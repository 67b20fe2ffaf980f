"""What a trainer gets and what it gives back: `def train(context: TrainingContext) -> TrainedModel`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa


class Log(Protocol):
    """Takes metrics and a step; what it is given stands in the MLflow run."""

    def __call__(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of a step."""


def log_nothing(metrics: Mapping[str, float], step: int = 0) -> None:
    """Keep the metrics of a backtest's folds to themselves."""


class TrainingError(ValueError):
    """Training with this request cannot succeed, however often it is tried; the message says what to do."""


@dataclass(frozen=True)
class TrainingContext:
    """All that a trainer may look at. The rows that decide about the challenger are not among it."""

    train: pa.Table
    """Rows to learn from, oldest first."""
    validation: pa.Table
    """The newest tenth of the training rows, for early stopping and the like; yours to learn from as well."""
    features: tuple[str, ...]
    """Names of the feature columns."""
    label: str
    """Name of the label column."""
    parameters: Mapping[str, Any]
    """Parameters of the manifest, read as JSON where that works."""
    seed: int
    """Seed of every random choice."""
    previous: Any = None
    """The model to go on from: a scikit-learn estimator, or an MLflow pyfunc model of another flavour; none at the
    first model."""
    ray: Any = None
    """The module `ray`, connected to the job's cluster."""
    gpus: float = 0
    """GPUs of the job's cluster."""
    log: Log = log_nothing
    """Logs metrics of a step: `context.log({"loss": 0.3}, 7)`."""

    @property
    def rows(self) -> pa.Table:
        """All rows that may be learnt from."""
        return pa.concat_tables([self.train, self.validation])


@dataclass(frozen=True)
class TrainedModel:
    """What training brought."""

    model: Any
    """An estimator in the style of scikit-learn: `predict`, and `predict_proba` for classifiers."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Numbers about the training, for the MLflow run."""
    requirements: tuple[str, ...] = ()
    """Packages that serving the model needs beside scikit-learn, as pip takes them."""
