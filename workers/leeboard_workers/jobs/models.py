"""Models of the registry, as the jobs use them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import mlflow.models
import mlflow.pyfunc
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from leeboard.api.shared import DatasetRef
from leeboard.contract import tags
from leeboard_workers.data.windows import instant
from leeboard_workers.ood.outputs import estimator_of


class ModelError(ValueError):
    """A version cannot be used; the message says which, why and what to do."""


@dataclass(frozen=True)
class Version:
    """A version of a registered model, and what its tags say."""

    name: str
    number: str
    tags: dict[str, str]
    created: datetime

    @property
    def training_data(self) -> DatasetRef:
        """The rows that it was trained on.

        Raises:
            ModelError: the version does not say.
        """
        text = self.tags.get(tags.TRAINING_DATA)
        if text is None:
            raise ModelError(
                f"version {self.number} of {self.name} has no tag {tags.TRAINING_DATA}: set it to a DatasetRef in "
                f"JSON, or name a reference data set"
            )
        try:
            return DatasetRef.model_validate_json(text)
        except ValueError as error:
            raise ModelError(
                f"the tag {tags.TRAINING_DATA} of version {self.number} of {self.name} is no DatasetRef: {error}"
            ) from error

    @property
    def stated_cutoff(self) -> datetime | None:
        """The training cut-off that its tag states."""
        return self._instant(tags.TRAINING_CUTOFF)

    @property
    def ingest_mark(self) -> datetime | None:
        """Until when rows came into the log that were there when it was trained, as its tag states."""
        return self._instant(tags.INGEST_MARK)

    def _instant(self, tag: str) -> datetime | None:
        text = self.tags.get(tag)
        try:
            return instant(text) if text else None
        except ValueError as error:
            raise ModelError(
                f"the tag {tag} of version {self.number} of {self.name} is no RFC 3339 time: {text}"
            ) from error

    @property
    def cutoff(self) -> datetime:
        """No row at or after it was trained on: what the tag states, else when the version was registered."""
        return self.stated_cutoff or self.created


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory."""

    version: Version
    model: Any
    """The scikit-learn style estimator, or the MLflow pyfunc model of another flavour."""
    features: tuple[str, ...]
    """Columns of its signature; empty without one."""
    signature: Any
    """MLflow's signature."""
    serialization: str | None
    """How its estimator is stored."""


def find_version(client: MlflowClient, name: str, number: str) -> Version:
    """Look a version up.

    Raises:
        ModelError: there is no such version.
    """
    try:
        found = client.get_model_version(name, number)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise ModelError(f"the registry has no version {number} of {name}") from error
    return Version(name, str(number), dict(found.tags), datetime.fromtimestamp(found.creation_timestamp / 1000, UTC))


def signature_inputs(client: MlflowClient, version: Version) -> list[str]:
    """Return the columns of a version's signature; none without one. Only its description is fetched.

    Raises:
        ModelError: the version holds no MLflow model.
    """
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        signature = mlflow.models.get_model_info(f"models:/{version.name}/{version.number}").signature
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise ModelError(f"version {version.number} of {version.name} holds no MLflow model: {error}") from error
    inputs = signature.inputs if signature is not None else None
    return list(inputs.input_names()) if inputs is not None and inputs.has_input_names() else []


def load(client: MlflowClient, name: str, number: str) -> LoadedModel:
    """Load a version.

    Raises:
        ModelError: there is no such version.
    """
    version = find_version(client, name, number)
    mlflow.set_tracking_uri(client.tracking_uri)
    loaded = mlflow.pyfunc.load_model(f"models:/{name}/{number}", suppress_warnings=True)
    metadata = loaded.metadata
    inputs = metadata.signature.inputs if metadata.signature is not None else None
    names: Sequence[str] = inputs.input_names() if inputs is not None and inputs.has_input_names() else ()
    estimator = estimator_of(loaded)
    return LoadedModel(
        version=version,
        model=estimator if estimator is not None else loaded,
        features=tuple(names),
        signature=metadata.signature,
        serialization=metadata.flavors.get("sklearn", {}).get("serialization_format"),
    )
