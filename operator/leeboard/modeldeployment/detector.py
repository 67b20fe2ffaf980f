"""The detector artifact of a version: found in MLflow by its request, else fitted by a RayJob. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from leeboard.api.modeldeployment import JobUnderWay, ModelDeploymentStatus
from leeboard.api.outofdistribution import Calibration
from leeboard.contract import tags
from leeboard.contract.jobs import FitDetectorReport, FitDetectorRequest, JobOutcome
from leeboard.control.steps import Create
from leeboard.modeldeployment.pursuit import Errand, pursue
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
    job: JobUnderWay | None = None
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
    found = seen.reports.get(wanted.request_hash)
    report = found.report if found is not None and isinstance(found.report, FitDetectorReport) else None
    if report is not None and report.outcome is JobOutcome.MEASURED and report.detector_uri:
        return Detector(Need.READY, f"the detector lies at {report.detector_uri}", uri=report.detector_uri)
    if report is not None and (report.permanent or report.outcome is JobOutcome.INSUFFICIENT):
        return Detector(Need.FAILED, f"no detector can be fitted for version {version}: {report.message}")
    if wanted.reference is None and not _has_training_data(seen, version):
        return Detector(Need.LACKING, _lacking(seen, version), look=_LOOK)
    pursued = pursue(seen, Errand(wanted, PURPOSE, status.attempts, "fits the detector"), status.detector_job)
    need = Need.FAILED if pursued.failed else Need.FITTING
    return Detector(need, pursued.message, job=pursued.job, steps=pursued.steps, look=pursued.look)


def _has_training_data(seen: Seen, version: str) -> bool:
    model = seen.registry.model
    return model is not None and version in model.versions and tags.TRAINING_DATA in model.versions[version].tags


def _lacking(seen: Seen, version: str) -> str:
    return (
        f"version {version} of {seen.subject.spec.model.name} has no tag {tags.TRAINING_DATA}, so nobody knows which "
        "rows belong: set spec.outOfDistribution.reference, or tag the version with the JSON of a dataset, such as "
        '{"uri": "s3://bucket/train.parquet"}'
    )
