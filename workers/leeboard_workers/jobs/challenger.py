"""Brings a challenger into the registry: the rows it learnt from, the model, a version with its lineage; once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version as version_of
from typing import Any

import mlflow
import mlflow.sklearn
import pyarrow as pa
import pyarrow.parquet
from mlflow.models import infer_signature

from leeboard.api.shared import DatasetFormat, DatasetRef
from leeboard.contract import tags
from leeboard.contract.jobs import RetrainRequest
from leeboard_workers.data.datasets import sample_rows
from leeboard_workers.jobs.frame import Desk
from leeboard_workers.jobs.models import LoadedModel
from leeboard_workers.retrain.context import TrainedModel, TrainingError
from leeboard_workers.retrain.lineage import MAX_TRAINING_ROWS, lineage_tags
from leeboard_workers.retrain.tables import inputs_of

EXAMPLE_ROWS = 5
SIGNATURE_ROWS = 1_000

_DATA_FOLDER = "training-data"


@dataclass(frozen=True)
class Challenger:
    """A model that passed its gates."""

    trained: TrainedModel
    rows: pa.Table
    """The rows it learnt from."""
    features: tuple[str, ...]
    label: str
    time: str | None
    cutoff: datetime
    data_versions: dict[str, int]
    ingest_mark: datetime | None
    """When the newest row that was read came into the log; none: there is no log."""
    previous: LoadedModel | None
    """The model it goes on from, or whose estimator it shares."""


def register(request: RetrainRequest, desk: Desk, challenger: Challenger) -> str:
    """Register a version, unless a worker that died after registering has done so.

    Returns:
        The version.

    Raises:
        LostRunError: another worker has taken over.
        TrainingError: the model cannot be stored.
    """
    existing = registered_version(request, desk)
    if existing is not None:
        return existing
    lineage = lineage_tags(
        request,
        training_data=_store_rows(request, desk, challenger),
        cutoff=challenger.cutoff,
        data_versions=challenger.data_versions,
        ingest_mark=challenger.ingest_mark,
    )
    model_uri = _store_model(request, desk, challenger)
    desk.run.ensure_ours()
    return str(mlflow.register_model(model_uri, request.model_name, tags=lineage).version)


def registered_version(request: RetrainRequest, desk: Desk) -> str | None:
    """Return the version that answers a request already, if there is one."""
    wanted = f"name = '{request.model_name}' AND tags.`{tags.REQUEST}` = '{request.request_hash}'"
    found: Sequence[Any] = desk.run.client.search_model_versions(wanted)
    return min((str(version.version) for version in found), key=int, default=None)


def _store_rows(request: RetrainRequest, desk: Desk, challenger: Challenger) -> DatasetRef:
    names = [*challenger.features, challenger.label, *([challenger.time] if challenger.time else [])]
    path = desk.workdir / "rows.parquet"
    pyarrow.parquet.write_table(
        sample_rows(challenger.rows.select(names), MAX_TRAINING_ROWS, request.seed), path, compression="zstd"
    )
    desk.run.client.log_artifact(desk.run.run_id, str(path), _DATA_FOLDER)
    return DatasetRef(
        uri=f"{desk.run.artifact_uri}/{_DATA_FOLDER}/{path.name}",
        format=DatasetFormat.PARQUET,
        label_column=challenger.label,
        timestamp_column=challenger.time,
    )


def _store_model(request: RetrainRequest, desk: Desk, challenger: Challenger) -> str:
    model, previous = challenger.trained.model, challenger.previous
    inputs = inputs_of(challenger.rows.slice(0, SIGNATURE_ROWS), challenger.features)
    signature = previous.signature if previous is not None and previous.features == challenger.features else None
    mlflow.set_tracking_uri(request.tracking_uri)
    stored_as = (previous.serialization if previous is not None else None) or "cloudpickle"
    try:
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format=stored_as,
            signature=signature or infer_signature(inputs, model.predict(inputs)),
            input_example=inputs.head(EXAMPLE_ROWS),
            pip_requirements=_requirements(stored_as, challenger.trained.requirements, request.trainer.packages or ()),
            run_id=desk.run.run_id,
        )
    except (TypeError, AttributeError) as error:  # what pickling says of objects that it cannot take
        raise TrainingError(f"the trained {type(model).__name__} cannot be stored: {error}") from error
    return str(info.model_uri)


def _requirements(stored_as: str, brought: Sequence[str], packages: Sequence[str]) -> list[str]:
    """Pin what is here: inferring it would import the model in another process, for many seconds."""
    storing = "skops" if stored_as == "skops" else "cloudpickle"
    pinned = [f"{name}=={version_of(name)}" for name in ("mlflow", "scikit-learn", "numpy", "pandas", storing)]
    return [*pinned, *dict.fromkeys([*brought, *packages])]
