"""How an attempt at a job stands, when the next one may be made, and which RayJobs may go. Pure.

A RayJob is made once under a name that holds the request's hash and the attempt. Status names it before it is made:

    intent in status ── create ── seen ── running ── ended ── report in MLflow ── outcome in status ── pruned
         (unmade)          │                  │         │
                           └ crash: make it   └ gone ───┴ no report: the attempt failed
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from leeboard.control.children import is_being_deleted
from leeboard.control.clock import iso
from leeboard.control.conditions import cut
from leeboard.control.rayjobs import JobState, job_verdict
from leeboard.control.steps import Delete

KEPT_JOBS = 10
"""As many ended RayJobs are kept as a history is long."""

LOOK_WHILE_RUNNING = 60.0
"""Seconds between looks at a job that runs, for its deadlines; its changes bring a look at once."""

_FIRST_DELAY = timedelta(seconds=5)
_LONGEST_DELAY = timedelta(minutes=10)
_STOPPED_BY_ITSELF = {"AppFailed", "SubmissionFailed"}
"""With any other reason KubeRay only gave up: on a standing cluster the work may go on until the RayJob is deleted."""


class Stand(StrEnum):
    """Where an attempt is."""

    UNMADE = "Unmade"
    RUNNING = "Running"
    QUEUED = "Queued"
    UNCLAIMED = "Unclaimed"
    FAILED = "Failed"


@dataclass(frozen=True)
class Standing:
    """Where an attempt is, and for a failed one why."""

    stand: Stand
    message: str = ""
    retryable: bool = True
    """Whether another attempt may go better."""


def standing(job: Mapping[str, Any] | None, name: str, now: datetime, *, observed: bool) -> Standing:
    """Say where an attempt is of which there is no report.

    Args:
        job: Its RayJob; None: there is none.
        name: The RayJob's name.
        now: The present instant.
        observed: Whether the RayJob has been seen before.
    """
    if job is None or is_being_deleted(job):
        if observed or job is not None:
            return Standing(Stand.FAILED, f"the RayJob {name} was deleted before it left a report")
        return Standing(Stand.UNMADE)
    verdict = job_verdict(job, now)
    if verdict.state is JobState.SUCCEEDED:
        return Standing(
            Stand.FAILED,
            f"the RayJob {name} succeeded but left no finished report in MLflow: see whether its LEEBOARD_REQUEST and "
            "MLFLOW_TRACKING_URI reached the worker",
        )
    if verdict.ended:
        message = f"the RayJob {name} failed ({verdict.reason}): {verdict.message}"
        return Standing(Stand.FAILED, message, retryable=verdict.retryable)
    return Standing(Stand(verdict.state.value))


def doing(where: Standing, work: str, held_up: str) -> str:
    """Say what an attempt that goes on does.

    Args:
        where: Where it is.
        work: What it does once its pods run: `trains`.
        held_up: What keeps them from running; empty: nothing.
    """
    waits = {
        Stand.QUEUED: "waits in its queue",
        Stand.UNCLAIMED: "waits for KubeRay to take it up (see whether its operator runs)",
        Stand.RUNNING: f"waits for its pods ({held_up})" if held_up else work,
    }
    return waits[where.stand]


def next_attempt(attempt: int, name: str, message: str, now: datetime) -> dict[str, Any]:
    """Return what changes in status when an attempt (from 0) has failed: the next comes in 5 s, 20 s, 80 s, … 10 min.

    Args:
        attempt: The attempt that failed.
        name: The next one's RayJob.
        message: Why it failed.
        now: The present instant.
    """
    wait = min(_FIRST_DELAY * 4 ** min(attempt, 8), _LONGEST_DELAY)
    return {
        "attempt": attempt + 1,
        "ray_job": name,
        "observed": False,
        "retry_time": iso(now + wait),
        "message": cut(message),
    }


def surplus(jobs: Sequence[Mapping[str, Any]], active: Collection[str]) -> tuple[Delete, ...]:
    """Return the RayJobs that may go: those that still work but nobody waits for, and the oldest of those that ended.

    Args:
        jobs: All RayJobs of one owner.
        active: Names of those whose outcome does not stand in status yet: never touched.
    """
    idle = [job for job in jobs if job["metadata"]["name"] not in active and not is_being_deleted(job)]
    ended = [job for job in idle if _stopped(job)]
    strays = [job for job in idle if not _stopped(job)]
    ended.sort(key=lambda job: (job["metadata"].get("creationTimestamp", ""), job["metadata"]["name"]), reverse=True)
    return tuple(
        Delete(kind="RayJob", name=job["metadata"]["name"], uid=job["metadata"]["uid"])
        for job in (*strays, *ended[KEPT_JOBS:])
    )


def _stopped(job: Mapping[str, Any]) -> bool:
    status = job.get("status") or {}
    deployment = status.get("jobDeploymentStatus", "")
    return deployment == "Complete" or (deployment == "Failed" and status.get("reason", "") in _STOPPED_BY_ITSELF)
