"""Lets the previous model go on learning from new rows."""

import copy
from typing import Any

import numpy as np

from leeboard_workers.retrain.context import TrainedModel, TrainingContext, TrainingError
from leeboard_workers.retrain.tables import inputs_of, labels_of


def train(context: TrainingContext) -> TrainedModel:
    """Call partial_fit of a copy of the previous model, or of the last step of its pipeline.

    Raises:
        TrainingError: there is no previous model, it cannot go on learning, or it refuses the rows.
    """
    if context.previous is None:
        raise TrainingError("partialFit goes on from a model, and there is none: register a first version")
    if context.parameters:
        raise TrainingError("partialFit goes on with the model as it is: remove trainer.parameters")
    model = copy.deepcopy(context.previous)
    rows = context.rows
    inputs: Any = inputs_of(rows, context.features)
    last = model
    if hasattr(model, "steps"):
        last = model.steps[-1][1]
        inputs = model[:-1].transform(inputs) if len(model.steps) > 1 else inputs
    if not hasattr(last, "partial_fit"):
        raise TrainingError(
            f"{type(last).__name__} cannot go on learning: use refit, or an estimator that has partial_fit"
        )
    classes = getattr(last, "classes_", None)
    labels = labels_of(rows, context.label, classes)
    if classes is not None:
        strange = np.setdiff1d(labels, np.asarray(classes))
        if strange.size:
            found = ", ".join(str(label) for label in strange[:5])
            raise TrainingError(
                f"the labels hold {found}, which the model does not know: use refit to learn new classes"
            )
    try:
        last.partial_fit(inputs, labels)
    except (ValueError, TypeError) as error:
        raise TrainingError(f"the estimator refuses the new rows: {error}") from error
    return TrainedModel(model)
