"""Requests that the operator hands to Ray jobs, and the reports that the jobs leave in MLflow.

The operator writes a request into the RayJob's runtime environment as `LEEBOARD_REQUEST`. The worker leaves one
MLflow run tagged `leeboard.request=<request_hash>` whose artifact `report.json` is the report.
"""

from enum import StrEnum
from typing import Literal

from leeboard.api.checks import Check, Columns
from leeboard.api.outofdistribution import Calibration, Detector, DetectorInput
from leeboard.api.retrainpolicy import FiredTrigger, Replay
from leeboard.api.shared import DatasetRef
from leeboard.api.training import Evaluation, Trainer
from leeboard.contract.documents import Document, short_hash
from leeboard.contract.findings import DriftKind, LearnedThreshold, PerformanceReport, QualityFinding

REQUEST_VARIABLE = "LEEBOARD_REQUEST"


def experiment_name(namespace: str, model_deployment: str) -> str:
    """Name the MLflow experiment that holds the runs about a ModelDeployment."""
    return f"leeboard/{namespace}/{model_deployment}"


class JobRequest(Document):
    """What every job is told."""

    schema_version: Literal[1] = 1
    kind: str
    """Which job: a key of REQUEST_BY_KIND in `contract.kinds`."""
    namespace: str
    """Namespace of the object that asks."""
    owner: str
    """Name of the object that asks."""
    owner_uid: str
    """Its uid."""
    model_deployment: str
    """The ModelDeployment that it is about."""
    model_name: str
    """Registered model."""
    tracking_uri: str
    """MLflow server."""
    attempt: int = 0
    """Attempt; not part of the request's identity."""
    seed: int = 0
    """Seed of every random choice."""

    @property
    def experiment(self) -> str:
        """The MLflow experiment that holds the runs about this ModelDeployment."""
        return experiment_name(self.namespace, self.model_deployment)

    @property
    def request_hash(self) -> str:
        """The request's identity: equal for equal work, whatever the attempt."""
        return short_hash(type(self).__name__, self.model_copy(update={"attempt": 0}).document(), length=32)


class LogTables(Document):
    """Where the prediction log of a ModelDeployment lies (Delta tables); the collector tells."""

    predictions: str
    """URI of the predictions."""
    labels: str
    """URI of the labels."""


class LiveArm(Document):
    """An arm whose rows count, and from when to when it was live."""

    arm: str
    version: str
    from_time: str
    """First instant that counts, RFC 3339."""
    to_time: str | None = None
    """First instant that does not count any more; none: still live."""


class FitDetectorRequest(JobRequest):
    """Fit an out-of-distribution detector for one version and store it."""

    kind: Literal["fit-detector"] = "fit-detector"
    version: str
    """Version of the registered model."""
    detector: Detector
    """Which detector, with its parameters."""
    input: DetectorInput
    """What it looks at."""
    acceptance: float
    """Share of held-out reference rows that must pass."""
    reference: DatasetRef | None = None
    """Rows that belong; none: the version's own training data by its lineage tags."""
    max_rows: int = 200_000
    """More reference rows are sampled."""
    calibration: Calibration | None = None
    """Whose rows set the threshold; none: all together."""


class Span(Document):
    """A span of time, RFC 3339."""

    from_time: str
    """First instant that counts."""
    to_time: str
    """First instant that does not count any more."""


class DriftRequest(JobRequest):
    """Score one window."""

    kind: Literal["drift"] = "drift"
    version: str
    """The stable version."""
    window_start_time: str
    """Start of the window, included, RFC 3339."""
    window_end_time: str
    """End of the window, excluded, RFC 3339."""
    log: LogTables
    """The prediction log."""
    arms: tuple[LiveArm, ...]
    """Arms whose rows count."""
    reference: DatasetRef | None = None
    """Reference rows; none: the version's own training data by its lineage tags."""
    columns: Columns
    """Which columns, and their weights."""
    checks: tuple[Check, ...]
    """What is checked."""
    min_rows: int
    max_rows: int
    acceptance: float | None = None
    """Acceptance of the detector, when there is one."""
    reference_windows: tuple[Span, ...] | None = None
    """Or the reference is what the log holds of these times; the oldest first."""
    labels_pass: int | None = None
    """How often the window was scored before for want of labels; none: this is the first time."""


