"""ModelDeployment: which model serves, how it refuses what it cannot know, how a new version comes in."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from leeboard.api.base import ApiModel, ElementName, ObjectName, Percent
from leeboard.api.outofdistribution import OutOfDistribution
from leeboard.api.predictionlog import Logging
from leeboard.api.rollout import Rollout
from leeboard.api.serving import ModelSource, Serving
from leeboard.api.shared import (
    Alias,
    Conditions,
    HandledAction,
    JobTemplate,
    Message,
    ModelVersion,
    ObjectMeta,
    Text,
    Timestamp,
)
from leeboard.api.verification import Verification

KIND = "ModelDeployment"

PLURAL = "modeldeployments"


class GatewayRef(ApiModel):
    """A Gateway of the Gateway API."""

    name: ObjectName
    """Name of the Gateway."""
    namespace: ObjectName | None = None
    """Its namespace; left out: the object's own."""


class Routing(ApiModel):
    """Where requests come in."""

    gateway_ref: GatewayRef | None = None
    """Gateway; left out: the one of the operator's settings."""
    hostnames: (
        Annotated[
            list[Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]],
            Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """Host names; left out: <name>.<namespace>.<domain of the settings>."""
    version_header: bool = False
    """Whether a request with the header `x-leeboard-version: <n>` goes to that version's arm, whatever its weight; a
    candidate's once it has passed verification."""


class ModelDeploymentSpec(ApiModel):
    """Which model serves, how it refuses what it cannot know, how a new version comes in."""

    model: ModelSource
    """Which version serves."""
    serving: Serving = Serving()
    """How an arm serves."""
    out_of_distribution: OutOfDistribution | None = None
    """How the model refuses what it cannot know; left out: every request is answered."""
    logging: Logging = Logging()
    """What of the traffic is logged."""
    verification: Verification | None = None
    """Before a version gets any traffic, a labelled test pack is sent through its arm; left out: none is."""
    rollout: Rollout = Rollout()
    """How a new version comes in: each stage in order, watched by the analysis, then promoted and baked.
    Durations are one number and one unit: 90s, 10m, 6h, 14d."""
    routing: Routing = Routing()
    """Where requests come in."""
    job: JobTemplate = JobTemplate()
    """How the jobs run that fit the detector and examine a candidate."""
    suspend: bool = False
    """Start and advance nothing; rollback for health goes on."""


class StableStatus(ApiModel):
    """The version that serves."""

    version: ModelVersion
    """Its version."""
    arm: Text
    """Its InferenceService."""
    since_time: Timestamp
    """Since when."""
    unproven_since_time: Timestamp | None = None
    """Since when its arm is there no more, or has not answered a real prediction since it was made again."""


class CandidateStatus(ApiModel):
    """The version that comes in."""

    version: ModelVersion
    """Its version."""
    arm: Text
    """Its InferenceService."""


class Verdict(StrEnum):
    """What a measurement says."""

    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


class MetricStatus(ApiModel):
    """What the analysis of one metric says."""

    name: ElementName
    """Name of the metric."""
    verdict: Verdict
    """Successful, Failed, Inconclusive or Error."""
    value: float | None = None
    """The candidate's value."""
    bound: float | None = None
    """The bound that it was held against."""
    samples: Annotated[int, Field(ge=0)] = 0
    """Requests of the candidate since the step began."""
    failures: Annotated[int, Field(ge=0)] = 0
    """Failed measurements in this step."""
    consecutive_errors: Annotated[int, Field(ge=0)] = 0
    """Measurements in a row that could not be made."""
    message: Message = ""
    """The measurement in a sentence."""


class FrozenStable(ApiModel):
    """A stable value at the last step, against which ratios are held during the bake."""

    name: ElementName
    """Name of the metric."""
    value: float
    """The stable version's value; of an errorRate the share of requests that it refuses, at most."""


class JobUnderWay(ApiModel):
    """A job that was asked for."""

    ray_job: Text
    """Name of the RayJob."""
    request_hash: Annotated[str, Field(max_length=64)]
    """Hash of the request document."""
    attempt: Annotated[int, Field(ge=0)]
    """0, then one more for each time it failed for reasons of infrastructure."""
    started_time: Timestamp
    """When it was asked for."""
    observed: bool = False
    """Whether the RayJob has been seen: from then on its absence means that it vanished."""
    retry_time: Timestamp | None = None
    """After a failed attempt: the RayJob is not made before."""
    failed: bool = False
    """Whether no further attempt is made unless a person asks."""
    message: Message = ""
    """Why the last attempt failed."""


class Examination(ApiModel):
    """What a job found about the candidate."""

    request_hash: Annotated[str, Field(max_length=64)]
    """Hash of the request document."""
    report_uri: Annotated[str, Field(max_length=1024)]
    """Where people read the report."""
    run_id: Annotated[str, Field(max_length=64)]
    """MLflow run with the report."""
    message: Message
    """What it found, in a sentence."""


class RolloutPhase(StrEnum):
    """Where a rollout is."""

    PREPARING = "Preparing"
    STAGES = "Stages"
    PROMOTING = "Promoting"
    BAKING = "Baking"


class RolloutStatus(ApiModel):
    """The rollout under way."""

    attempt: Annotated[int, Field(ge=1)]
    """Counts the rollouts of this object."""
    phase: RolloutPhase
    """Preparing, Stages, Promoting or Baking."""
    hash: Annotated[str, Field(max_length=16)]
    """Hash of the stages."""
    start_time: Timestamp
    """When the rollout began."""
    stage: ElementName | None = None
    """Name of the stage."""
    step: Annotated[int, Field(ge=0)] | None = None
    """Step within the stage, from 0."""
    step_start_time: Timestamp | None = None
    """When the route had taken up the step's weight; unset until then."""
    last_advance_time: Timestamp
    """When a step last advanced; the progress deadline counts from here."""
    weight: Percent = 0
    """Percent of the traffic that is to go to the candidate."""
    unavailable_since_time: Timestamp | None = None
    """Since when nothing of the candidate is available, while it has weight."""
    last_measurement_time: Timestamp | None = None
    """When the analysis last measured."""
    analysis: Annotated[list[MetricStatus], Field(max_length=20, json_schema_extra={"listMapKeys": ["name"]})] = []
    """What the analysis says, by metric."""
    frozen_stable: Annotated[list[FrozenStable], Field(max_length=20, json_schema_extra={"listMapKeys": ["name"]})] = []
    """Stable values at the last step."""
    previous: CandidateStatus | None = None
    """During the bake: the version that served before."""
    job: JobUnderWay | None = None
    """The job that examines the candidate."""
    verification: Examination | None = None
    """What the test pack showed; only a candidate that passed has it."""
    comparison: Examination | None = None
    """How its answers in the shadow compare with the stable version's."""
    comparisons: Annotated[int, Field(ge=0)] = 0
    """Comparisons of this step that had too few rows."""
    approval_wanted_time: Timestamp | None = None
    """Since when it waits for a person's approval; the progress deadline does not count then."""
    emergency_return: bool = False
    """Whether this returns to a version that was promoted before: no stages, no bake."""


class TrafficStatus(ApiModel):
    """Traffic of one arm."""

    version: ModelVersion
    """Its version."""
    arm: Text
    """Its InferenceService."""
    percent: Percent
    """Percent of the traffic by the route."""
    routed_since_time: Timestamp
    """Since when the arm is in the route."""


class Outcome(StrEnum):
    """How a rollout ended."""

    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    ABORTED = "Aborted"
    SUPERSEDED = "Superseded"


class FinishedRollout(ApiModel):
    """A rollout that ended."""

    version: ModelVersion
    """The version that was to come in."""
    outcome: Outcome
    """Promoted, RolledBack, Aborted or Superseded."""
    reason: Annotated[str, Field(max_length=64)]
    """CamelCase reason."""
    message: Message
    """Why, in a sentence."""
    finished_time: Timestamp
    """When."""
    run_ids: Annotated[
        list[Annotated[str, Field(max_length=64)]],
        Field(max_length=2, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = []
    """MLflow runs that examined the version, newest first."""
    rejected: bool = False
    """Whether the version was rejected: it is not tried again unless asked."""


class RejectedVersion(ApiModel):
    """A version that is not tried again unless asked."""

    version: ModelVersion
    """The version."""
    reason: Annotated[str, Field(max_length=64)]
    """CamelCase reason."""
    arm: Text | None = None
    """Only this arm was rejected, since the version itself serves: it came in with another `serving` or detector."""
    alias_left: bool = False
    """Whether it has since not been asked for (its alias was elsewhere or absent): asked for anew, it is tried."""


class Setback(ApiModel):
    """A version that was rolled back for reasons that do not speak against it, and is tried again by itself."""

    version: ModelVersion
    """The version."""
    arm: Text
    """The arm by which it is tried; another spec makes another arm, which is tried at once."""
    reason: Annotated[str, Field(max_length=64)]
    """CamelCase reason of the last time."""
    count: Annotated[int, Field(ge=1)]
    """How often it was rolled back so: each time the pause is longer."""
    retry_time: Timestamp | None = None
    """When it is tried again; unset: it is under way."""


class RegistryWrite(ApiModel):
    """A write to the registry that has not succeeded yet."""

    set_alias: Alias | None = None
    """Alias to set to the version."""
    delete_alias: Alias | None = None
    """Alias to remove, if it still names the version."""
    tag: Annotated[str, Field(max_length=250)] | None = None
    """Tag to set on the version."""
    tag_value: Annotated[str, Field(max_length=500)] | None = None
    """Value of the tag; unset: the tag is removed."""
    version: ModelVersion
    """The version that is written about."""


class Retiring(ApiModel):
    """An old arm that waits for its end."""

    version: ModelVersion
    """Its version."""
    arm: Text
    """Its InferenceService."""
    delete_time: Timestamp
    """When it goes."""
    served: bool = True
    """Whether it has had a share of the traffic: the rows of one that only got copies never count."""


class ModelDeploymentStatus(ApiModel):
    """What was observed."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that was looked at."""
    url: Annotated[str, Field(max_length=512)] | None = None
    """Where to send requests."""
    stable: StableStatus | None = None
    """The version that serves."""
    candidate: CandidateStatus | None = None
    """The version that comes in."""
    rollout: RolloutStatus | None = None
    """The rollout under way."""
    traffic: Annotated[
        list[TrafficStatus], Field(max_length=8, json_schema_extra={"listMapKeys": ["version", "arm"]})
    ] = []
    """Who gets how much."""
    retiring: Annotated[list[Retiring], Field(max_length=8, json_schema_extra={"listMapKeys": ["arm"]})] = []
    """Old arms that wait for their end."""
    proven_arms: Annotated[list[Text], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"})] = []
    """Arms that were rolled out and have answered a real prediction; only they may get traffic."""
    detector_job: JobUnderWay | None = None
    """The job that fits a detector."""
    handled_actions: Annotated[
        list[HandledAction], Field(max_length=8, json_schema_extra={"listMapKeys": ["name"]})
    ] = []
    """Annotations of people that were taken up."""
    rejected_versions: Annotated[
        list[RejectedVersion], Field(max_length=20, json_schema_extra={"listMapKeys": ["version"]})
    ] = []
    """Versions that are not tried again unless asked."""
    setbacks: Annotated[list[Setback], Field(max_length=8, json_schema_extra={"listMapKeys": ["version", "arm"]})] = []
    """Versions that were rolled back for reasons that do not speak against them, and are tried again by themselves."""
    pending_registry_writes: Annotated[
        list[RegistryWrite], Field(max_length=20, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = []
    """Writes to the registry that have not succeeded yet."""
    attempts: Annotated[int, Field(ge=0)] = 0
    """Rollouts so far."""
    last_rollout: FinishedRollout | None = None
    """How the last rollout ended."""
    history: Annotated[
        list[FinishedRollout], Field(max_length=10, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = []
    """The last rollouts, newest first."""
    conditions: Conditions = []
    """Ready, Available, RouteReady, DetectorReady; Reconciling and Stalled only while true."""


class ModelDeployment(ApiModel):
    """A model that is kept on course: one stable version serves, a new one comes in by a watched rollout."""

    model_config = ApiModel.model_config | {"extra": "ignore"}

    metadata: ObjectMeta
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus = ModelDeploymentStatus()
