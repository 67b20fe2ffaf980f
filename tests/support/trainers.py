"""Trainers that a user might bring."""

import time
from pathlib import Path

from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from leeboard_workers.retrain import TrainedModel, TrainingContext
from leeboard_workers.retrain.tables import inputs_of, labels_of


def forest(context: TrainingContext) -> TrainedModel:
    """Fit a forest with Ray at hand, and log."""
    assert context.ray.is_initialized()
    encode = make_column_transformer((OrdinalEncoder(), ["bridge"]), remainder="passthrough")
    model = make_pipeline(encode, RandomForestClassifier(context.parameters["trees"], random_state=context.seed))
    model.fit(inputs_of(context.rows, context.features), labels_of(context.rows, context.label))
    context.log({"trees": context.parameters["trees"]}, step=1)
    return TrainedModel(model, {"depth": float(max(tree.get_depth() for tree in model[-1].estimators_))})


def endless(context: TrainingContext) -> TrainedModel:
    """Say that training has begun, then never end."""
    Path(context.parameters["began"]).touch()
    time.sleep(600)
    raise AssertionError("nobody stopped it")


def broken(context: TrainingContext) -> TrainedModel:
    """Fail."""
    raise KeyError(context.features[0])
