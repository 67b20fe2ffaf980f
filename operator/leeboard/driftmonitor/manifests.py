"""What a scoring job is told, and its RayJob. Pure.

The request is the same for a window whenever it is built: it holds no present time, and of the live arms only what
lies inside the window. So the RayJob's name, which holds the request's hash and the attempt, is the same after a
crash, and a finished report is found again even when the monitor's status is lost.
"""

from typing import Any

from leeboard.api.driftmonitor import KIND, MonitorJob
from leeboard.contract.jobs import DriftRequest, LogTables
from leeboard.control import children, livearms, names
from leeboard.control.clock import iso
from leeboard.control.rayjobs import ray_job
from leeboard.driftmonitor import references
from leeboard.driftmonitor.seen import ScheduledWindow, Seen


def desired_request(seen: Seen, window: ScheduledWindow) -> DriftRequest | None:
    """Return the request that scores a window; None while there is no stable version or no log."""
    monitor, model, stable, tables = seen.monitor, seen.model, seen.stable, seen.tables
    if model is None or stable is None or tables is None:
        return None
    spec, detection = monitor.spec, model.spec.out_of_distribution
    checks = tuple(check for check in spec.checks if not window.checks or check.name in window.checks)
    return DriftRequest(
        namespace=monitor.metadata.namespace,
        owner=monitor.metadata.name,
        owner_uid=monitor.metadata.uid,
        model_deployment=model.metadata.name,
        model_name=model.spec.model.name,
        tracking_uri=seen.settings.tracking_uri,
        version=stable.version,
        window_start_time=iso(window.start),
        window_end_time=iso(window.end),
        log=LogTables(predictions=tables.predictions, labels=tables.labels),
        arms=livearms.within(seen.live_arms, window.start - seen.reach, window.end),
        reference=spec.reference.dataset,
        reference_windows=references.spans(monitor, window.start, window.end),
        columns=spec.columns,
        checks=checks,
        min_rows=spec.window.min_rows,
        max_rows=spec.window.max_rows,
        acceptance=detection.acceptance if detection is not None else None,
        labels_pass=window.labels_pass or None,
    )


def job_name(seen: Seen, request_hash: str, attempt: int) -> str:
    """Name the RayJob of an attempt."""
    return names.ray_job(seen.monitor.metadata.name, "drift", request_hash, attempt)


def desired_job(seen: Seen, job: MonitorJob, request: DriftRequest) -> dict[str, Any]:
    """Return the RayJob of an attempt."""
    monitor = seen.monitor
    return ray_job(
        name=job.ray_job,
        kind=KIND,
        owner=monitor.metadata,
        labels=children.labels(
            monitor.spec.model_deployment_ref.name, {children.LABEL_DRIFT_MONITOR: monitor.metadata.name}
        ),
        template=monitor.spec.job,
        request=request.model_copy(update={"attempt": job.attempt}),
        settings=seen.settings,
    )
