"""A ModelDeployment whose whole surroundings a test plays: registry, arms, gateway, Prometheus, jobs and the clock.

Observing is played from plain data; the questions, the decision and the status are the real ones, and steps are
applied as the API server and MLflow would.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from leeboard.api.modeldeployment import ModelDeployment, ModelDeploymentStatus, RegistryWrite
from leeboard.contract import tags
from leeboard.contract.examinations import CompareReport, VerifyReport
from leeboard.contract.jobs import FitDetectorReport, JobOutcome, JobReport, LogTables
from leeboard.contract.registry import ModelVersion, RegisteredModel, ReportedRun
from leeboard.control.clock import iso
from leeboard.control.pods import PodsSeen
from leeboard.control.steps import (
    Adjust,
    Apply,
    ClaimAlias,
    Create,
    Delete,
    EmitEvent,
    Outcomes,
    Plan,
    Step,
    StepFailure,
    WriteRegistry,
)
from leeboard.modeldeployment import decide, status
from leeboard.modeldeployment.manifests import runtime_name
from leeboard.modeldeployment.questions import ask, wants_log
from leeboard.modeldeployment.route import read_route
from leeboard.modeldeployment.seen import ArmSeen, DeploymentSeen, Proof, Reading, RegistrySeen, Seen
from leeboard.settings import Settings

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
MODEL = "flights"
TRAINING_DATA = json.dumps({"uri": "s3://data/train.parquet"})
PROMOTED = tags.promoted("default", "flights")
REJECTED = tags.rejected("default", "flights")

GOOD = {
    "requests": 1000.0,
    "errors": 0.0,
    "stableRequests": 1000.0,
    "latency": 0.02,
    "latencyAtLeast": 0.02,
    "stableLatency": 0.02,
    "strangers": 50.0,
    "rows": 1000.0,
    "stableStrangers": 50.0,
    "stableRows": 1000.0,
    "value": 1.0,
}
"""What Prometheus answers about a healthy candidate."""

TWO_STEPS = {
    "stages": [{"name": "canary", "canary": {"steps": [{"weight": 10, "hold": "1m"}, {"weight": 50, "hold": "1m"}]}}],
    "analysis": {"interval": "20s", "metrics": [{"name": "errors", "errorRate": {"max": 0.01}}]},
    "progressDeadline": "1h",
    "bake": "2m",
    "scaleDownDelay": "1m",
}


@dataclass
class PlayedArm:
    """An InferenceService and what became of it."""

    manifest: dict[str, Any]
    uid: str
    ready: bool = True
    broken: bool = False
    """Whether KServe says that its model cannot be loaded."""
    pods: PodsSeen | None = None
    """What its pods tell while it is not ready; None: they were not asked."""
    ours: bool = True
    deleting: bool = False

    def seen(self) -> ArmSeen:
        spec = self.manifest["spec"]
        part = DeploymentSeen(rolled_out=self.ready, available=self.ready, pods=self.pods)
        environment = {item["name"]: item.get("value") for item in spec["transformer"]["containers"][0]["env"]}
        return ArmSeen(
            name=self.manifest["metadata"]["name"],
            uid=self.uid,
            version=self.manifest["metadata"]["labels"]["leeboard.dev/version"],
            labels=self.manifest["metadata"]["labels"],
            ours=self.ours,
            deleting=self.deleting,
            min_replicas=spec["predictor"]["minReplicas"],
            max_replicas=spec["predictor"]["maxReplicas"],
            transformer_ready=self.ready,
            predictor=part,
            transformer=part,
            trouble="ModelLoadFailed: no module named models" if self.broken else "",
            load_failed=self.broken,
            detector_uri=environment.get("LEEBOARD_DETECTOR_URI"),
        )


@dataclass
class PlayedDeployment:
    """A ModelDeployment and its surroundings."""

    spec: dict[str, Any] = field(
        default_factory=lambda: {"model": {"name": MODEL}, "rollout": copy.deepcopy(TWO_STEPS)}
    )
    annotations: dict[str, str] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    generation: int = 1
    now: datetime = START
    settings: Settings = field(default_factory=lambda: Settings(collector_url="http://collector"))
    # neighbours
    model: RegisteredModel | None = field(default_factory=lambda: RegisteredModel(MODEL))
    registry_away: bool = False
    registry_refuses: bool = False
    prometheus: str = ""
    """Empty: it answers; `away`; or an error of the query."""
    answers: dict[str, float | None] = field(default_factory=lambda: dict(GOOD))
    log: LogTables | None = field(
        default_factory=lambda: LogTables(predictions="/log/predictions", labels="/log/labels")
    )
    """None: the collector is away."""
    gateway_follows: bool = True
    arms_start: bool = True
    """Whether new arms get ready at once."""
    arms_answer: bool = True
    complaint: tuple[str, bool] = ("it answers 503", False)
    """What is said of an arm that does not answer, and whether it is the version's own doing."""
    only: str = ""
    """Only this arm answers; empty: all do."""
    refused: str = ""
    """Kind of manifest that the API server refuses now."""
    # what stands
    arms: dict[str, PlayedArm] = field(default_factory=dict)
    route: dict[str, Any] | None = None
    runtimes: set[str] = field(default_factory=set)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    reports: dict[str, ReportedRun] = field(default_factory=dict)
    events: list[EmitEvent] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    """Arms that have answered a real prediction while they were rolled out."""
    passes: int = 0
    _numbers: int = 0

    # what a test says

    def register(self, version: str, **more: Any) -> None:
        """Register a version; `tags` and `ready` as in the registry."""
        assert self.model is not None
        known = ModelVersion(
            version, tags=more.get("tags", {tags.TRAINING_DATA: TRAINING_DATA}), ready=more.get("ready", True)
        )
        self.model = replace(self.model, versions={**self.model.versions, version: known})

    def alias(self, alias: str, version: str | None) -> None:
        assert self.model is not None
        others = {name: value for name, value in self.model.aliases.items() if name != alias}
        self.model = replace(self.model, aliases=others | ({alias: version} if version else {}))

    def annotate(self, action: str, value: str) -> None:
        self.annotations[f"leeboard.dev/{action}"] = value

    def change(self, **spec: Any) -> None:
        """Change top-level fields of the spec."""
        self.spec = {**self.spec, **spec}
        self.generation += 1

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def fit(self, uri: str = "mlflow-artifacts:/1/r/artifacts/detector", **more: Any) -> None:
        """Let the newest detector job end with a report."""
        self._answer(FitDetectorReport, detector_uri=uri, **more)

    def verify(self, message: str = "accuracy is 0.9, at least 0.8 is asked for", **more: Any) -> None:
        """Let the newest job, a verification, end with a report."""
        self._answer(VerifyReport, message=message, **({"passed": True} | more))

    def compare(self, message: str = "versions agree on 99.00% of 2000 rows", **more: Any) -> None:
        """Let the newest job, a comparison, end with a report."""
        self._answer(CompareReport, message=message, **({"passed": True} | more))

    def _answer(self, kind: type[JobReport], **more: Any) -> None:
        request = self.jobs[-1]["metadata"]["annotations"]["leeboard.dev/request"]
        report = kind(**({"request_hash": request, "outcome": JobOutcome.MEASURED} | more))
        self.reports[request] = ReportedRun(
            f"run-{request[:6]}", report, f"mlflow-artifacts:/1/{request[:6]}/report.html"
        )
        self.jobs[-1]["status"] = {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}

    def arm_of(self, version: str) -> PlayedArm:
        """Return the newest arm of a version."""
        return [arm for arm in self.arms.values() if arm.seen().version == version][-1]

    # what a test looks at

    @property
    def known(self) -> ModelDeploymentStatus:
        return ModelDeploymentStatus.model_validate(self.status)

    def ready(self) -> tuple[str, str]:
        """Return status and reason of Ready."""
        return self.condition("Ready")

    def condition(self, kind: str) -> tuple[str, str]:
        found = [condition for condition in self.status["conditions"] if condition["type"] == kind]
        return (found[0]["status"], found[0]["reason"]) if found else ("Absent", "")

    def message(self, kind: str = "Ready") -> str:
        return next(condition["message"] for condition in self.status["conditions"] if condition["type"] == kind)

    def split(self) -> dict[str, int]:
        """Return percent by version, as the route weighs the arms."""
        if self.route is None:
            return {}
        weights = read_route(self.route, "uid-1").weights
        return {self.arms[arm].seen().version if arm in self.arms else arm: weight for arm, weight in weights.items()}

    # passes

    def seen(self) -> Seen:
        """Look at everything, as observe does."""
        raw = {
            "apiVersion": "leeboard.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {
                "name": "flights",
                "namespace": "default",
                "uid": "uid-1",
                "generation": self.generation,
                "annotations": dict(self.annotations),
            },
            "spec": self.spec,
            "status": self.status,
        }
        away = RegistrySeen(problem="MLflow at http://mlflow does not answer", reason="RegistryUnavailable")
        seen = Seen(
            now=self.now,
            subject=ModelDeployment.model_validate(copy.deepcopy(raw)),
            settings=self.settings,
            leeboard_version="0.1.0",
            registry=away if self.registry_away else RegistrySeen(model=self.model),
            arms={name: arm.seen() for name, arm in sorted(self.arms.items())},
            route=read_route(self.route, "uid-1") if self.route else None,
            runtime_exists=runtime_name("0.1.0", self.settings) in self.runtimes,
            jobs=tuple(copy.deepcopy(self.jobs)),
        )
        if wants_log(seen):
            why = "" if self.log is not None else "the collector does not answer"
            seen = replace(seen, log=self.log, log_problem=why)
        asked = ask(seen)
        answering = {arm for arm in asked.proofs if self.arms_answer and self.only in {"", arm}}
        self.answered |= answering
        return replace(
            seen,
            uris={}
            if self.registry_away
            else {version: f"mlflow-artifacts:/1/m-{version}/artifacts" for version in asked.versions},
            reports={
                request.request_hash: self.reports[request.request_hash]
                for request in asked.requests
                if request.request_hash in self.reports
            },
            proofs={arm: Proof() if arm in answering else Proof(*self.complaint) for arm in asked.proofs},
            readings={name: self._reading(questions) for name, questions in asked.measurements.items()},
        )

    def _reading(self, questions: Any) -> Reading:
        if self.prometheus:
            return Reading(error=f"Prometheus: {self.prometheus}", away=self.prometheus == "away")
        return Reading(values={name: self.answers.get(name) for name in questions})

    def step(self, *, crash_after: int | None = None) -> Plan:
        """Make one pass; a crash after so many steps leaves the status as it was."""
        self.passes += 1
        seen = self.seen()
        plan = decide.decide(seen)
        outcomes = Outcomes()
        unwritten: list[RegistryWrite] = []
        for number, step in enumerate(plan.steps):
            if crash_after is not None and number >= crash_after:
                return plan
            refused = self._apply(step, unwritten)
            if refused:
                outcomes = StepFailure(step, refused, transient=True)
                break
        if crash_after is not None:
            return plan
        failure = outcomes if isinstance(outcomes, StepFailure) else None
        done = Outcomes(failure, tuple(unwritten), "MLflow refuses the write" if unwritten else "")
        written = status.status_of(seen, plan, done)
        ModelDeploymentStatus.model_validate(written)
        self.status = json.loads(json.dumps(written))
        return plan

    def settle(self, most: int = 30) -> None:
        """Make passes, in no time, until nothing is left to do at once."""
        for _ in range(most):
            before = copy.deepcopy((self.status, self.route, sorted(self.arms), len(self.jobs)))
            self.step()
            if before == (self.status, self.route, sorted(self.arms), len(self.jobs)):
                return
        raise AssertionError(f"{most} passes did not settle: {self.message()}")

    def run(self, seconds: float, every: float = 10) -> None:
        """Let time go by, with passes."""
        end = self.now + timedelta(seconds=seconds)
        self.settle()
        while self.now < end:
            self.wait(min(every, (end - self.now).total_seconds()))
            self.settle()

    def serve(self, version: str = "1") -> None:
        """Bring the first version in."""
        self.register(version)
        self.alias("champion", version)
        self.settle()
        assert self.ready() == ("True", "Serving"), self.message()

    # what the API server and MLflow do

    def _apply(self, step: Step, unwritten: list[RegistryWrite]) -> str:
        """Carry a step out, and say why it is refused."""
        match step:
            case Apply() | Create() if self.refused == step.manifest["kind"]:
                return "the API server refuses it"
            case Apply():
                generation = self.route["metadata"]["generation"] + 1 if self.route else 1
                self.route = copy.deepcopy(step.manifest)
                self.route["metadata"]["generation"] = generation
                self.follow()
            case Create():
                self._create(step.manifest)
            case Adjust():
                self._adjust(step)
            case Delete():
                self.arms.pop(step.name, None)
                self.jobs = [job for job in self.jobs if job["metadata"]["name"] != step.name]
            case EmitEvent():
                self.events.append(step)
            case WriteRegistry():
                self._write_all(step.writes, unwritten)
            case ClaimAlias():
                self._claim(step)
        return ""

    def _adjust(self, step: Adjust) -> None:
        for part in ("predictor", "transformer"):
            size = {"minReplicas": step.min_replicas, "maxReplicas": step.max_replicas}
            self.arms[step.name].manifest["spec"][part].update(size)

    def _claim(self, step: ClaimAlias) -> None:
        assert self.model is not None
        self.model = replace(self.model, tags={**self.model.tags, tags.owner(step.alias): step.owner})

    def follow(self) -> None:
        """Let the gateway take up the route, if it follows at all."""
        if self.route is None or not self.gateway_follows:
            return
        generation = self.route["metadata"]["generation"]
        self.route["status"] = {
            "parents": [
                {
                    "parentRef": parent,
                    "conditions": [
                        {"type": kind, "status": "True", "observedGeneration": generation}
                        for kind in ("Accepted", "ResolvedRefs")
                    ],
                }
                for parent in self.route["spec"]["parentRefs"]
            ]
        }

    def _create(self, manifest: dict[str, Any]) -> None:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        self._numbers += 1
        if kind == "InferenceService" and name not in self.arms:
            self.arms[name] = PlayedArm(copy.deepcopy(manifest), f"arm-{self._numbers}", ready=self.arms_start)
        elif kind == "ServingRuntime":
            self.runtimes.add(name)
        elif kind == "RayJob" and all(job["metadata"]["name"] != name for job in self.jobs):
            job = copy.deepcopy(manifest)
            job["metadata"] |= {"uid": f"job-{self._numbers}", "creationTimestamp": iso(self.now)}
            self.jobs.append(job)

    def _write_all(self, writes: tuple[RegistryWrite, ...], unwritten: list[RegistryWrite]) -> None:
        if self.registry_refuses:
            unwritten.extend(writes)
            return
        for write in writes:
            self._write(write)

    def _write(self, write: RegistryWrite) -> None:
        assert self.model is not None
        if write.set_alias:
            self.alias(write.set_alias, write.version)
        if write.delete_alias and self.model.aliases.get(write.delete_alias) == write.version:
            self.alias(write.delete_alias, None)
        if write.tag and write.version in self.model.versions:
            version = self.model.versions[write.version]
            others = {name: value for name, value in version.tags.items() if name != write.tag}
            fresh = {write.tag: write.tag_value} if write.tag_value is not None else {}
            self.model = replace(
                self.model, versions={**self.model.versions, write.version: replace(version, tags=others | fresh)}
            )
