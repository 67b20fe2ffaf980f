"""Which model version serves, and how an arm serves it."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from leeboard.api.base import ApiModel, ObjectName, Rule
from leeboard.api.shared import Alias, ModelVersion, ResourceRequirements, SecretRef, Text

RegisteredModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_. -]*[A-Za-z0-9])?$", max_length=128)]

OWNED_BY_LEEBOARD = {
    "model": "object",
    "containers": "array",
    "minReplicas": "integer",
    "maxReplicas": "integer",
    "canaryTrafficPercent": "integer",
    "logger": "object",
    "labels": "object",
    "annotations": "object",
}
"""PredictorSpec fields that Leeboard writes itself, with their types: CEL sees only what is declared."""

_ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}

_REFUSED: dict[str, dict[str, Any]] = {
    "object": {"type": "object", **_ANYTHING},
    "array": {
        "type": "array",
        "items": {"type": "object", **_ANYTHING},
        "maxItems": 16,
        "x-kubernetes-list-type": "atomic",
    },
    "integer": {"type": "integer", "minimum": 0, "maximum": 1000},
}

_OWNED_PROPERTIES = {
    "properties": {
        name: {"description": "Refused: Leeboard writes it.", **_REFUSED[kind]}
        for name, kind in OWNED_BY_LEEBOARD.items()
    }
}


class ModelSource(ApiModel):
    """Which version serves: the registry decides through aliases, or Git through a pinned version."""

    name: RegisteredModelName
    """Registered model in MLflow."""
    alias: Alias | None = None
    """Follow this alias: its version is the stable one. Left out without `version`: champion."""
    candidate_alias: Alias | None = None
    """Roll out whatever version gets this alias. Left out without `version`: challenger."""
    version: ModelVersion | None = None
    """Pin a version here; changing it starts a rollout."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.version) || (!has(self.alias) && !has(self.candidateAlias))",
            message="version pins the model in Git: leave alias and candidateAlias out",
            holds=lambda model: model.version is None or not model.members_set("alias", "candidateAlias"),
        ),
        Rule(
            cel="(has(self.alias) ? self.alias : 'champion') != "
            "(has(self.candidateAlias) ? self.candidateAlias : 'challenger')",
            message="alias and candidateAlias must differ",
            holds=lambda model: model.stable_alias != model.challenger_alias,
        ),
        Rule(
            cel="[has(self.alias) ? self.alias : '', has(self.candidateAlias) ? self.candidateAlias : ''].all(a, "
            "a.lowerAscii() != 'latest' && !a.matches('^[vV][0-9]+$'))",
            message="MLflow reserves the aliases latest and v<number>",
            holds=lambda model: not any(_is_reserved(alias) for alias in (model.alias, model.candidate_alias)),
        ),
    )

    @property
    def stable_alias(self) -> str:
        """The alias that names the stable version."""
        return self.alias or "champion"

    @property
    def challenger_alias(self) -> str:
        """The alias that names the candidate version."""
        return self.candidate_alias or "challenger"


def _is_reserved(alias: str | None) -> bool:
    return alias is not None and (alias.lower() == "latest" or (alias[0] in "vV" and alias[1:].isdecimal()))


class ModelFormat(ApiModel):
    """Format of the stored model, as KServe names it."""

    name: Text = "mlflow"
    """mlflow, sklearn, xgboost, onnx, …"""
    version: Text | None = None
    """Version of the format."""


class ProtocolVersion(StrEnum):
    """Inference protocol."""

    V1 = "v1"
    V2 = "v2"


class Replicas(ApiModel):
    """How many pods serve an arm."""

    min: Annotated[int, Field(ge=1, le=1000)] = 1
    """At least so many; a model that serves never goes to zero."""
    max: Annotated[int, Field(ge=1, le=1000)] | None = None
    """At most so many, by the autoscaler; left out: as many as min."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.max) || self.max >= self.min",
            message="max must not be below min",
            holds=lambda replicas: replicas.max is None or replicas.max >= replicas.min,
        ),
    )


class Serving(ApiModel):
    """How an arm serves."""

    model_format: ModelFormat = ModelFormat()
    """Format of the stored model."""
    runtime: ObjectName = "leeboard-mlflow"
    """leeboard-mlflow, or a ServingRuntime or ClusterServingRuntime of yours."""
    protocol_version: ProtocolVersion = ProtocolVersion.V2
    """v1 or v2."""
    replicas: Replicas = Replicas()
    """How many pods."""
    resources: ResourceRequirements = ResourceRequirements()
    """Resources of the predictor."""
    env_from_secret: SecretRef | None = None
    """Credentials for the model store."""
    predictor: (
        Annotated[
            dict[str, Any],
            Field(
                max_length=16,
                json_schema_extra={**_ANYTHING, **_OWNED_PROPERTIES},
            ),
        ]
        | None
    ) = None
    """More fields of KServe's PredictorSpec, such as nodeSelector; those that Leeboard writes are refused."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.predictor) || ("
            + " && ".join(f"!has(self.predictor.{name})" for name in OWNED_BY_LEEBOARD)
            + ")",
            message=f"predictor must not hold what Leeboard writes: {', '.join(OWNED_BY_LEEBOARD)}",
            holds=lambda serving: not set(serving.predictor or ()) & set(OWNED_BY_LEEBOARD),
        ),
    )
