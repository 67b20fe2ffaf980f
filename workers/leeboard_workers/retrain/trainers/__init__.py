"""Who trains: each trainer is a function from a TrainingContext to a TrainedModel."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from leeboard.api.training import Trainer
from leeboard_workers.retrain.context import TrainedModel, TrainingContext
from leeboard_workers.retrain.trainers import entrypoint, partialfit, refit

Train = Callable[[TrainingContext], TrainedModel]


def trainer_of(trainer: Trainer) -> Train:
    """Return the function that trains.

    Raises:
        TrainingError: the entrypoint cannot be imported.
    """
    if trainer.entrypoint is not None:
        return entrypoint.load(trainer.entrypoint)
    if trainer.builtin is not None and trainer.builtin.partial_fit is not None:
        return partialfit.train
    return refit.train


def name_of(trainer: Trainer) -> str:
    """Name the trainer for people and for lineage."""
    if trainer.entrypoint is not None:
        return trainer.entrypoint
    return "partialFit" if trainer.builtin is not None and trainer.builtin.partial_fit is not None else "refit"


def parameters_of(trainer: Trainer) -> Mapping[str, Any]:
    """Return the parameters, read as JSON where that works: 0.1 is a number, gini is a word."""
    return {name: _read(text) for name, text in (trainer.parameters or {}).items()}


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
