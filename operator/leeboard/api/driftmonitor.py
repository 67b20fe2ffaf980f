"""DriftMonitor: how the data that a model meets is held against what it learned from."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from leeboard.api.base import ApiModel, Duration, ElementName, Rule, cel_seconds, exactly_one, seconds
from leeboard.api.checks import Check, Columns, UnivariateDistance, UnivariateTest
from leeboard.api.shared import (
    ArmSpans,
    ColumnName,
    Conditions,
    DatasetRef,
    JobTemplate,
    Message,
    ModelDeploymentRef,
    NoParameters,
    ObjectMeta,
    Schedule,
    Text,
    Timestamp,
)

KIND = "DriftMonitor"

PLURAL = "driftmonitors"


class Trailing(ApiModel):
    """What the log holds of the time just before the window."""

    window: Duration
    """Length of the reference."""
    gap: Duration | None = None
    """Time between the reference's end and the window's start; left out: none."""


class SameTime(ApiModel):
    """What the log holds of the same time earlier: Monday is compared with Mondays."""

    ago: Duration
    """How long ago; whole days follow the schedule's time zone over a change of the clocks."""
    windows: Annotated[int, Field(ge=1, le=52)] = 1
    """How many windows: one, two, … times as long ago."""


class MonitorReference(ApiModel):
    """What the window is held against."""

    training_data: NoParameters | None = None
    """The stable version's own training data, by its lineage tags."""
    dataset: DatasetRef | None = None
    """A table."""
    trailing: Trailing | None = None
    """What the log holds of the time just before the window: sees sudden changes, forgets slow ones."""
    same_time: SameTime | None = None
    """What the log holds of the same time earlier, for data with seasons."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("trainingData", "dataset", "trailing", "sameTime"),)


class Window(ApiModel):
    """Which rows are looked at: [end - duration, end), where end = scheduled tick - lag."""

    duration: Duration
    """Length of the window."""
    lag: Duration = "5m"
    """Time that late rows get to arrive."""
    min_rows: Annotated[int, Field(ge=1, le=10_000_000)] = 500
    """Fewer rows are Insufficient, never drift."""
    max_rows: Annotated[int, Field(ge=100, le=100_000_000)] = 1_000_000
    """More rows are sampled, by a hash of the row's key; the report says so."""


class RaiseAfter(ApiModel):
    """How many windows must have drifted before anyone is woken."""

    breaches: Annotated[int, Field(ge=1, le=10)] = 2
    """Drifted windows …"""
    of: Annotated[int, Field(ge=1, le=10)] = 3
    """… among the last so many that were measured."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.breaches) || !has(self.of) || self.breaches <= self.of",  # the default, {}, is judged bare,
            message="breaches must not exceed of",
            holds=lambda raising: raising.breaches <= raising.of,
        ),
    )


class Severity(StrEnum):
    """How loud an alert is."""

    INFO = "Info"
    WARNING = "Warning"
    CRITICAL = "Critical"


class Alerting(ApiModel):
    """When drifted windows become an episode, and an episode ends."""

    raise_after: RaiseAfter = RaiseAfter()
    """Breaches among the last windows that open an episode."""
    clear_after: Annotated[int, Field(ge=1, le=10)] = 3
    """Quiet windows in a row that end it."""
    cooldown: Duration = "6h"
    """At most one Event in this time."""
    severity: Severity = Severity.WARNING
    """Label of the metric and of the Event."""


class DriftMonitorSpec(ApiModel):
    """How the data that a model meets is held against what it learned from."""

    model_deployment_ref: ModelDeploymentRef
    """The model that is watched."""
    schedule: Schedule
    """When a window is scored."""
    reference: MonitorReference = MonitorReference(training_data=NoParameters())
    """What the window is held against; exactly one."""
    window: Window
    """Which rows are looked at."""
    columns: Columns = Columns()
    """Which columns are looked at, and what they weigh."""
    checks: Annotated[list[Check], Field(min_length=1, max_length=16, json_schema_extra={"listMapKeys": ["name"]})] = (
        Field(
            default_factory=lambda: [
                Check(name="columns", univariate_test=UnivariateTest()),
                Check(name="distance", univariate_distance=UnivariateDistance()),
            ]
        )
    )
    """Keyed by name; a window drifted if any check says so. Left out: `columns`, a univariateTest, and `distance`, a
    univariateDistance, both with their defaults."""
    alerting: Alerting = Alerting()
    """When drifted windows become an episode, and an episode ends."""
    job: JobTemplate = JobTemplate()
    """How the scoring job runs."""
    suspend: bool = False
    """Start no run."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.reference) || !has(self.reference.sameTime) || "
            f"{cel_seconds('self.reference.sameTime.ago')} >= {cel_seconds('self.window.duration')}",
            message="sameTime.ago must not be shorter than window.duration: the window would be its own reference",
            holds=lambda spec: (
                spec.reference.same_time is None
                or seconds(spec.reference.same_time.ago) >= seconds(spec.window.duration)
            ),
        ),
    )


class WindowVerdict(StrEnum):
    """What a run says of its window."""

    STABLE = "Stable"
    DRIFTED = "Drifted"
    INSUFFICIENT = "Insufficient"
    ERROR = "Error"