class RetrainRequest(JobRequest):
    """Train a challenger, compare it with the champion, register it if it passes the gates."""

    kind: Literal["retrain"] = "retrain"
    policy_run_id: str
    """Identity of the run in the policy's status."""
    triggers: tuple[FiredTrigger, ...]
    """Why: the ledger of consumed facts."""
    champion_version: str | None = None
    """The version to beat; none: the first model."""
    parent_version: str | None = None
    """The version that a warm start goes on from."""
    data_from_time: str | None = None
    """Start of the data window, included."""
    data_to_time: str | None = None
    """End of the data window, excluded: the training cut-off."""
    log: LogTables | None = None
    """The prediction log with its labels, when a window of it is trained on."""
    arms: tuple[LiveArm, ...] = ()
    """Arms whose rows count."""
    dataset: DatasetRef | None = None
    """Or a table."""
    replay: Replay | None = None
    """Older rows that a warm start learns again; none: none."""
    trainer: Trainer
    evaluation: Evaluation


class JobOutcome(StrEnum):
    """How a job ended."""

    MEASURED = "Measured"
    INSUFFICIENT = "Insufficient"
    ERROR = "Error"


class JobReport(Document):
    """What every job reports."""

    schema_version: Literal[1] = 1
    request_hash: str
    outcome: JobOutcome
    message: str = ""
    """The outcome in a sentence; for an Error what to do."""
    permanent: bool = False
    """For an Error: trying again with the same request cannot help."""


class ExpectedDetection(Document):
    """How well a detector tells synthetic outliers from held-out reference rows; 95 % intervals by bootstrap."""

    detector: str
    """Which detector."""
    outliers: str
    """Which outliers: permuted, combinations, mixtures, range, units, tails, or all of them alike."""
    rows: int
    """Outliers."""
    auroc: float
    """Chance that an outlier scores higher than a row that belongs; a half is guessing."""
    auroc_low: float
    auroc_high: float
    fpr_at_95_tpr: float
    """Share of rows that belong above the threshold that 95 % of the outliers pass. Positive: the outliers."""
    fpr_at_95_tpr_low: float
    fpr_at_95_tpr_high: float
    aupr_out: float
    """Area under precision and recall; positive: the outliers."""
    aupr_out_low: float
    aupr_out_high: float
    aupr_in: float
    """Area under precision and recall; positive: the rows that belong."""
    aupr_in_low: float
    aupr_in_high: float
    detection_error: float
    """Smallest mean of both error rates over all thresholds."""
    detection_error_low: float
    detection_error_high: float
    flagged: float | None = None
    """Share of the outliers that the detector's own threshold flags."""


class FitDetectorReport(JobReport):
    """A fitted detector."""

    kind: Literal["fit-detector"] = "fit-detector"
    detector_uri: str | None = None
    """Folder with detector.json and arrays.npz: an artifact URI that does not move."""
    threshold: float | None = None
    """Scores above it are out of distribution."""
    reference_rows: int = 0
    calibration_rows: int = 0
    detector: str | None = None
    """Which detector it is; auto's choice."""
    expected: tuple[ExpectedDetection, ...] | None = None
    """How well it detects what it is expected to, by kind of outlier; for auto the candidates' comparison too."""


class ColumnComparison(Document):
    """A statistic or a distance of one column."""

    method: str
    statistic: float
    threshold: float | None = None
    p_value: float | None = None
    corrected_p_value: float | None = None
    effect: float | None = None
    drifted: bool = False
    raw: float | None = None
    """A distance in the column's own unit, where it has one."""
    reason: str | None = None
    """Why this method and this p-value, where the data decided."""


class ValueCounts(Document):
    """How many values a column holds, and of which kind."""

    rows: int = 0
    nulls: int = 0
    not_a_number: int = 0
    """NaN, and text in a column of numbers that is no number."""
    minus_infinity: int = 0
    plus_infinity: int = 0
    levels: int | None = None
    """Different levels of a categorical column."""
    pooled_rows: int | None = None
    """Rows of levels that are too many to be told apart."""


class Distribution(Document):
    """A small histogram then and now, for the report."""

    labels: tuple[str, ...]
    """Bin labels or levels."""
    reference: tuple[float, ...]
    """Shares of the reference."""
    window: tuple[float, ...]
    """Shares of the window."""


