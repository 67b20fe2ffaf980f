"""Which handler answers which kind of request; each is imported only for its own."""

from typing import cast

from leeboard.contract.examinations import CompareRequest, VerifyRequest
from leeboard.contract.jobs import DriftRequest, FitDetectorRequest, JobReport, JobRequest, RetrainRequest
from leeboard_workers.data.datasets import DatasetError
from leeboard_workers.drift.selection import ColumnSelectionError
from leeboard_workers.jobs.frame import Artifacts, Desk, Handler
from leeboard_workers.jobs.models import ModelError
from leeboard_workers.retrain.context import TrainingError
from leeboard_workers.rollout.asking import BadRepliesError

PERMANENT = (DatasetError, ColumnSelectionError, ModelError, TrainingError, BadRepliesError)
"""Errors that the same request will always meet."""


def handler_of(request: JobRequest) -> Handler:
    """Return what answers a request."""
    return {
        "fit-detector": _fit_detector,
        "drift": _drift,
        "retrain": _retrain,
        "verify": _verify,
        "compare": _compare,
    }[request.kind]


def _fit_detector(request: JobRequest, desk: Desk) -> tuple[JobReport, Artifacts]:
    from leeboard_workers.jobs import fit_detector  # noqa: PLC0415 (only for its own kind)

    return fit_detector.handle(cast("FitDetectorRequest", request), desk)


def _drift(request: JobRequest, desk: Desk) -> tuple[JobReport, Artifacts]:
    from leeboard_workers.jobs import drift  # noqa: PLC0415 (only for its own kind)

    return drift.handle(cast("DriftRequest", request), desk)


def _retrain(request: JobRequest, desk: Desk) -> tuple[JobReport, Artifacts]:
    from leeboard_workers.jobs import retrain  # noqa: PLC0415 (only for its own kind)

    return retrain.handle(cast("RetrainRequest", request), desk)


def _verify(request: JobRequest, desk: Desk) -> tuple[JobReport, Artifacts]:
    from leeboard_workers.jobs import verify  # noqa: PLC0415 (only for its own kind)

    return verify.handle(cast("VerifyRequest", request), desk)


def _compare(request: JobRequest, desk: Desk) -> tuple[JobReport, Artifacts]:
    from leeboard_workers.jobs import compare  # noqa: PLC0415 (only for its own kind)

    return compare.handle(cast("CompareRequest", request), desk)
