"""Turns what an arm answered into metrics: labels and answers are brought into one type, refused rows stand aside."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.retrain.answers import Answers, measure, metric_named
from leeboard_workers.rollout.asking import Replies

Array = NDArray[Any]


@dataclass(frozen=True)
class Comparable:
    """Labels and answers in one type, row by row."""

    truth: Array
    answered: NDArray[np.bool_]
    """Which rows have an answer."""
    predictions: Array
    probabilities: Array | None
    classes: list[Any] | None


def comparable(labels: Sequence[Any], replies: Replies, *, classifies: bool) -> Comparable:
    """Bring labels and answers into one type: numbers where all labels are numbers, else text.

    Args:
        labels: One per row, none missing.
        replies: One per row.
        classifies: Whether the answers are classes.
    """
    numeric = all(isinstance(label, bool | int | float) for label in labels)
    answered = np.array([cell is not None for cell in replies.predictions], dtype=bool)
    predictions = _typed(replies.predictions, numeric=numeric)
    if numeric:
        answered &= np.isfinite(predictions)
    truth = _typed(labels, numeric=numeric)
    if not classifies:
        return Comparable(truth, answered, predictions, None, None)
    seen = sorted({*truth.tolist(), *predictions[answered].tolist()})
    classes = _typed(replies.classes, numeric=numeric).tolist() if replies.classes else seen
    return Comparable(truth, answered, predictions, _matrix(replies, answered, len(classes)), classes)


def measured(names: Iterable[str], of: Comparable, rows: NDArray[np.bool_]) -> dict[str, float]:
    """Return the metrics that are defined on the chosen rows."""
    if not rows.any():
        return {}
    probabilities = of.probabilities
    if probabilities is not None and not np.isfinite(probabilities[rows]).all():
        probabilities = None
    answers = Answers(of.predictions[rows], None if probabilities is None else probabilities[rows], of.classes)
    return measure(names, of.truth[rows], answers)


def is_classification(names: Iterable[str]) -> bool:
    """Say whether metrics speak of classes. Raises TrainingError for an unknown metric."""
    return any(metric_named(name).needs != "numbers" for name in names)


def _typed(cells: Sequence[Any], *, numeric: bool) -> Array:
    if numeric:
        return np.array([_number(cell) for cell in cells], dtype=np.float64)
    return np.array([_text(cell) for cell in cells], dtype=object)


def _number(cell: Any) -> float:
    try:
        return float("nan") if cell is None else float(cell)
    except (TypeError, ValueError):
        return float("nan")


def _text(cell: Any) -> str:
    """Write a cell as text; a whole number has no point, in whatever type it came."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell)


def _matrix(replies: Replies, answered: NDArray[np.bool_], width: int) -> Array | None:
    rows = [row for row, known in zip(replies.probabilities, answered, strict=True) if known]
    if not rows or any(row is None or len(row) != width for row in rows):
        return None
    matrix = np.full((len(answered), width), np.nan)
    matrix[answered] = np.array(rows, dtype=np.float64)
    return matrix
