"""Requests about a candidate of a rollout, and their reports: its arm verified, its answers in the shadow compared."""

from typing import Literal

from leeboard.api.shared import DatasetRef
from leeboard.api.verification import VerificationMetric
from leeboard.contract.documents import Document
from leeboard.contract.jobs import GateVerdict, JobReport, JobRequest, LiveArm, LogTables


class ArmAddress(Document):
    """An arm, and where it answers."""

    arm: str
    version: str
    address: str
    """http://host[:port] inside the cluster."""


class VerifyRequest(JobRequest):
    """Send a labelled test pack through a deployed arm, and through the stable version's."""

    kind: Literal["verify"] = "verify"
    rollout_start_time: str
    """When the rollout began, RFC 3339: each rollout is verified anew."""
    rollout_attempt: int
    """Number of the rollout, one more when a person asks to try again."""
    candidate: ArmAddress
    stable: ArmAddress | None = None
    """None: this is the first version."""
    protocol: Literal["v1", "v2"]
    """In which the arms are asked."""
    dataset: DatasetRef
    """The test pack; names its label column."""
    metrics: tuple[VerificationMetric, ...]
    max_rows: int


class CompareRequest(JobRequest):
    """Compare what a candidate answered to copied requests with what the stable version answered to the same."""

    kind: Literal["compare"] = "compare"
    rollout_start_time: str
    """When the rollout began, RFC 3339."""
    rollout_attempt: int
    """Number of the rollout, one more when a person asks to try again."""
    stage: str
    """Name of the stage."""
    candidate: LiveArm
    """Which rows are the candidate's."""
    stable: LiveArm
    """Which rows are the stable version's."""
    log: LogTables
    """The prediction log."""
    min_samples: int
    """Rows that both must have answered."""
    min_agreement: float | None = None
    """Share of equal answers that must not be ruled out."""
    tolerance: float = 0.0
    """Numbers that differ by no more are equal."""


class VerifiedMetric(Document):
    """One metric of a verification."""

    name: str
    verdict: GateVerdict
    candidate: float | None = None
    stable: float | None = None
    bound: float | None = None
    message: str = ""


class Milliseconds(Document):
    """How long requests took."""

    p50: float
    p95: float
    p99: float


class DifferentRow(Document):
    """A row that both versions answered differently."""

    row: int
    """Number of the row, from 0."""
    label: str
    candidate: str
    stable: str


class VerifyReport(JobReport):
    """What a deployed arm made of the test pack."""

    kind: Literal["verify"] = "verify"
    passed: bool = False
    """Whether every row was answered and all metrics passed."""
    version: str = ""
    stable_version: str = ""
    """Empty: there is none."""
    rows: int = 0
    """Labelled rows that were sent."""
    compared_rows: int = 0
    """Rows that were answered by both, on which metrics stand."""
    refused_rows: int = 0
    """Rows that the candidate refused as out of distribution."""
    failed_rows: int = 0
    """Rows that the candidate failed to answer."""
    metrics: tuple[VerifiedMetric, ...] = ()
    different_rows: int = 0
    """Compared rows that both answered differently."""
    examples: tuple[DifferentRow, ...] = ()
    """Some of them."""
    latency: Milliseconds | None = None
    """The candidate's, per request of some rows."""
    stable_latency: Milliseconds | None = None


class Spread(Document):
    """How far apart something is, over all rows."""

    p50: float
    p95: float
    p99: float
    largest: float


class AnswerPair(Document):
    """What both answered to some rows."""

    stable: str
    candidate: str
    rows: int


class CompareReport(JobReport):
    """How two versions answered the same rows."""

    kind: Literal["compare"] = "compare"
    passed: bool = False
    """Whether there were enough rows and they agree as much as is asked for."""
    version: str = ""
    stable_version: str = ""
    rows: int = 0
    """Rows that both answered."""
    stable_only_rows: int = 0
    """Rows of the window that only the stable version answered: not copied, or not answered by the candidate."""
    candidate_only_rows: int = 0
    """Rows that only the candidate answered."""
    sampled_share: float | None = None
    """Share of the rows that was looked at, chosen by the hash of request id and row number; all counts are of these.
    Left out: all rows were."""
    equal_rows: int = 0
    agreement: float | None = None
    """Share of equal answers."""
    agreement_low: float | None = None
    """Lower end of its 95 % interval (Wilson)."""
    agreement_high: float | None = None
    """Upper end."""
    bound: float | None = None
    """What was asked for."""
    score_kind: Literal["", "predictions", "probabilities"] = ""
    """What the differences are of: predicted numbers, or probabilities (total variation distance)."""
    score_differences: Spread | None = None
    """Absolute differences."""
    pairs: tuple[AnswerPair, ...] = ()
    """The most frequent pairs of different answers."""
    latency: Milliseconds | None = None
    """The candidate's, per request."""
    stable_latency: Milliseconds | None = None
    flagged_share: float | None = None
    """Share of rows that the candidate's detector called out of distribution."""
    stable_flagged_share: float | None = None
