"""The detector artifact of a version: found in MLflow by its request, else fitted by a RayJob. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from leeboard.api import modeldeployment
from leeboard.api.modeldeployment import DetectorJob, ModelDeploymentStatus
from leeboard.api.outofdistribution import Calibration
from leeboard.contract import tags
from leeboard.contract.jobs import FitDetectorRequest, JobOutcome
from leeboard.control import attempts, children, names, rayjobs
from leeboard.control.clock import instant, iso
from leeboard.control.conditions import cut
from leeboard.control.steps import Create
from leeboard.modeldeployment.seen import Seen

PURPOSE = "fit"
_LOOK = 10.0


class Need(StrEnum):
    """Where a detector is."""

    NONE = "NotWanted"
    READY = "Fitted"
    FITTING = "Fitting"
    LACKING = "NoTrainingData"
    FAILED = "DetectorFailed"


@dataclass(frozen=True)
class Detector:
    """Where the detector of a version is, and what is to be done for it."""

    need: Need
    message: str = ""
    uri: str | None = None
    job: DetectorJob | None = None
    """The job as it stands in status from now on."""
    steps: tuple[Create, ...] = ()
    look: float | None = None


def request(seen: Seen, version: str, attempt: int = 0) -> FitDetectorRequest | None:
    """Return the request for a version's detector; None: no detector is wanted."""
    metadata, spec = seen.subject.metadata, seen.subject.spec
    wanted = spec.out_of_distribution
    if wanted is None:
        return None
    return FitDetectorRequest(
        namespace=metadata.namespace,
        owner=metadata.name,
        owner_uid=metadata.uid,
        model_deployment=metadata.name,
        model_name=spec.model.name,
        tracking_uri=seen.settings.tracking_uri,
        attempt=attempt,
        version=version,
        detector=wanted.detector,
        input=wanted.input,
        acceptance=wanted.acceptance,
        reference=wanted.reference.dataset if wanted.reference else None,
        calibration=wanted.calibration if wanted.calibration is Calibration.PER_CLASS else None,
    )


def provide(seen: Seen, status: ModelDeploymentStatus, version: str) -> Detector:
    """Say where the detector of a version is, and take the next step towards it."""
    wanted = request(seen, version)
    if wanted is None:
        return Detector(Need.NONE)
    report = seen.reports.get(wanted.request_hash)
    if report is not None and report.outcome is JobOutcome.MEASURED and report.detector_uri:
        return Detector(Need.READY, f"the detector lies at {report.detector_uri}", uri=report.detector_uri)
    if report is not None and (report.permanent or report.outcome is JobOutcome.INSUFFICIENT):
        return Detector(Need.FAILED, f"no detector can be fitted for version {version}: {report.message}")
    if wanted.reference is None and not _has_training_data(seen, version):
        return Detector(Need.LACKING, _lacking(seen, version), look=_LOOK)
    job = status.detector_job
    if job is None or job.request_hash != wanted.request_hash:
        job = DetectorJob(
            ray_job=_job_name(seen, status, wanted, 0),
            request_hash=wanted.request_hash,
            attempt=0,
            started_time=iso(seen.now),
        )
    return _pursue(seen, status, wanted, job)


def _has_training_data(seen: Seen, version: str) -> bool:
    model = seen.registry.model
    return model is not None and version in model.versions and tags.TRAINING_DATA in model.versions[version].tags


def _lacking(seen: Seen, version: str) -> str:
    return (
        f"version {version} of {seen.subject.spec.model.name} has no tag {tags.TRAINING_DATA}, so nobody knows which "
        "rows belong: set spec.outOfDistribution.reference, or tag the version with the JSON of a dataset, such as "
        '{"uri": "s3://bucket/train.parquet"}'
    )


def _job_name(seen: Seen, status: ModelDeploymentStatus, wanted: FitDetectorRequest, attempt: int) -> str:
    return names.ray_job(seen.subject.metadata.name, PURPOSE, wanted.request_hash, status.attempts, attempt)


def _pursue(seen: Seen, status: ModelDeploymentStatus, wanted: FitDetectorRequest, job: DetectorJob) -> Detector:
    if job.failed:
        return Detector(Need.FAILED, job.message, job=job)
    raw = next((raw for raw in seen.jobs if raw["metadata"]["name"] == job.ray_job), None)
    found = attempts.standing(raw, job.ray_job, seen.now, observed=job.observed)
    why = f"; the attempt before: {job.message}" if job.message else ""
    if found.stand is attempts.Stand.UNMADE:
        wait = (instant(job.retry_time) - seen.now).total_seconds() if job.retry_time else 0.0
        if wait > 0:
            return Detector(
                Need.FITTING, f"the RayJob {job.ray_job} is made at {job.retry_time}{why}", job=job, look=wait
            )
        made = Create(_manifest(seen, wanted, job))
        return Detector(Need.FITTING, f"the RayJob {job.ray_job} is made{why}", job=job, steps=(made,), look=_LOOK)
    if found.stand is attempts.Stand.FAILED:
        return _failed(seen, status, wanted, job, found)
    waits = "waits in its queue" if found.stand is attempts.Stand.QUEUED else "fits the detector"
    return Detector(Need.FITTING, f"the RayJob {job.ray_job} {waits}{why}", job=job, look=_LOOK)


def _failed(
    seen: Seen,
    status: ModelDeploymentStatus,
    wanted: FitDetectorRequest,
    job: DetectorJob,
    found: attempts.Standing,
) -> Detector:
    message = cut(found.message, 512)
    if not found.retryable or job.attempt >= seen.subject.spec.job.retries:
        said = f"{message}; {job.attempt + 1} attempts were made"
        over = job.model_copy(update={"failed": True, "message": said})
        return Detector(Need.FAILED, said, job=over)
    name = _job_name(seen, status, wanted, job.attempt + 1)
    following = job.model_copy(update=attempts.next_attempt(job.attempt, name, message, seen.now))
    return Detector(
        Need.FITTING, f"the RayJob {name} is made at {following.retry_time}; {message}", job=following, look=5
    )


def _manifest(seen: Seen, wanted: FitDetectorRequest, job: DetectorJob) -> dict[str, Any]:
    metadata = seen.subject.metadata
    return rayjobs.ray_job(
        name=job.ray_job,
        kind=modeldeployment.KIND,
        owner=metadata,
        labels=children.labels(metadata.name),
        template=seen.subject.spec.job,
        request=wanted.model_copy(update={"attempt": job.attempt}),
        settings=seen.settings,
    )
