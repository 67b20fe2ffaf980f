"""How much each input column matters to a model, so that drift where it matters weighs more.

The model's own importances count where it has them: `feature_importances_` of trees; of linear models the size of
`coef_` times the spread of the feature, which makes units comparable. Importances of derived features are added up by
the input column they come from. Models that tell nothing are asked by permutation (Breiman, "Random forests", 2001).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from leeboard_workers.drift.values import Floats

PERMUTATION_ROWS = 2_000
PERMUTATION_REPEATS = 3
_SMALLEST_PROBABILITY = 1e-15


def importances(model: Any, inputs: pd.DataFrame, labels: pd.Series | None, seed: int) -> dict[str, float]:
    """Return the importance of each input column; the importances add to 1.

    Args:
        model: A scikit-learn estimator or pipeline, or anything with `predict`.
        inputs: Rows of the reference, as the model takes them.
        labels: Their labels, where they are known.
        seed: Seed of the permutations.

    Returns:
        Importance by column; equal ones when nothing distinguishes the columns.
    """
    own = _own_importances(model, inputs)
    found = own if own is not None else _by_permutation(model, inputs, labels, seed)
    total = sum(found.values())
    if not np.isfinite(total) or total <= 0:
        return dict.fromkeys(inputs.columns, 1 / len(inputs.columns))
    return {column: value / total for column, value in found.items()}


def _own_importances(model: Any, inputs: pd.DataFrame) -> dict[str, float] | None:
    steps = [step for _, step in model.steps] if hasattr(model, "steps") else [model]
    preparation, last = [step for step in steps[:-1] if step not in (None, "passthrough")], steps[-1]
    if not (hasattr(last, "feature_importances_") or hasattr(last, "coef_")):
        return None
    names = list(inputs.columns)
    origins: list[str | None] = list(names)
    values: Any = inputs
    try:
        for step in preparation:
            origins = _origins(step, origins, values)
            values = step.transform(values)
        sizes = _sizes(last, values)
    except (AttributeError, TypeError, ValueError):
        return None  # a preparation that does not tell what it makes of which column
    if len(sizes) != len(origins) or None in origins:
        return None
    found = dict.fromkeys(names, 0.0)
    for origin, size in zip(origins, sizes, strict=True):
        found[str(origin)] += float(size)
    return found


def _sizes(last: Any, values: Any) -> Floats:
    if hasattr(last, "feature_importances_"):
        return np.asarray(last.feature_importances_, dtype=np.float64)
    dense = values.toarray() if hasattr(values, "toarray") else np.asarray(values, dtype=np.float64)
    strength: Floats = np.abs(np.atleast_2d(np.asarray(last.coef_, dtype=np.float64))).mean(axis=0)
    spread: Floats = np.nanstd(dense.astype(np.float64), axis=0)
    return strength * spread


def _origins(step: Any, origins: Sequence[str | None], values: Any) -> list[str | None]:
    """Return for each output of a preparing step the input column that it comes from, or none where it mixes."""
    if hasattr(step, "transformers_"):
        return _origins_of_columns(step, origins, values)
    if hasattr(step, "steps"):
        for _, inner in step.steps:
            if inner not in (None, "passthrough"):
                origins = _origins(inner, origins, values)
                values = inner.transform(values)
        return list(origins)
    if hasattr(step, "get_support"):
        return [origin for origin, kept in zip(origins, step.get_support(), strict=True) if kept]
    positions = [f"x{index}" for index in range(len(origins))]
    known = getattr(step, "feature_names_in_", None)
    given = list(known) if known is not None else positions
    outputs = [str(name) for name in step.get_feature_names_out()]
    by_length = sorted(range(len(given)), key=lambda index: -len(str(given[index])))
    return [next((origins[i] for i in by_length if _comes_from(output, str(given[i]))), None) for output in outputs]


def _origins_of_columns(step: Any, origins: Sequence[str | None], values: Any) -> list[str | None]:
    result: list[str | None] = []
    frame = values if isinstance(values, pd.DataFrame) else pd.DataFrame(np.asarray(values))
    for name, inner, columns in step.transformers_:
        width = step.output_indices_[name]
        if width.stop == width.start:
            continue
        part = frame[columns] if _are_names(columns) else frame.iloc[:, columns]
        part = part.to_frame() if isinstance(part, pd.Series) else part
        places = [frame.columns.get_loc(column) for column in part.columns]
        mine = [origins[place] for place in places]
        result += mine if isinstance(inner, str) or inner is None else _origins(inner, mine, part)
    return result


def _are_names(columns: Any) -> bool:
    return isinstance(columns, str) or (len(columns) > 0 and isinstance(next(iter(columns)), str))


def _comes_from(output: str, column: str) -> bool:
    return output == column or output.startswith(f"{column}_")


def _by_permutation(model: Any, inputs: pd.DataFrame, labels: pd.Series | None, seed: int) -> dict[str, float]:
    generator = np.random.default_rng(seed)
    if len(inputs) > PERMUTATION_ROWS:
        chosen = np.sort(generator.choice(len(inputs), PERMUTATION_ROWS, replace=False))
        inputs = inputs.iloc[chosen]
        labels = None if labels is None else labels.iloc[chosen]
    answers = _answers(model, inputs)
    truth = answers if labels is None else np.asarray(labels)
    classes = getattr(model, "classes_", None)
    before = _loss(answers, truth, classes)
    found: dict[str, float] = {}
    for column in inputs.columns:
        losses = []
        for _ in range(PERMUTATION_REPEATS):
            shuffled = inputs.assign(**{column: inputs[column].to_numpy()[generator.permutation(len(inputs))]})
            losses.append(_loss(_answers(model, shuffled), truth, classes))
        found[str(column)] = max(float(np.mean(losses)) - before, 0.0)
    return found


def _answers(model: Any, inputs: pd.DataFrame) -> Any:
    return np.asarray(model.predict_proba(inputs) if hasattr(model, "predict_proba") else model.predict(inputs))


def _loss(answers: Any, truth: Any, classes: Any) -> float:
    """Return log loss for probabilities, mean squared error for numbers, the share of changed answers for the rest.

    Without labels the truth is what the model answered before, so the loss tells how much its answers moved.
    """
    if answers.ndim > 1 and truth.ndim > 1:
        return float(np.abs(answers - truth).mean())
    if answers.ndim > 1:
        positions = {str(label): index for index, label in enumerate(classes)}
        at = np.array([positions.get(str(label), -1) for label in truth.astype(np.asarray(classes).dtype)])
        known = at >= 0
        return float(-np.log(np.clip(answers[known, at[known]], _SMALLEST_PROBABILITY, None)).mean())
    if np.issubdtype(answers.dtype, np.number) and np.issubdtype(truth.dtype, np.number):
        return float(((answers.astype(np.float64) - truth) ** 2).mean())
    return float((answers.astype(str) != truth.astype(str)).mean())
