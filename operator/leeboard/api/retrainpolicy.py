"""RetrainPolicy: when a model is retrained, on what, and what the result must prove."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from leeboard.api.base import ApiModel, Duration, ElementName, Rule, exactly_one
from leeboard.api.shared import (
    ArmSpans,
    Conditions,
    DatasetRef,
    DriftMonitorRef,
    HandledAction,
    JobTemplate,
    Message,
    ModelDeploymentRef,
    ModelVersion,
    NoParameters,
    ObjectMeta,
    Schedule,
    Text,
    Timestamp,
)
from leeboard.api.training import Evaluation, Trainer, WarmStart

KIND = "RetrainPolicy"

PLURAL = "retrainpolicies"


class DriftTrigger(ApiModel):
    """An open episode of a monitor."""

    drift_monitor_ref: DriftMonitorRef
    """The monitor."""
    checks: (
        Annotated[
            list[ElementName],
            Field(min_length=1, max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """Only episodes in which one of these checks drifted; left out: any."""


class PerformanceTrigger(ApiModel):
    """Answers that turned out worse than they were, now that their outcomes are known."""

    drift_monitor_ref: DriftMonitorRef
    """The monitor."""
    check: ElementName
    """Its performance check; the trigger holds while an episode lasts in which this check was short."""


class VolumeTrigger(ApiModel):
    """New labels."""

    new_labelled_rows: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """Labels that arrived since the last run."""


class TimeTrigger(ApiModel):
    """The model's age."""

    max_age: Duration
    """Time since the stable version was promoted."""


class Trigger(ApiModel):
    """One reason to retrain."""

    name: ElementName
    """Name of the trigger."""
    drift: DriftTrigger | None = None
    """An open episode of a monitor."""
    performance: PerformanceTrigger | None = None
    """Answers that turned out worse than they were."""
    volume: VolumeTrigger | None = None
    """New labels."""
    time: TimeTrigger | None = None
    """The model's age."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("drift", "performance", "volume", "time"),
        Rule(
            cel="!(self.name in ['manual', 'schedule'])",
            message="manual and schedule are names of Leeboard's own: call the trigger something else",
            holds=lambda trigger: trigger.name not in {"manual", "schedule"},
        ),
    )

    @property
    def monitor(self) -> str | None:
        """Name of the DriftMonitor that it looks at."""
        watching = self.drift or self.performance
        return watching.drift_monitor_ref.name if watching is not None else None

    @property
    def checks(self) -> list[str]:
        """The monitor's checks that it waits for; empty: any."""
        if self.performance is not None:
            return [self.performance.check]
        return (self.drift.checks if self.drift is not None else None) or []


class Continual(ApiModel):
    """Retrain whenever a trigger holds."""

    triggers: Annotated[list[Trigger], Field(min_length=1, max_length=16, json_schema_extra={"listMapKeys": ["name"]})]
    """Keyed by name; all that hold when a run starts are consumed by it."""
    min_interval: Duration = "6h"
    """At least so long between the starts of two runs."""


class Level(ApiModel):
    """How far retraining is automated."""

    manual: NoParameters | None = None
    """Only when a person asks: a fresh model from a fresh window."""
    scheduled: Schedule | None = None
    """At each tick, or when a person asks: a fresh model from a fresh window."""
    stateful: Schedule | None = None
    """At each tick, or when a person asks: a model goes on learning from what is new to it."""
    continual: Continual | None = None
    """Whenever a trigger holds, or when a person asks; from scratch, or from a model (trainer.warmStart)."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("manual", "scheduled", "stateful", "continual"),)

    @property
    def schedule(self) -> Schedule | None:
        """The schedule of a level that has one."""
        return self.scheduled or self.stateful


class DataWindow(ApiModel):
    """The last rows of the prediction log that have labels."""

    duration: Duration
    """Length of the window, ending when the run starts."""


class Replay(ApiModel):
    """Older rows that a warm start learns again, so that it does not forget them."""

    fraction: Annotated[float, Field(gt=0, le=0.9)]
    """Share of the training rows that are older ones, drawn from all that the data hold: 0.2 is one for four new."""


class TrainingDataSource(ApiModel):
    """What is trained on."""

    window: DataWindow | None = None
    """Logged predictions with their labels."""
    dataset: DatasetRef | None = None
    """A table of features with a label column."""
    replay: Replay | None = None
    """Older rows that a warm start learns again; left out: none."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("window", "dataset"),
        Rule(
            cel="!has(self.dataset) || has(self.dataset.labelColumn)",
            message="dataset needs a labelColumn to train on",
            holds=lambda data: data.dataset is None or data.dataset.label_column is not None,
        ),
    )


