"""Looks at everything that a decision about a ModelDeployment reads; the only place in this room that does."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from leeboard import __version__
from leeboard.api.errors import TransientError
from leeboard.api.modeldeployment import ModelDeployment
from leeboard.contract.jobs import LogTables
from leeboard.contract.registry import ReportedRun
from leeboard.control import names
from leeboard.control.clock import instant
from leeboard.control.kinds import ARM_LABEL, KINDS
from leeboard.control.late import held_up, late_pods
from leeboard.control.ownjobs import own_jobs
from leeboard.control.pods import PATIENCE
from leeboard.control.world import Metrics, World
from leeboard.modeldeployment.arms import read_arm, with_pods
from leeboard.modeldeployment.manifests import runtime_name
from leeboard.modeldeployment.questions import Questions, ask, wants_log
from leeboard.modeldeployment.route import read_route
from leeboard.modeldeployment.seen import ArmSeen, Proof, Reading, RegistrySeen, Seen

_NEEDED = ("InferenceService", "HTTPRoute")


async def observe(subject: ModelDeployment, world: World) -> Seen:
    """Look at children, registry, Prometheus and arms.

    A neighbour that does not answer is part of what is seen, since the traffic must be looked after without it.

    Raises:
        TransientError: the API server lacks a kind without which nothing can be done.
    """
    for kind in _NEEDED:
        if not world.store.serves(kind):
            raise TransientError(
                f"the API server does not know {kind}: install {KINDS[kind].provider}", "MissingCustomResource"
            )
    metadata = subject.metadata
    awaited = _awaited(subject)
    jobs = {job["metadata"]["name"]: job for job in await own_jobs(metadata, awaited, world)}
    runtime = runtime_name(__version__, world.settings)
    route = world.store.get("HTTPRoute", metadata.namespace, names.route(metadata.name))
    seen = Seen(
        now=world.clock.now(),
        subject=subject,
        settings=world.settings,
        leeboard_version=__version__,
        registry=await _look_at_registry(subject.spec.model.name, world),
        arms=await _look_at_arms(subject, world),
        route=read_route(route, metadata.uid) if route is not None else None,
        runtime_exists=world.store.get("ServingRuntime", metadata.namespace, runtime) is not None,
        jobs=tuple(jobs.values()),
        held_up={name: told for name in awaited if (told := await held_up(jobs.get(name), world))},
    )
    if wants_log(seen):
        seen = await _with_log(seen, world)
    return await _answer(seen, ask(seen), world)


def _awaited(subject: ModelDeployment) -> list[str]:
    status = subject.status
    jobs = (status.detector_job, status.rollout.job if status.rollout else None)
    return [job.ray_job for job in jobs if job is not None and job.observed and not job.failed]


async def _look_at_registry(name: str, world: World) -> RegistrySeen:
    try:
        return RegistrySeen(model=await world.registry.model(name))
    except TransientError as error:
        return RegistrySeen(problem=str(error), reason=error.reason)


async def _look_at_arms(subject: ModelDeployment, world: World) -> dict[str, ArmSeen]:
    metadata, status = subject.metadata, subject.status
    found = {service["metadata"]["name"]: service for service in world.store.owned(metadata.uid, "InferenceService")}
    # A namesake that belongs to an older object is in the way, and owned() does not show it.
    for entry in (status.stable, status.candidate):
        namesake = world.store.get("InferenceService", metadata.namespace, entry.arm) if entry else None
        if namesake is not None:
            found.setdefault(namesake["metadata"]["name"], namesake)
    return {name: await _look_at_arm(service, subject, world) for name, service in sorted(found.items())}


async def _look_at_arm(service: Mapping[str, Any], subject: ModelDeployment, world: World) -> ArmSeen:
    metadata, rollout = service["metadata"], subject.status.rollout
    deployments = world.store.owned(metadata["uid"], "Deployment")
    arm = read_arm(service, {raw["metadata"]["name"]: raw for raw in deployments}, subject.metadata.uid)
    if not arm.usable or arm.rolled_out or world.clock.now() - instant(metadata["creationTimestamp"]) < PATIENCE:
        return arm
    pods = await late_pods(metadata["namespace"], f"{ARM_LABEL}={arm.name}", world)
    lost = rollout.unavailable_since_time if rollout is not None else None
    return with_pods(arm, pods, instant(lost) if lost is not None else None) if pods is not None else arm


async def _with_log(seen: Seen, world: World) -> Seen:
    metadata = seen.subject.metadata
    try:
        tables = await world.collector.table_state(metadata.namespace, metadata.name)
    except TransientError as error:
        return replace(seen, log_problem=str(error))
    if tables is None:
        return seen
    return replace(seen, log=LogTables(predictions=tables.predictions, labels=tables.labels))


async def _answer(seen: Seen, questions: Questions, world: World) -> Seen:
    model = seen.subject.spec.model.name
    uris: dict[str, str] = {}
    reports: dict[str, ReportedRun] = {}
    registry = seen.registry
    try:
        for version in questions.versions:
            uris[version] = await world.registry.download_uri(model, version)
        for request in questions.requests:
            found = await world.registry.report(request.experiment, request.request_hash, request.kind)
            if found is not None:
                reports[request.request_hash] = found
    except TransientError as error:
        registry = RegistrySeen(problem=str(error), reason=error.reason)
    return replace(
        seen,
        registry=registry,
        uris=uris,
        reports=reports,
        proofs={arm: await _prove(seen.subject, arm, version, world) for arm, version in questions.proofs.items()},
        readings=await measure(questions.measurements, world.metrics),
    )


async def _prove(subject: ModelDeployment, arm: str, version: str, world: World) -> Proof:
    """Ask an arm for one real prediction."""
    address = f"http://{names.transformer_host(arm, subject.metadata.namespace)}"
    protocol = subject.spec.serving.protocol_version.value
    try:
        rows = await world.registry.input_example(subject.spec.model.name, version)
        wrong = await world.arms.predict(address, subject.metadata.name, protocol, rows) if rows else _nothing(version)
    except TransientError as error:
        return Proof(str(error))
    return Proof(wrong or "", wrong=wrong is not None)


def _nothing(version: str) -> str:
    return (
        f"version {version} has neither an input example nor a signature to make a request from: "
        "log the model with input_example or signature"
    )


async def measure(questions: Mapping[str, Mapping[str, str]], metrics: Metrics) -> dict[str, Reading]:
    """Measure one metric after another; once Prometheus is away, it is away for the rest too.

    Args:
        questions: By metric: PromQL by the question's name.
        metrics: Who answers PromQL.
    """
    readings: dict[str, Reading] = {}
    away: Reading | None = None
    for metric, asked in questions.items():
        reading = away or await _measure(asked, metrics)
        readings[metric] = reading
        if reading.away:
            away = replace(reading, values={})
    return readings


async def _measure(asked: Mapping[str, str], metrics: Metrics) -> Reading:
    values: dict[str, float | None] = {}
    for name, promql in asked.items():
        try:
            values[name] = await metrics.query(promql)
        except TransientError as error:
            return Reading(values=values, error=str(error), away=error.reason == "PrometheusUnavailable")
    return Reading(values=values)
