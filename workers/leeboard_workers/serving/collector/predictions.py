"""Checks the batches of POST /v1/predictions."""

from collections.abc import Collection
from typing import Any

from pydantic import ValidationError

from leeboard.contract.serving import PredictionBatch
from leeboard_workers.serving.codec import MAX_ROWS
from leeboard_workers.serving.collector.bodies import check_length, check_names, check_time, sentence_of
from leeboard_workers.serving.collector.refusals import RefusedError

MAX_FEATURES = 4096
_LONGEST_NAME = 253
_LONGEST_FEATURE = 256


def checked_batch(document: Any) -> dict[str, Any]:
    """Return the document of a batch whose inputs stand in `features`, by column, as they are kept.

    Raises:
        RefusedError: it is none, or is larger than a batch may be; the sentence names the field.
    """
    try:
        batch = PredictionBatch.model_validate(document, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        raise RefusedError(sentence_of(error)) from error
    check_names(batch.namespace, batch.model_deployment)
    check_length("arm", batch.arm, _LONGEST_NAME)
    check_length("version", batch.version, _LONGEST_NAME)
    check_time("time", batch.time)
    rows = len(batch.predictions)
    if not 0 < rows <= MAX_ROWS:
        raise RefusedError(f"a batch must hold 1 to {MAX_ROWS} rows, not {rows}")
    features = batch.features if batch.instances is None else _by_column(batch.columns or [], batch.instances, rows)
    check_features(features)
    columns = {f"features.{name}": cells for name, cells in features.items()}
    beside = {"probabilities": batch.probabilities, "oodScores": batch.ood_scores, "ood": batch.ood}
    for name, cells in (columns | beside).items():
        if cells is not None and len(cells) != rows:
            raise RefusedError(f"{name} holds {len(cells)} values for {rows} rows")
    others = {member: value for member, value in document.items() if member not in {"columns", "instances"}}
    return others | {"features": features}


def check_features(names: Collection[str]) -> None:
    """Refuse more features than a table is meant to have columns, and names that are too long for one."""
    if len(names) > MAX_FEATURES:
        raise RefusedError(f"a batch must hold at most {MAX_FEATURES} features, not {len(names)}")
    for name in names:
        check_length(f"the name of the feature {name[:40]!r}", name, _LONGEST_FEATURE)


def _by_column(names: list[str], instances: list[list[Any]], rows: int) -> dict[str, list[Any]]:
    if len(instances) != rows:
        raise RefusedError(f"instances holds {len(instances)} rows for {rows} predictions")
    if len(set(names)) != len(names):
        raise RefusedError("columns names one column twice")
    for row, cells in enumerate(instances):
        if len(cells) != len(names):
            raise RefusedError(f"instances.{row} holds {len(cells)} values for {len(names)} columns")
    return dict(zip(names, map(list, zip(*instances, strict=True)), strict=True))