class ColumnReport(Document):
    """One column then and now."""

    name: str
    type: Literal["numeric", "categorical"]
    weight: float
    reference_missing: float
    """Share of missing values in the reference."""
    window_missing: float
    """Share of missing values in the window."""
    window_infinite: float = 0.0
    """Share of infinite values in the window."""
    reference_counts: ValueCounts | None = None
    window_counts: ValueCounts | None = None
    test: ColumnComparison | None = None
    distance: ColumnComparison | None = None
    distribution: Distribution | None = None
    message: str = ""
    """Why a column could not be compared."""


class CheckReport(Document):
    """One check of the window."""

    name: str
    kind: str
    """univariateTest, univariateDistance, multivariateTest, prediction, outOfDistributionRate, performance,
    dataQuality."""
    statistic: float | None = None
    threshold: float | None = None
    drifted: bool = False
    worst_columns: tuple[str, ...] = ()
    message: str = ""
    labels_wanted: int | None = None
    """Rows that still lack a label before the check can tell; none: nothing is missing."""
    performance: PerformanceReport | None = None
    findings: tuple[QualityFinding, ...] | None = None
    """Of dataQuality: the gravest first, at most 200."""
    learned: LearnedThreshold | None = None
    """How its bounds were learned; none: they were stated."""


class DriftReport(JobReport):
    """A scored window."""

    kind: Literal["drift"] = "drift"
    drifted: bool = False
    rows: int = 0
    sampled: bool = False
    reference_rows: int = 0
    version: str = ""
    window_start_time: str = ""
    window_end_time: str = ""
    checks: tuple[CheckReport, ...] = ()
    columns: tuple[ColumnReport, ...] = ()
    prediction_distribution: Distribution | None = None
    kinds: tuple[DriftKind, ...] | None = None
    """What kind of drift it is, as far as there is evidence."""
    compared_rows: int | None = None
    """Rows of the window that were compared: fewer when it was sampled."""
    reference_total_rows: int | None = None
    """Rows of the reference before sampling."""


class GateVerdict(StrEnum):
    """What a gate says."""

    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"


class GateReport(Document):
    """One gate."""

    name: str
    metric: str
    verdict: GateVerdict
    challenger: float | None = None
    champion: float | None = None
    bound: float | None = None
    message: str = ""
    rows: int | None = None
    """Rows that it was decided on."""
    where: str | None = None
    """Which rows: the gate's slice or dataset; none: the holdout."""


class BacktestFold(Document):
    """One fold of a backtest."""

    train_to_time: str
    test_to_time: str
    train_rows: int
    test_rows: int
    metrics: dict[str, float]


class RetrainReport(JobReport):
    """A trained challenger."""

    kind: Literal["retrain"] = "retrain"
    passed: bool = False
    """Whether all gates passed; only then there is a version."""
    version: str | None = None
    train_rows: int = 0
    holdout_rows: int = 0
    metrics: dict[str, float] = {}
    champion_metrics: dict[str, float] = {}
    gates: tuple[GateReport, ...] = ()
    backtest: tuple[BacktestFold, ...] = ()
    data_versions: dict[str, int] = {}
    """Versions of the Delta tables that were read."""
    high_water_mark: int | None = None
    """Labelled rows that the log held when it was read."""
    ingest_mark: str | None = None
    """When the newest row that was read came into the log, RFC 3339; none: the rows do not come from the log."""
    new_rows: int | None = None
    """Of a warm start: training rows that the model had not learnt."""
    replayed_rows: int | None = None
    """Of a warm start: older training rows that are learnt again."""
    training_cutoff_time: str | None = None
    """The challenger has learnt no row at or after it, RFC 3339; none: the rows have no times."""
    champion_cutoff_time: str | None = None
    """The champion has learnt no row at or after it, RFC 3339; none: there is no champion."""
    holdout_from_time: str | None = None
    """Time of the oldest row that both are compared on, RFC 3339."""
    holdout_to_time: str | None = None
    """Time of the newest row that both are compared on, RFC 3339."""
    seen_rows: int | None = None
    """Rows left out of the holdout because the champion may have learnt from them."""