class CheckStatus(ApiModel):
    """What one check says."""

    name: ElementName
    """Name of the check."""
    statistic: float | None = None
    """The number that was held against the threshold."""
    threshold: float | None = None
    """The threshold."""
    drifted: bool = False
    """Whether it drifted."""
    worst_columns: Annotated[
        list[ColumnName], Field(max_length=5, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = []
    """The columns that moved most, worst first."""
    message: Message = ""
    """The check in a sentence."""


class MonitorRun(ApiModel):
    """One scored window."""

    window_start_time: Timestamp
    """Start of the window, included."""
    window_end_time: Timestamp
    """End of the window, excluded."""
    verdict: WindowVerdict
    """Stable, Drifted, Insufficient or Error."""
    rows: Annotated[int, Field(ge=0)] = 0
    """Rows in the window."""
    model_version: Annotated[str, Field(max_length=9)] | None = None
    """The version that was stable."""
    checks: Annotated[list[CheckStatus], Field(max_length=16, json_schema_extra={"listMapKeys": ["name"]})] = []
    """What each check says."""
    message: Message = ""
    """The run in a sentence."""
    report_uri: Annotated[str, Field(max_length=1024)] | None = None
    """Where report.html lies."""
    run_id: Annotated[str, Field(max_length=64)] | None = None
    """MLflow run."""
    finished_time: Timestamp | None = None
    """When the outcome was read."""


class MonitorJob(ApiModel):
    """The scoring job under way."""

    ray_job: Text
    """Name of the RayJob."""
    window_start_time: Timestamp
    """Start of its window."""
    window_end_time: Timestamp
    """End of its window."""
    attempt: Annotated[int, Field(ge=0)]
    """0, then one more for each time it failed for reasons of infrastructure."""
    request_hash: Annotated[str, Field(max_length=64)]
    """Hash of the request document."""
    started_time: Timestamp
    """When it was made."""
    observed: bool = False
    """Whether the RayJob has been seen: from then on its absence means that it vanished."""
    retry_time: Timestamp | None = None
    """After a failed attempt: the RayJob is not made before."""
    message: Message = ""
    """Why the attempt before it failed."""
    labels_pass: Annotated[int, Field(ge=1)] | None = None
    """When the window is scored again as labels came: for which time."""
    checks: Annotated[list[ElementName], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"})] = []
    """When the window is scored again: which checks."""
    label_rows: Annotated[int, Field(ge=0)] = 0
    """Labels that the log held when the job was made."""


class PendingWindow(ApiModel):
    """A window that too few labels had come for; it is scored again when they have come."""

    window_start_time: Timestamp
    """Start of the window, included."""
    window_end_time: Timestamp
    """End of the window, excluded."""
    checks: Annotated[list[ElementName], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"})]
    """Checks that wait for labels."""
    labels_pass: Annotated[int, Field(ge=1, le=3)]
    """The next time that it is scored again: the first, second or third; after that it is given up."""
    wanted_label_rows: Annotated[int, Field(ge=0)]
    """So many labels the log must hold before: those that it held, and those that the window lacked."""
    not_before_time: Timestamp
    """It is not scored again before."""
    model_version: Annotated[str, Field(max_length=9)]
    """The version that was stable; a promotion ends the waiting."""


class Episode(ApiModel):
    """Drift that lasts, from the window that raised it until it is quiet again."""

    id: Annotated[str, Field(max_length=64)]
    """Identity; triggers of retraining refer to it."""
    started_time: Timestamp
    """When it was raised."""
    checks: Annotated[list[ElementName], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"})] = []
    """Checks that drifted in it."""
    model_version: Annotated[str, Field(max_length=9)] | None = None
    """The version that was stable; a promotion closes the episode as superseded."""


class DriftMonitorStatus(ApiModel):
    """What was observed."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that was looked at."""
    last_run: MonitorRun | None = None
    """The last scored window."""
    active_job: MonitorJob | None = None
    """The scoring job under way."""
    last_tick_time: Timestamp | None = None
    """The last scheduled tick that was taken up."""
    next_run_time: Timestamp | None = None
    """The next scheduled tick."""
    episode: Episode | None = None
    """Drift that lasts."""
    last_episode_end_time: Timestamp | None = None
    """When the last episode ended."""
    pending_labels: Annotated[
        list[PendingWindow], Field(max_length=10, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = []
    """Windows that wait for labels, newest first; the oldest goes when there are too many."""
    quiet_runs: Annotated[int, Field(ge=0, le=1000)] = 0
    """Quiet windows in a row."""
    last_alert_time: Timestamp | None = None
    """When an Event was last written."""
    live_arms: ArmSpans = []
    """Arms whose rows a window can still hold."""
    history: Annotated[
        list[MonitorRun], Field(max_length=10, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = []
    """The last runs, newest first."""
    conditions: Conditions = []
    """Ready and DriftDetected; Reconciling and Stalled only while true."""


class DriftMonitor(ApiModel):
    """A watch over the data that a model meets."""

    model_config = ApiModel.model_config | {"extra": "ignore"}

    metadata: ObjectMeta
    spec: DriftMonitorSpec
    status: DriftMonitorStatus = DriftMonitorStatus()
