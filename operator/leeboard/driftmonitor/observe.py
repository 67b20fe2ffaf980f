"""Looks at what a monitor's decision needs, and no further: between ticks it asks no neighbour."""

from dataclasses import replace

from leeboard.api import modeldeployment
from leeboard.api.driftmonitor import DriftMonitor
from leeboard.contract.jobs import experiment_name
from leeboard.control.attempts import Stand, standing
from leeboard.control.late import held_up
from leeboard.control.ownjobs import own_jobs
from leeboard.control.rayjobs import is_running
from leeboard.control.reading import read
from leeboard.control.world import World
from leeboard.driftmonitor import labels
from leeboard.driftmonitor.manifests import desired_request
from leeboard.driftmonitor.seen import ScheduledWindow, Seen
from leeboard.driftmonitor.status import obstacle


async def observe(monitor: DriftMonitor, world: World) -> Seen:
    """Look. Raises TransientError when a neighbour that is needed is away, SpecError for a schedule nobody can read."""
    now = world.clock.now().replace(microsecond=0)
    meta, name = monitor.metadata, monitor.spec.model_deployment_ref.name
    active = monitor.status.active_job
    raw = world.store.get(modeldeployment.KIND, meta.namespace, name)
    seen = Seen(
        monitor=monitor,
        now=now,
        settings=world.settings,
        model=read(modeldeployment.ModelDeployment, raw) if raw is not None else None,
        jobs=await own_jobs(meta, [active.ray_job] if active is not None and active.observed else [], world),
        running_jobs=sum(is_running(job, now) for job in world.store.list("RayJob")),
    )
    if active is not None:
        seen = replace(seen, held_up=await held_up(seen.job(active.ray_job), world))
    window = _window_to_ask_for(seen)
    if window is not None or (obstacle(seen) is None and labels.ripe(seen)):
        seen = replace(seen, tables=await world.collector.table_state(meta.namespace, name))
        window = window or labels.due(seen)
    request_hash = _awaited(seen, window)
    if request_hash is None:
        return seen
    experiment = experiment_name(meta.namespace, name)
    return replace(seen, report=await world.registry.report(experiment, request_hash, "drift"))


def _window_to_ask_for(seen: Seen) -> ScheduledWindow | None:
    """Return the window for which a job may have to be made."""
    active = seen.monitor.status.active_job
    if seen.stable is None:
        return None
    if active is not None:
        if seen.job(active.ray_job) is not None or active.observed:
            return None
        return ScheduledWindow.of_job(active)
    if seen.monitor.spec.suspend or obstacle(seen) is not None or seen.due is None:
        return None
    return seen.window(seen.due)


def _awaited(seen: Seen, window: ScheduledWindow | None) -> str | None:
    """Return the hash of the request whose report may be there by now."""
    request = desired_request(seen, window) if window is not None else None
    if request is not None:
        return request.request_hash
    active = seen.monitor.status.active_job
    if active is None:
        return None
    where = standing(seen.job(active.ray_job), active.ray_job, seen.now, observed=active.observed)
    return active.request_hash if where.stand in {Stand.FAILED, Stand.UNMADE} else None
