"""ModelDeployment: which model serves, how it refuses what it cannot know, how a new version comes in."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from leeboard.api.base import (
    ApiModel,
    Bound,
    Duration,
    ElementName,
    ObjectName,
    Percent,
    Rule,
    Share,
    cel_seconds,
    exactly_one,
    seconds,
)
from leeboard.api.shared import (
    Conditions,
    DatasetRef,
    HandledAction,
    JobTemplate,
    Message,
    ObjectMeta,
    ResourceRequirements,
    SecretRef,
    Text,
    Timestamp,
)

KIND = "ModelDeployment"
PLURAL = "modeldeployments"

Alias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", min_length=1, max_length=63)]
ModelVersion = Annotated[str, Field(pattern=r"^[1-9][0-9]*$", max_length=9)]
RegisteredModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_. -]*[A-Za-z0-9])?$", max_length=128)]
PromQuery = Annotated[str, Field(min_length=1, max_length=2048)]

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


class NoParameters(ApiModel):
    """A variant without parameters."""


class Energy(ApiModel):
    """Energy of the logits (Liu et al., 2020)."""

    temperature: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Temperature of the softmax."""


class Mahalanobis(ApiModel):
    """Distance to the nearest class mean under the shared covariance (Lee et al., 2018)."""


class NearestNeighbours(ApiModel):
    """Distance to the k-th nearest reference row, normalized (Sun et al., 2022)."""

    neighbours: Annotated[int, Field(ge=1, le=1000)] = 10
    """k."""
    max_reference_rows: Annotated[int, Field(ge=100, le=200_000)] = 20_000
    """Reference rows that are kept."""


class Detector(ApiModel):
    """How it is told whether a request belongs to what the model knows. Higher scores are stranger."""

    max_softmax: NoParameters | None = None
    """One minus the largest class probability, in log space (Hendrycks and Gimpel, 2017)."""
    energy: Energy | None = None
    """Energy of the logits."""
    mahalanobis: Mahalanobis | None = None
    """Distance to the nearest class mean."""
    knn: NearestNeighbours | None = None
    """Distance to the k-th nearest reference row."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("maxSoftmax", "energy", "mahalanobis", "knn"),)


class DetectorInput(StrEnum):
    """What the detector looks at."""

    INSTANCES = "Instances"
    PROBABILITIES = "Probabilities"
    LOGITS = "Logits"
    FEATURES = "Features"


class OnDetection(StrEnum):
    """What happens to a row that does not belong."""

    OBSERVE = "Observe"
    FLAG = "Flag"
    REJECT = "Reject"


class Reference(ApiModel):
    """Rows that belong."""

    dataset: DatasetRef
    """The table."""


class OutOfDistribution(ApiModel):
    """How the model refuses what it cannot know."""

    detector: Detector = Detector(mahalanobis=Mahalanobis())
    """The detector; exactly one."""
    input: DetectorInput = DetectorInput.INSTANCES
    """What the detector looks at: the request's rows, or an output of the model."""
    reference: Reference | None = None
    """Rows that belong; left out: the version's own training data, by its lineage tags."""
    acceptance: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """Share of held-out reference rows that must pass; sets the threshold. At 0.95, 1 in 20 good rows does not."""
    on_detection: OnDetection = OnDetection.FLAG
    """Observe (count only), Flag (say so in the answer) or Reject (no prediction for that row)."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.detector.energy) || self.input == 'Logits'",
            message="energy reads logits: set input: Logits",
            holds=lambda ood: ood.detector.energy is None or ood.input is DetectorInput.LOGITS,
        ),
        Rule(
            cel="!has(self.detector.maxSoftmax) || self.input in ['Probabilities', 'Logits']",
            message="maxSoftmax reads probabilities or logits: set input: Probabilities or Logits",
            holds=lambda ood: (
                ood.detector.max_softmax is None or ood.input in {DetectorInput.PROBABILITIES, DetectorInput.LOGITS}
            ),
        ),
        Rule(
            cel="!(has(self.detector.mahalanobis) || has(self.detector.knn)) || "
            "self.input in ['Instances', 'Features']",
            message="mahalanobis and knn read instances or features: set input: Instances or Features",
            holds=lambda ood: (
                not ood.detector.members_set("mahalanobis", "knn")
                or ood.input in {DetectorInput.INSTANCES, DetectorInput.FEATURES}
            ),
        ),
    )


class Logging(ApiModel):
    """What of the traffic is logged."""

    sample_percent: Percent = 100
    """Share of requests that are logged, chosen by a hash of the request id."""


class CanaryStep(ApiModel):
    """A share of the traffic, held while the analysis looks."""

    weight: Annotated[int, Field(ge=1, le=99)]
    """Percent of the traffic that the candidate gets."""
    hold: Duration
    """At least so long."""


class Canary(ApiModel):
    """The candidate answers a growing share of the traffic."""

    steps: Annotated[
        list[CanaryStep],
        Field(min_length=1, max_length=20, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ]
    """In order, with growing weight."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.steps.all(a, self.steps.filter(b, b.weight == a.weight).size() == 1) && "
            "self.steps.map(s, s.weight).isSorted()",
            message="weights must grow from step to step",
            holds=lambda canary: all(
                before.weight < after.weight for before, after in zip(canary.steps, canary.steps[1:], strict=False)
            ),
        ),
    )


