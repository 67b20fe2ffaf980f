"""Which document is a request and which is its report, by the kind of the job."""

from leeboard.contract.examinations import CompareReport, CompareRequest, VerifyReport, VerifyRequest
from leeboard.contract.jobs import (
    DriftReport,
    DriftRequest,
    FitDetectorReport,
    FitDetectorRequest,
    JobReport,
    JobRequest,
    RetrainReport,
    RetrainRequest,
)

REQUEST_BY_KIND: dict[str, type[JobRequest]] = {
    "fit-detector": FitDetectorRequest,
    "drift": DriftRequest,
    "retrain": RetrainRequest,
    "verify": VerifyRequest,
    "compare": CompareRequest,
}
REPORT_BY_KIND: dict[str, type[JobReport]] = {
    "fit-detector": FitDetectorReport,
    "drift": DriftReport,
    "retrain": RetrainReport,
    "verify": VerifyReport,
    "compare": CompareReport,
}
