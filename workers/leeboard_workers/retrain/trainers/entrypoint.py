"""Runs a trainer that the user brought."""

from collections.abc import Callable
from importlib import import_module

from leeboard_workers.retrain.context import TrainedModel, TrainingContext, TrainingError


def load(entrypoint: str) -> Callable[[TrainingContext], TrainedModel]:
    """Import `package.module:function`.

    Raises:
        TrainingError: there is no such module or function.
    """
    module, _, name = entrypoint.partition(":")
    try:
        function = getattr(import_module(module), name)
    except ImportError as error:
        raise TrainingError(
            f"cannot import the trainer {entrypoint}: {error}; add it to packages or the image"
        ) from error
    except AttributeError as error:
        raise TrainingError(f"the module {module} has no function {name}") from error

    def train(context: TrainingContext) -> TrainedModel:
        try:
            trained = function(context)
        except (MemoryError, OSError):  # the machine's fault: worth another attempt
            raise
        except Exception as error:
            raise TrainingError(f"the trainer {entrypoint} failed: {type(error).__name__}: {error}") from error
        if not isinstance(trained, TrainedModel):
            raise TrainingError(f"the trainer {entrypoint} returned {type(trained).__name__}, not a TrainedModel")
        return trained

    return train
