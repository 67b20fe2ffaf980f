"""Everything that a decision about a ModelDeployment reads: plain data, made by observe, and by tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leeboard.api.modeldeployment import ModelDeployment
from leeboard.contract.jobs import LogTables
from leeboard.contract.registry import RegisteredModel, ReportedRun
from leeboard.control.pods import PodsSeen
from leeboard.settings import Settings


@dataclass(frozen=True)
class DeploymentSeen:
    """One of an arm's two Deployments."""

    rolled_out: bool
    """The controller has seen the newest template, and all its pods are available, and there is at least one."""
    available: bool
    """At least one pod answers."""
    message: str = ""
    """Why it is not available, where the controller says so."""
    pods: PodsSeen | None = None
    """What its pods tell; None: they were not asked."""


@dataclass(frozen=True)
class ArmSeen:
    """An InferenceService under one of our names, with its Deployments."""

    name: str
    uid: str
    version: str
    ours: bool = True
    """Whether it belongs to this very object, and not to an older one of the same name."""
    deleting: bool = False
    min_replicas: int = 1
    max_replicas: int = 1
    transformer_ready: bool = False
    predictor: DeploymentSeen | None = None
    transformer: DeploymentSeen | None = None
    trouble: str = ""
    """What KServe says is wrong."""
    load_failed: bool = False
    """Whether what is wrong is the version's own: its model cannot be loaded."""
    detector_uri: str | None = None
    """The detector that it carries."""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether it is ours and stays."""
        return self.ours and not self.deleting

    @property
    def rolled_out(self) -> bool:
        """Whether both Deployments are rolled out and KServe calls the transformer ready (Ready alone lies)."""
        return (
            self.usable
            and self.transformer_ready
            and all(part is not None and part.rolled_out for part in (self.predictor, self.transformer))
        )

    @property
    def blameless(self) -> bool:
        """Whether its pods say that the cluster explains why nothing answers: none crashed, none runs unready."""
        asked = [part.pods for part in (self.predictor, self.transformer) if part is not None and part.pods is not None]
        return bool(asked) and not any(pods.at_fault for pods in asked)

    @property
    def available(self) -> bool:
        """Whether at least one pod of each Deployment answers."""
        return self.usable and all(part is not None and part.available for part in (self.predictor, self.transformer))


@dataclass(frozen=True)
class ParentSeen:
    """What a Gateway says about the route."""

    gateway: str
    accepted: bool
    resolved: bool
    current: bool
    """Whether it has looked at the route's newest generation."""
    message: str = ""


@dataclass(frozen=True)
class RouteSeen:
    """The HTTPRoute."""

    ours: bool
    deleting: bool
    shape: Mapping[str, Any]
    """What of its spec is Leeboard's, in a form that compares."""
    weights: Mapping[str, int]
    """Percent by arm."""
    mentioned: frozenset[str] = frozenset()
    """All arms that it speaks of, be it with a weight, for copies or by a header."""
    parents: tuple[ParentSeen, ...] = ()


@dataclass(frozen=True)
class RegistrySeen:
    """The registered model, or why it cannot be seen."""

    model: RegisteredModel | None = None
    """None although the registry answers: there is no such model."""
    problem: str = ""
    """Why the registry does not answer; empty: it does."""
    reason: str = ""
    """CamelCase reason of the problem."""

    @property
    def answers(self) -> bool:
        """Whether the registry answers."""
        return not self.problem


@dataclass(frozen=True)
class Reading:
    """What Prometheus answered for one metric: a number by the question's name; None: no data."""

    values: Mapping[str, float | None] = field(default_factory=dict)
    error: str = ""
    """Why a question could not be answered; empty: all were."""
    away: bool = False
    """Whether Prometheus did not answer at all."""


@dataclass(frozen=True)
class Proof:
    """What one real prediction through an arm brought."""

    complaint: str = ""
    """Why it brought no answer; empty: every row was answered."""
    wrong: bool = False
    """Whether that is the version's own doing: it answers, and wrongly, or nothing can be asked of it."""


@dataclass(frozen=True)
class Seen:
    """Everything that a decision reads."""

    now: datetime
    subject: ModelDeployment
    settings: Settings
    leeboard_version: str
    """Leeboard's own version: a part of its runtime's name."""
    registry: RegistrySeen
    arms: Mapping[str, ArmSeen] = field(default_factory=dict)
    """By name."""
    route: RouteSeen | None = None
    runtime_exists: bool = False
    """Whether Leeboard's ServingRuntime of this version exists in the namespace."""
    jobs: tuple[Mapping[str, Any], ...] = ()
    """RayJobs of this object."""
    held_up: Mapping[str, str] = field(default_factory=dict)
    """By RayJob under way: what keeps its pods from running."""
    uris: Mapping[str, str] = field(default_factory=dict)
    """By version: where its files are fetched from."""
    reports: Mapping[str, ReportedRun] = field(default_factory=dict)
    """By request hash: the finished report."""
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    """By arm: what one real prediction through it brought."""
    readings: Mapping[str, Reading] = field(default_factory=dict)
    """By metric of the analysis, when a measurement was due."""
    log: LogTables | None = None
    """The prediction log, when a comparison is due; None: it is not known."""
    log_problem: str = ""
    """Why it is not known."""
