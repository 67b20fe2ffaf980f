"""Pieces that several kinds share: references, data sets, schedules, job templates, conditions."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from leeboard.api.base import (
    ApiModel,
    Duration,
    ObjectName,
    Rule,
    at_most_one,
    exactly_one,
    seconds,
)

Text = Annotated[str, Field(min_length=1, max_length=253)]
Uri = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9+.-]*:/.+$|^/.+$", min_length=2, max_length=1024)]
ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
QUANTITY_PATTERN = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
Quantity = Annotated[str, Field(pattern=QUANTITY_PATTERN, max_length=20)]

Alias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", min_length=1, max_length=63)]
ModelVersion = Annotated[str, Field(pattern=r"^[1-9][0-9]*$", max_length=9)]


class NoParameters(ApiModel):
    """A variant without parameters."""


class ModelDeploymentRef(ApiModel):
    """A ModelDeployment in the same namespace."""

    name: ObjectName
    """Name of the ModelDeployment."""


class DriftMonitorRef(ApiModel):
    """A DriftMonitor in the same namespace."""

    name: ObjectName
    """Name of the DriftMonitor."""


class SecretRef(ApiModel):
    """A Secret in the same namespace, whose entries become environment variables."""

    name: ObjectName
    """Name of the Secret."""


class DatasetFormat(StrEnum):
    """How a data set is stored."""

    DELTA = "Delta"
    PARQUET = "Parquet"
    CSV = "Csv"


class DatasetRef(ApiModel):
    """A table that lies somewhere the jobs can read."""

    uri: Uri
    """Where the table lies: a folder, a file or an object store's URI."""
    format: DatasetFormat = DatasetFormat.PARQUET
    """Delta, Parquet or Csv."""
    version: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    """Version of a Delta table; left out: the newest."""
    timestamp_column: ColumnName | None = None
    """Column with the time of each row."""
    label_column: ColumnName | None = None
    """Column with the outcome."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.version) || self.format == 'Delta'",
            message="only a Delta table has a version",
            holds=lambda ref: ref.version is None or ref.format is DatasetFormat.DELTA,
        ),
    )


_SHORTEST_STEP = 10


class Schedule(ApiModel):
    """When something runs: on a fixed grid of `every`, or by `cron`."""

    every: Duration | None = None
    """Length of the grid's step, counted from the epoch; at least 10s."""
    cron: Annotated[str, Field(pattern=r"^[0-9A-Za-z*/,#-]+( [0-9A-Za-z*/,#-]+){4}$", max_length=100)] | None = None
    """Five cron fields: minute, hour, day of month, month, day of week."""
    time_zone: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+/-]+$", max_length=64)] | None = None
    """Time zone of `cron` (IANA name); left out: UTC."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("every", "cron"),
        Rule(
            cel="!has(self.timeZone) || has(self.cron)",
            message="timeZone belongs to cron; a grid of `every` counts from the epoch",
            holds=lambda schedule: schedule.time_zone is None or schedule.cron is not None,
        ),
        Rule(
            cel="!has(self.every) || !self.every.endsWith('s') || int(self.every.replace('s', '')) >= 10",
            message="every must be at least 10s",
            holds=lambda schedule: schedule.every is None or seconds(schedule.every) >= _SHORTEST_STEP,
        ),
    )


class ResourceRequirements(ApiModel):
    """Resources as in a container."""

    requests: Annotated[dict[str, Quantity], Field(max_length=16)] | None = None
    """What is reserved: cpu, memory, nvidia.com/gpu, …"""
    limits: Annotated[dict[str, Quantity], Field(max_length=16)] | None = None
    """What is never exceeded."""


class Toleration(ApiModel):
    """A toleration as in a pod."""

    key: Text | None = None
    """Key of the taint."""
    operator: Annotated[str, Field(pattern="^(Exists|Equal)$", max_length=6)] | None = None
    """Exists or Equal."""
    value: Annotated[str, Field(max_length=253)] | None = None
    """Value of the taint."""
    effect: Annotated[str, Field(pattern="^(NoSchedule|PreferNoSchedule|NoExecute)$", max_length=20)] | None = None
    """NoSchedule, PreferNoSchedule or NoExecute."""


class RayClusterShape(ApiModel):
    """A Ray cluster made for one job and taken down after it."""

    workers: Annotated[int, Field(ge=0, le=1000)] = 0
    """Worker pods beside the head; 0: the head does the work."""
    resources: ResourceRequirements = ResourceRequirements()
    """Resources of each worker (of the head, when there are no workers)."""
    gpus_per_worker: Annotated[int, Field(ge=0, le=16)] = 0
    """GPUs of each worker."""
    node_selector: Annotated[dict[str, Text], Field(max_length=16)] | None = None
    """Labels that the nodes must have."""
    tolerations: (
        Annotated[list[Toleration], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"})] | None
    ) = None
    """Taints that the pods tolerate."""
    service_account_name: ObjectName | None = None
    """Service account of the pods; its token is never mounted."""


class JobTemplate(ApiModel):
    """How Leeboard's Ray jobs run: on a standing RayCluster, or on one made for the job."""

    image: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """Image of head, workers and submitter; left out: Leeboard's worker image."""
    cluster_selector: Annotated[dict[str, Text], Field(min_length=1, max_length=4)] | None = None
    """Labels of a standing RayCluster, such as ray.io/cluster: shared."""
    cluster: RayClusterShape | None = None
    """A cluster made for the job."""
    env_from_secret: SecretRef | None = None
    """Credentials for data and registry, as environment variables."""
    active_deadline: Duration = "2h"
    """Longest time from creation to the end; after it the job is deleted."""
    pre_running_deadline: Duration = "15m"
    """Longest time until the job runs."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """How often a job that failed for reasons of infrastructure is tried again."""
    queue_name: ObjectName | None = None
    """Queue of Kueue in which the job waits."""

    rules: ClassVar[tuple[Rule, ...]] = (
        at_most_one("clusterSelector", "cluster"),
        Rule(
            cel="!has(self.clusterSelector) || (!has(self.image) && !has(self.envFromSecret) && !has(self.queueName))",
            message="clusterSelector excludes image, envFromSecret and queueName: a standing cluster has its own",
            holds=lambda job: (
                job.cluster_selector is None or not job.members_set("image", "envFromSecret", "queueName")
            ),
        ),
    )


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """One observation about the object, as in every Kubernetes API."""

    type: Annotated[str, Field(max_length=64)]
    """What is observed."""
    status: ConditionStatus
    """True, False or Unknown."""
    observed_generation: Annotated[int, Field(ge=0)]
    """Generation of the spec that was looked at."""
    last_transition_time: Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]
    """When the status last changed."""
    reason: Annotated[str, Field(max_length=64)]
    """CamelCase reason."""
    message: Annotated[str, Field(max_length=1024)]
    """What to do next."""


Conditions = Annotated[list[Condition], Field(max_length=16, json_schema_extra={"listMapKeys": ["type"]})]


class HandledAction(ApiModel):
    """An annotation of a person that was taken up."""

    name: Annotated[str, Field(max_length=32)]
    """promote, abort, retry or retrain."""
    value: Annotated[str, Field(max_length=128)]
    """The annotation's value."""


Timestamp = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]
"""RFC 3339, UTC, with a Z."""

Message = Annotated[str, Field(max_length=1024)]


class ArmSpan(ApiModel):
    """An arm that was live, and from when to when: its rows count even after it is gone."""

    arm: Text
    """Its InferenceService."""
    version: Annotated[str, Field(max_length=9)]
    """Its version."""
    from_time: Timestamp
    """First instant at which it was in the route."""
    to_time: Timestamp | None = None
    """When it was seen to be out of the route; left out: it still is in it."""


ArmSpans = Annotated[list[ArmSpan], Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "atomic"})]


class ObjectMeta(ApiModel):
    """The part of an object's metadata that decisions read."""

    model_config = ApiModel.model_config | {"extra": "ignore"}

    name: ObjectName
    namespace: str = "default"
    uid: str = ""
    generation: int = 1
    resource_version: str = ""
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
