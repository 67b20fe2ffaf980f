"""Looks at what a policy's decision needs; a collector that is away hinders only what needs it."""

from dataclasses import replace

from leeboard.api import driftmonitor, modeldeployment, retrainpolicy
from leeboard.api.errors import TransientError
from leeboard.api.retrainpolicy import RetrainPolicy
from leeboard.api.shared import ObjectMeta
from leeboard.contract.jobs import experiment_name
from leeboard.control.attempts import Stand, standing
from leeboard.control.children import is_being_deleted
from leeboard.control.late import held_up
from leeboard.control.ownjobs import own_jobs
from leeboard.control.rayjobs import is_running
from leeboard.control.reading import read
from leeboard.control.world import World
from leeboard.retrainpolicy import barriers, manifests, triggers
from leeboard.retrainpolicy.seen import Seen


async def observe(policy: RetrainPolicy, world: World) -> Seen:
    """Look. Raises TransientError when MLflow is needed and away."""
    now = world.clock.now().replace(microsecond=0)
    meta, name = policy.metadata, policy.spec.model_deployment_ref.name
    raw = world.store.get(modeldeployment.KIND, meta.namespace, name)
    rivals = world.store.referring(retrainpolicy.KIND, meta.namespace, name)
    seen = Seen(
        policy=policy,
        now=now,
        settings=world.settings,
        model=read(modeldeployment.ModelDeployment, raw) if raw is not None else None,
        monitors=_monitors(policy, world),
        others=tuple(
            ObjectMeta.model_validate(rival["metadata"])
            for rival in rivals
            if rival["metadata"]["name"] != meta.name and not is_being_deleted(rival)
        ),
        jobs=await own_jobs(meta, _awaited(policy), world),
        running_jobs=sum(is_running(job, now) for job in world.store.list("RayJob")),
    )
    seen = await _with_tables(await _with_inputs(seen, world), world)
    if policy.status.active_run is None:
        return await _with_ledger(seen, world)
    if policy.status.active_run.version is not None:
        return await _with_aliases(seen, world)
    return await _with_report(seen, world)


def _awaited(policy: RetrainPolicy) -> list[str]:
    run = policy.status.active_run
    return [run.ray_job] if run is not None and run.observed and run.version is None else []


def _monitors(policy: RetrainPolicy, world: World) -> dict[str, driftmonitor.DriftMonitor | None]:
    continual = policy.spec.level.continual
    found: dict[str, driftmonitor.DriftMonitor | None] = {}
    for trigger in continual.triggers if continual is not None else ():
        name = trigger.monitor
        if name is not None:
            raw = world.store.get(driftmonitor.KIND, policy.metadata.namespace, name)
            found[name] = read(driftmonitor.DriftMonitor, raw) if raw is not None else None
    return found


async def _with_inputs(seen: Seen, world: World) -> Seen:
    """Ask what the stable version takes, when that decides whether a hidden column is missed."""
    if seen.model is None or seen.stable is None or not seen.hidden:
        return seen
    rows = await world.registry.input_example(seen.model.spec.model.name, seen.stable.version)
    named = [frozenset(row) for row in rows if isinstance(row, dict)]
    return replace(seen, inputs=named[0] if named else None)


async def _with_tables(seen: Seen, world: World) -> Seen:
    policy, run = seen.policy, seen.policy.status.active_run
    needed = run is None or (run.version is None and not run.observed)
    if not needed or policy.spec.suspend or not barriers.needs_log(seen):
        return seen
    try:
        tables = await world.collector.table_state(policy.metadata.namespace, policy.spec.model_deployment_ref.name)
    except TransientError as error:
        return replace(seen, collector_away=str(error))
    return replace(seen, tables=tables)


async def _with_ledger(seen: Seen, world: World) -> Seen:
    """Ask MLflow which facts have started runs, when a run is asked for and status remembers none."""
    status = seen.policy.status
    if status.consumed or status.last_start_time is not None or not triggers.facts(seen):
        return seen
    policy = seen.policy.metadata
    experiment = experiment_name(policy.namespace, seen.policy.spec.model_deployment_ref.name)
    ledger = await world.registry.fired(experiment, f"{policy.namespace}/{policy.name}")
    return replace(seen, ledger=tuple(ledger))


async def _with_report(seen: Seen, world: World) -> Seen:
    run = seen.policy.status.active_run
    if run is None:
        return seen
    seen = replace(seen, held_up=await held_up(seen.job(run.ray_job), world))
    where = standing(seen.job(run.ray_job), run.ray_job, seen.now, observed=run.observed)
    if where.stand not in {Stand.FAILED, Stand.UNMADE}:
        return seen
    request = manifests.desired_request(seen, run) if where.stand is Stand.UNMADE else None
    request_hash = request.request_hash if request is not None else run.request_hash
    experiment = experiment_name(seen.policy.metadata.namespace, seen.policy.spec.model_deployment_ref.name)
    return replace(seen, report=await world.registry.report(experiment, request_hash, "retrain"))


async def _with_aliases(seen: Seen, world: World) -> Seen:
    if seen.model is None or seen.pinned:
        return seen
    model = await world.registry.model(seen.model.spec.model.name)
    return replace(seen, aliases=model.aliases if model is not None else None)
