"""RetrainPolicy: when a model is retrained, on what, and what the result must prove."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from leeboard.api.base import (
    ApiModel,
    Bound,
    Duration,
    ElementName,
    Rule,
    exactly_one,
)
from leeboard.api.modeldeployment import ModelVersion, NoParameters
from leeboard.api.shared import (
    ArmSpans,
    Conditions,
    DatasetRef,
    DriftMonitorRef,
    HandledAction,
    JobTemplate,
    Message,
    ModelDeploymentRef,
    ObjectMeta,
    Text,
    Timestamp,
)

KIND = "RetrainPolicy"
PLURAL = "retrainpolicies"

MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


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
    volume: VolumeTrigger | None = None
    """New labels."""
    time: TimeTrigger | None = None
    """The model's age."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("drift", "volume", "time"),)


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
    continual: Continual | None = None
    """Whenever a trigger holds; carries over model and data versions."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("manual", "continual"),)


class DataWindow(ApiModel):
    """The last rows of the prediction log that have labels."""

    duration: Duration
    """Length of the window, ending when the run starts."""


class TrainingDataSource(ApiModel):
    """What is trained on."""

    window: DataWindow | None = None
    """Logged predictions with their labels."""
    dataset: DatasetRef | None = None
    """A table of features with a label column."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("window", "dataset"),
        Rule(
            cel="!has(self.dataset) || has(self.dataset.labelColumn)",
            message="dataset needs a labelColumn to train on",
            holds=lambda data: data.dataset is None or data.dataset.label_column is not None,
        ),
    )


class BuiltinTrainer(ApiModel):
    """A trainer that comes with Leeboard; it uses the champion's own estimator."""

    refit: NoParameters | None = None
    """A clone of the champion's estimator is fitted from scratch."""
    partial_fit: NoParameters | None = None
    """The champion goes on learning by partial_fit."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("refit", "partialFit"),)


class WarmStart(StrEnum):
    """Which model training starts from."""

    NONE = "None"
    CHAMPION = "Champion"
    LAST_RUN = "LastRun"


class Trainer(ApiModel):
    """Who trains."""

    builtin: BuiltinTrainer | None = None
    """A trainer that comes with Leeboard."""
    entrypoint: (
        Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$", max_length=253)] | None
    ) = None
    """Yours: package.module:function, of the form train(context) -> TrainedModel."""
    packages: (
        Annotated[list[Text], Field(max_length=50, json_schema_extra={"x-kubernetes-list-type": "atomic"})] | None
    ) = None
    """Python packages that the entrypoint needs, as pip takes them; or bring an image in `job`."""
    parameters: Annotated[dict[str, Annotated[str, Field(max_length=1024)]], Field(max_length=64)] | None = None
    """Parameters of the estimator (set by set_params, read as JSON where that works) or of the entrypoint."""
    warm_start: WarmStart = WarmStart.NONE
    """None, Champion or LastRun."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("builtin", "entrypoint"),
        Rule(
            cel="!has(self.packages) || has(self.entrypoint)",
            message="packages belong to an entrypoint",
            holds=lambda trainer: trainer.packages is None or trainer.entrypoint is not None,
        ),
        Rule(
            cel="!has(self.builtin) || !has(self.builtin.refit) || self.warmStart == 'None'",
            message="refit starts from scratch: use partialFit or an entrypoint for a warm start",
            holds=lambda trainer: (
                trainer.builtin is None or trainer.builtin.refit is None or trainer.warm_start is WarmStart.NONE
            ),
        ),
        Rule(
            cel="!has(self.builtin) || !has(self.builtin.partialFit) || self.warmStart != 'None'",
            message="partialFit goes on from a model: set warmStart: Champion or LastRun",
            holds=lambda trainer: (
                trainer.builtin is None
                or trainer.builtin.partial_fit is None
                or trainer.warm_start is not WarmStart.NONE
            ),
        ),
    )


class Split(StrEnum):
    """How the holdout is chosen."""

    TIME = "Time"
    RANDOM = "Random"


class Holdout(ApiModel):
    """Rows that neither model has seen, on which both are compared."""

    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the rows."""
    split: Split = Split.TIME
    """Time: the newest rows; Random: by a hash of the row's key."""
    min_rows: Annotated[int, Field(ge=10, le=10_000_000)] = 200
    """A smaller holdout makes the gates Inconclusive."""


class Scheme(StrEnum):
    """How training windows of a backtest grow."""

    EXPANDING = "Expanding"
    SLIDING = "Sliding"


class Backtest(ApiModel):
    """Train as of then, test on what came next, several times."""

    folds: Annotated[int, Field(ge=1, le=50)] = 5
    """How many times."""
    horizon: Duration = "1d"
    """How far ahead each fold is tested."""
    scheme: Scheme = Scheme.EXPANDING
    """Expanding or Sliding training windows."""


class Gate(ApiModel):
    """What the challenger must prove on the holdout."""

    name: ElementName
    """Name of the gate."""
    metric: MetricName
    """accuracy, balanced_accuracy, f1, roc_auc, average_precision, log_loss, brier, mae, rmse or r2."""
    min: Bound | None = None
    """The challenger's metric must reach it (for losses: must not be above it)."""
    min_gain_over_champion: Annotated[float, Field(ge=-1000, le=1000)] | None = None
    """The challenger must be better than the champion by so much."""
    max_drop_from_champion: Annotated[float, Field(ge=0, le=1000)] | None = None
    """The challenger must not be worse than the champion by more."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("min", "minGainOverChampion", "maxDropFromChampion"),)


class Evaluation(ApiModel):
    """How challenger and champion are compared."""

    holdout: Holdout = Holdout()
    """Rows that neither model has seen."""
    backtest: Backtest | None = None
    """Train as of then, test on what came next; left out: none."""
    gates: Annotated[list[Gate], Field(min_length=1, max_length=20, json_schema_extra={"listMapKeys": ["name"]})]
    """Keyed by name; all must pass before a version is registered as a challenger."""


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
            cel="!has(self.level.manual) || self.trainer.warmStart == 'None'",
            message="a manual level starts from scratch: warmStart needs continual",
            holds=lambda spec: spec.level.manual is None or spec.trainer.warm_start is WarmStart.NONE,
        ),
    )


class FiredTrigger(ApiModel):
    """A fact that starts a run: each (id, count) starts at most one, ever."""

    name: ElementName
    """Name of the trigger; `manual` for a person's."""
    id: Annotated[str, Field(max_length=160)]
    """Identity of the fact: episode, mark, token."""
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
