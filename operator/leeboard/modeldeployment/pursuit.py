"""Pursues the answer to a request: a RayJob is made, looked after and tried again, until there is a report. Pure."""

from dataclasses import dataclass
from typing import Any

from leeboard.api import modeldeployment
from leeboard.api.modeldeployment import JobUnderWay
from leeboard.contract.jobs import JobRequest
from leeboard.control import attempts, children, names, rayjobs
from leeboard.control.clock import instant, iso
from leeboard.control.conditions import cut
from leeboard.control.steps import Create
from leeboard.modeldeployment.seen import Seen

_LOOK = 10.0
_RETRY_LOOK = 5.0


@dataclass(frozen=True)
class Pursuit:
    """Where the job for a request is, and what is to be done for it."""

    job: JobUnderWay
    """The job as it stands in status from now on."""
    message: str
    steps: tuple[Create, ...] = ()
    look: float | None = None

    @property
    def failed(self) -> bool:
        """Whether no further attempt is made unless a person asks."""
        return self.job.failed


@dataclass(frozen=True)
class Errand:
    """What a job is made for."""

    request: JobRequest
    purpose: str
    """fit, verify or compare: a part of the job's name."""
    round: int
    """Another number makes other names for the jobs."""
    doing: str
    """What the job does, for a message: `fits the detector`."""


def pursue(seen: Seen, errand: Errand, job: JobUnderWay | None) -> Pursuit:
    """Say where the job for a request without a report is, and take the next step.

    Args:
        seen: What was seen.
        errand: What the job is for.
        job: The job that status knows, perhaps for another request.
    """
    if job is None or job.request_hash != errand.request.request_hash:
        job = JobUnderWay(
            ray_job=_name(seen, errand, 0),
            request_hash=errand.request.request_hash,
            attempt=0,
            started_time=iso(seen.now),
        )
    if job.failed:
        return Pursuit(job, job.message)
    raw = next((raw for raw in seen.jobs if raw["metadata"]["name"] == job.ray_job), None)
    found = attempts.standing(raw, job.ray_job, seen.now, observed=job.observed)
    why = f"; the attempt before: {job.message}" if job.message else ""
    if found.stand is attempts.Stand.UNMADE:
        wait = (instant(job.retry_time) - seen.now).total_seconds() if job.retry_time else 0.0
        if wait > 0:
            return Pursuit(job, f"the RayJob {job.ray_job} is made at {job.retry_time}{why}", look=wait)
        made = Create(_manifest(seen, errand, job))
        return Pursuit(job, f"the RayJob {job.ray_job} is made{why}", (made,), _LOOK)
    if found.stand is attempts.Stand.FAILED:
        return _failed(seen, errand, job, found)
    doing = attempts.doing(found, errand.doing, seen.held_up.get(job.ray_job, ""))
    return Pursuit(job, f"the RayJob {job.ray_job} {doing}{why}", look=_LOOK)


def given_up(seen: Seen, errand: Errand, job: JobUnderWay | None, message: str) -> JobUnderWay:
    """Return the job as it stands when its report says that trying again cannot help."""
    known = pursue(seen, errand, job).job
    return known if known.failed else known.model_copy(update={"failed": True, "message": cut(message, 512)})


def _name(seen: Seen, errand: Errand, attempt: int) -> str:
    owner = seen.subject.metadata.name
    return names.ray_job(owner, errand.purpose, errand.request.request_hash, errand.round, attempt)


def _failed(seen: Seen, errand: Errand, job: JobUnderWay, found: attempts.Standing) -> Pursuit:
    message = cut(found.message, 512)
    if not found.retryable or job.attempt >= seen.subject.spec.job.retries:
        said = f"{message}; {job.attempt + 1} attempts were made"
        return Pursuit(job.model_copy(update={"failed": True, "message": said}), said)
    name = _name(seen, errand, job.attempt + 1)
    following = job.model_copy(update=attempts.next_attempt(job.attempt, name, message, seen.now))
    return Pursuit(following, f"the RayJob {name} is made at {following.retry_time}; {message}", look=_RETRY_LOOK)


def _manifest(seen: Seen, errand: Errand, job: JobUnderWay) -> dict[str, Any]:
    metadata = seen.subject.metadata
    return rayjobs.ray_job(
        name=job.ray_job,
        kind=modeldeployment.KIND,
        owner=metadata,
        labels=children.labels(metadata.name),
        template=seen.subject.spec.job,
        request=errand.request.model_copy(update={"attempt": job.attempt}),
        settings=seen.settings,
    )
