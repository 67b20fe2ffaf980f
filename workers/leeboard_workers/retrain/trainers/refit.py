"""Fits a clone of the champion's estimator from scratch."""

from typing import Any

from leeboard_workers.retrain.context import TrainedModel, TrainingContext, TrainingError
from leeboard_workers.retrain.tables import inputs_of, labels_of


def train(context: TrainingContext) -> TrainedModel:
    """Clone, set the parameters, seed what is not seeded, fit on all training rows.

    Raises:
        TrainingError: there is no estimator to clone, it has no such parameter, or it refuses the rows.
    """
    from sklearn.base import clone  # noqa: PLC0415 (a second that only retraining needs)

    if context.previous is None:
        raise TrainingError("refit clones the champion's estimator, and there is no champion: register a first version")
    if not hasattr(context.previous, "get_params"):
        raise TrainingError("refit needs a model of scikit-learn's style; for other models set trainer.entrypoint")
    estimator = clone(context.previous)
    known = estimator.get_params()
    unknown = sorted(set(context.parameters) - set(known))
    if unknown:
        raise TrainingError(f"the estimator has no parameter {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    estimator.set_params(**_seeds(known, context.seed) | dict(context.parameters))
    rows = context.rows
    labels = labels_of(rows, context.label, getattr(context.previous, "classes_", None))
    try:
        estimator.fit(inputs_of(rows, context.features), labels)
    except (ValueError, TypeError) as error:
        raise TrainingError(f"the estimator refuses the training rows: {error}") from error
    return TrainedModel(estimator)


def _seeds(known: dict[str, Any], seed: int) -> dict[str, int]:
    return {name: seed for name, value in known.items() if value is None and name.rpartition("__")[2] == "random_state"}