class Stage(ApiModel):
    """One stage of a rollout."""

    name: ElementName
    """Name of the stage."""
    canary: Canary | None = None
    """The candidate answers a growing share of the traffic."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("canary"),)


class NoData(StrEnum):
    """What a metric without data, or with too little of it, means."""

    HOLD = "Hold"
    PASS = "Pass"  # noqa: S105 (a verdict)
    FAIL = "Fail"


class ErrorRate(ApiModel):
    """Share of requests that ended with a server error."""

    max: Share
    """Fails when the one-sided 95 % lower Wilson bound of the candidate's rate is above it."""


class Latency(ApiModel):
    """A quantile of the time to answer."""

    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.99
    """Which quantile."""
    max_seconds: Annotated[float, Field(gt=0, le=600)] | None = None
    """The candidate's quantile must not be above it."""
    max_ratio_to_stable: Annotated[float, Field(gt=0, le=100)] | None = None
    """The candidate's quantile must not be above so many times the stable version's over the same time."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("maxSeconds", "maxRatioToStable"),)


class OutOfDistributionRate(ApiModel):
    """Share of rows that the arm's detector calls out of distribution."""

    max: Share | None = None
    """Fails when the one-sided 95 % lower Wilson bound of the candidate's rate is above it."""
    max_ratio_to_stable: Annotated[float, Field(gt=0, le=100)] | None = None
    """Fails when that bound is above so many times the stable version's rate over the same time."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("max", "maxRatioToStable"),)


PROMQL_VARIABLES = (
    "namespace",
    "modelDeployment",
    "stableArm",
    "candidateArm",
    "stableVersion",
    "candidateVersion",
    "interval",
)
"""What a query may name as {{variable}}."""


class PromQl(ApiModel):
    """A query of yours that answers one number."""

    query: PromQuery
    """PromQL; may name {{namespace}}, {{modelDeployment}}, {{stableArm}}, {{candidateArm}}, {{stableVersion}},
    {{candidateVersion}} and {{interval}} (the time since the step began)."""
    min: Bound | None = None
    """The number must not be below it."""
    max: Bound | None = None
    """The number must not be above it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.min) || has(self.max)",
            message="set min, max or both",
            holds=lambda query: query.min is not None or query.max is not None,
        ),
        Rule(
            cel="self.query.split('{{').size() - 1 == ["
            + ", ".join(f"'{name}'" for name in PROMQL_VARIABLES)
            + "].map(v, self.query.split('{{' + v + '}}').size() - 1).sum()",
            message=f"query may use {{{{…}}}} only for: {', '.join(PROMQL_VARIABLES)}",
            holds=lambda query: (
                query.query.count("{{") == sum(query.query.count(f"{{{{{name}}}}}") for name in PROMQL_VARIABLES)
            ),
        ),
    )