class Budget(ApiModel):
    """How much retraining there may be."""

    max_runs_per_day: Annotated[int, Field(ge=1, le=1000)] = 4
    """Runs that start in one UTC day."""
    stop_after_rejections: Annotated[int, Field(ge=1, le=100)] = 3
    """Runs in a row that brought no better model stop the policy until its spec changes or a person asks."""


class RetrainPolicySpec(ApiModel):
    """When a model is retrained, on what, and what the result must prove."""

    model_deployment_ref: ModelDeploymentRef
    """The model that is retrained; one policy per ModelDeployment."""
    level: Level
    """How far retraining is automated."""
    data: TrainingDataSource
    """What is trained on."""
    trainer: Trainer
    """Who trains."""
    evaluation: Evaluation
    """What the result must prove."""
    budget: Budget = Budget()
    """How much retraining there may be."""
    job: JobTemplate = JobTemplate()
    """How the training job runs."""
    suspend: bool = False
    """Start no run."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!(has(self.level.manual) || has(self.level.scheduled)) || self.trainer.warmStart == 'None'",
            message="the levels manual and scheduled start from scratch: warmStart needs stateful or continual",
            holds=lambda spec: (
                not spec.level.members_set("manual", "scheduled") or spec.trainer.warm_start is WarmStart.NONE
            ),
        ),
        Rule(
            cel="!has(self.level.stateful) || self.trainer.warmStart != 'None'",
            message="a stateful level goes on from a model: set trainer.warmStart, or use the level scheduled",
            holds=lambda spec: spec.level.stateful is None or spec.trainer.warm_start is not WarmStart.NONE,
        ),
        Rule(
            cel="!has(self.data.replay) || self.trainer.warmStart != 'None'",
            message="replay belongs to a warm start: from scratch all rows are learnt anyway",
            holds=lambda spec: spec.data.replay is None or spec.trainer.warm_start is not WarmStart.NONE,
        ),
        Rule(
            cel="self.trainer.warmStart == 'None' || !has(self.data.dataset) || has(self.data.dataset.timestampColumn)",
            message="a warm start learns what is newer: data.dataset needs a timestampColumn",
            holds=lambda spec: (
                spec.trainer.warm_start is WarmStart.NONE
                or spec.data.dataset is None
                or spec.data.dataset.timestamp_column is not None
            ),
        ),
    )


class FiredTrigger(ApiModel):
    """A fact that starts a run: each (id, count) starts at most one, ever."""

    name: ElementName
    """Name of the trigger; `manual` for a person's, `schedule` for a tick."""
    id: Annotated[str, Field(max_length=160)]
    """Identity of the fact: episode, mark, tick, token."""
    count: Annotated[int, Field(ge=1)]
    """How often the fact has started a run, this one included."""
    generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec under which it fired: a changed spec lets a fact that was given up fire again."""
    message: Message = ""
    """The fact in a sentence."""


class ActiveRun(ApiModel):
    """The run under way."""

    id: Annotated[str, Field(max_length=64)]
    """Identity: hash of what triggered it."""
    attempt: Annotated[int, Field(ge=0)]
    """0, then one more for each time it failed for reasons of infrastructure."""
    triggers: Annotated[
        list[FiredTrigger], Field(max_length=20, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ]
    """What it consumes."""
    started_time: Timestamp
    """When it started."""
    cutoff_time: Timestamp
    """End of its data window."""
    champion_version: ModelVersion | None = None
    """The version that it is compared with."""
    ray_job: Text
    """Name of its RayJob."""
    request_hash: Annotated[str, Field(max_length=64)]
    """Hash of the request document."""
    run_id: Annotated[str, Field(max_length=64)] | None = None
    """MLflow run, once it is finished."""
    version: ModelVersion | None = None
    """The version that it registered; from then on the rollout decides."""
    metrics: Annotated[dict[str, float], Field(max_length=40)] = {}
    """The challenger's metrics on the holdout."""
    champion_metrics: Annotated[dict[str, float], Field(max_length=40)] = {}
    """The champion's metrics on the same rows."""
    challenger_set: bool = False
    """Whether the registry's candidate alias has been set to the version."""
    observed: bool = False
    """Whether the RayJob has been seen: from then on its absence means that it vanished."""
    retry_time: Timestamp | None = None
    """After a failed attempt: the RayJob is not made before."""
    message: Message = ""
    """Why the attempt before it failed."""
    label_rows: Annotated[int, Field(ge=0)] | None = None
    """Labelled rows that the log held when the run started."""


