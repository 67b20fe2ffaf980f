"""Trains a challenger, holds it against the champion on rows that neither has seen, and leaves its lineage."""

from leeboard_workers.retrain.context import TrainedModel, TrainingContext, TrainingError

__all__ = ["TrainedModel", "TrainingContext", "TrainingError"]