class AnalysisMetric(ApiModel):
    """One thing that is measured while a candidate takes traffic."""

    name: ElementName
    """Name of the metric."""
    error_rate: ErrorRate | None = None
    """Share of requests that ended with a server error; a refusal for being out of distribution is none."""
    latency: Latency | None = None
    """A quantile of the time to answer."""
    out_of_distribution_rate: OutOfDistributionRate | None = None
    """Share of rows out of distribution."""
    promql: PromQl | None = None
    """A query of yours."""
    min_samples: Annotated[int, Field(ge=1, le=10_000_000)] = 100
    """Requests of the candidate since the step began below which the measurement is Inconclusive."""
    no_data: NoData = NoData.HOLD
    """What no data and too little data mean: Hold keeps the weight, Pass ignores it, Fail counts as a failure."""
    failure_limit: Annotated[int, Field(ge=0, le=100)] = 0
    """More failed measurements than this in a step fail the run."""
    consecutive_error_limit: Annotated[int, Field(ge=0, le=100)] = 4
    """More measurements in a row than this that Prometheus answers with an error fail the run; while Prometheus is
    away, the weight holds."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("errorRate", "latency", "outOfDistributionRate", "promql"),)


class Analysis(ApiModel):
    """What is measured while a candidate takes traffic; a failed run rolls back at once."""

    interval: Duration = "1m"
    """Time between measurements."""
    metrics: Annotated[list[AnalysisMetric], Field(max_length=20, json_schema_extra={"listMapKeys": ["name"]})] = Field(
        default_factory=lambda: [AnalysisMetric(name="errors", error_rate=ErrorRate(max=0.01))]
    )
    """Keyed by name; left out: errors at most 1 %."""


class Rollout(ApiModel):
    """How a new version comes in: each stage in order, watched by the analysis, then promoted and baked."""

    stages: Annotated[list[Stage], Field(min_length=1, max_length=8, json_schema_extra={"listMapKeys": ["name"]})] = (
        Field(
            default_factory=lambda: [
                Stage(
                    name="canary",
                    canary=Canary(
                        steps=[
                            CanaryStep(weight=5, hold="10m"),
                            CanaryStep(weight=25, hold="10m"),
                            CanaryStep(weight=50, hold="20m"),
                        ]
                    ),
                )
            ]
        )
    )
    """In order, keyed by name. Changing them restarts a running rollout at the first."""
    analysis: Analysis = Analysis()
    """What is measured while a candidate takes traffic."""
    progress_deadline: Duration = "2h"
    """A rollout in which no step advanced for so long is rolled back; must be longer than the longest hold."""
    bake: Duration = "30m"
    """After promotion the old version waits so long, at the ready, while the analysis goes on."""
    scale_down_delay: Duration = "10m"
    """The old version's pods go so long after the bake."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.stages) || self.stages.all(s, !has(s.canary) || s.canary.steps.all(step, "
            f"{cel_seconds('step.hold')} < {cel_seconds('self.progressDeadline')}))",
            message="progressDeadline must be longer than the longest hold",
            holds=lambda rollout: rollout.longest_hold() < seconds(rollout.progress_deadline),
        ),
    )

    def longest_hold(self) -> int:
        """Return the longest hold of any step in seconds."""
        return max(
            (seconds(step.hold) for stage in self.stages if stage.canary for step in stage.canary.steps), default=0
        )


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
    rollout: Rollout = Rollout()
    """How a new version comes in: each stage in order, watched by the analysis, then promoted and baked.
    Durations are one number and one unit: 90s, 10m, 6h, 14d."""
    routing: Routing = Routing()
    """Where requests come in."""
    job: JobTemplate = JobTemplate()
    """How the job runs that fits the detector."""
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
    """The stable version's value."""


class DetectorJob(ApiModel):
    """The job under way that fits a detector."""

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
    detector_job: DetectorJob | None = None
    """The job that fits a detector."""
    handled_actions: Annotated[
        list[HandledAction], Field(max_length=8, json_schema_extra={"listMapKeys": ["name"]})
    ] = []
    """Annotations of people that were taken up."""
    rejected_versions: Annotated[
        list[RejectedVersion], Field(max_length=20, json_schema_extra={"listMapKeys": ["version"]})
    ] = []
    """Versions that are not tried again unless asked."""
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