class RunOutcome(StrEnum):
    """How a run ended."""

    PROMOTED = "Promoted"
    REGISTERED = "Registered"
    GATE_FAILED = "GateFailed"
    ROLLED_BACK = "RolledBack"
    SUPERSEDED = "Superseded"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


class FinishedRun(ApiModel):
    """A run that ended."""

    id: Annotated[str, Field(max_length=64)]
    """Identity."""
    triggers: Annotated[
        list[FiredTrigger], Field(max_length=20, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = []
    """What it consumed."""
    outcome: RunOutcome
    """Promoted, Registered, GateFailed, RolledBack, Superseded, Inconclusive or Error."""
    version: ModelVersion | None = None
    """The version that it registered."""
    metrics: Annotated[dict[str, float], Field(max_length=40)] = {}
    """The challenger's metrics on the holdout."""
    champion_metrics: Annotated[dict[str, float], Field(max_length=40)] = {}
    """The champion's metrics on the same rows."""
    message: Message = ""
    """The run in a sentence."""
    run_id: Annotated[str, Field(max_length=64)] | None = None
    """MLflow run."""
    started_time: Timestamp | None = None
    """When it started."""
    finished_time: Timestamp
    """When it ended."""


class RetrainPolicyStatus(ApiModel):
    """What was observed."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that was looked at."""
    active_run: ActiveRun | None = None
    """The run under way."""
    last_run: FinishedRun | None = None
    """The last run that ended."""
    last_start_time: Timestamp | None = None
    """When a run last started."""
    starts_today: Annotated[int, Field(ge=0)] = 0
    """Runs that started in the UTC day of lastStartTime."""
    consecutive_rejections: Annotated[int, Field(ge=0)] = 0
    """Runs in a row that brought no better model."""
    stopped_generation: Annotated[int, Field(ge=0)] | None = None
    """Generation of the spec under which the policy stopped after too many rejections."""
    consumed: Annotated[
        list[FiredTrigger], Field(max_length=40, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = []
    """Facts that have started runs, newest first: a cache of the ledger in MLflow."""
    high_water_mark: Annotated[int, Field(ge=0)] | None = None
    """Labelled rows of the log that the last run had seen."""
    newest_ingest_time: Timestamp | None = None
    """When the newest row that the last run had seen came into the log; a model learns on from its own run's mark."""
    next_run_time: Timestamp | None = None
    """Earliest time of the next run, when something waits for it."""
    live_arms: ArmSpans = []
    """Arms whose rows the data window can still hold."""
    handled_actions: Annotated[
        list[HandledAction], Field(max_length=8, json_schema_extra={"listMapKeys": ["name"]})
    ] = []
    """Annotations of people that were taken up."""
    history: Annotated[
        list[FinishedRun], Field(max_length=10, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = []
    """The last runs, newest first."""
    conditions: Conditions = []
    """Ready; Reconciling and Stalled only while true."""


class RetrainPolicy(ApiModel):
    """When and how a model is retrained."""

    model_config = ApiModel.model_config | {"extra": "ignore"}

    metadata: ObjectMeta
    spec: RetrainPolicySpec
    status: RetrainPolicyStatus = RetrainPolicyStatus()
