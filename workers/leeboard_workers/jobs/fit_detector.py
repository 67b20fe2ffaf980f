"""Fits the out-of-distribution detector of a version to its reference rows, and leaves it as an artifact of the run."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from leeboard.api.outofdistribution import Calibration, DetectorInput
from leeboard.api.shared import DatasetRef
from leeboard.contract.jobs import ExpectedDetection, FitDetectorReport, FitDetectorRequest, JobOutcome
from leeboard_workers.data.datasets import DatasetError, read_dataset, sample_rows
from leeboard_workers.data.encoding.arrow import as_columns
from leeboard_workers.jobs.frame import Desk
from leeboard_workers.jobs.models import LoadedModel, ModelError, Version, find_version, load, signature_inputs
from leeboard_workers.jobs.tracking import TrackedRun
from leeboard_workers.ood.calibrate import TooFewRowsError
from leeboard_workers.ood.detectors import Approximating
from leeboard_workers.ood.fitted import FittedDetector
from leeboard_workers.ood.fitting import Wish, fit_on_outputs, fit_on_rows
from leeboard_workers.ood.outputs import Outputs, head_of, outputs_in, outputs_of
from leeboard_workers.ood.store import save
from leeboard_workers.ood.synthetic import strange_tables

ARTIFACT = "detector"
"""Folder of the detector among the run's artifacts."""

TABLE = "expected-detection.json"
"""Table of the run: how well the detector, and auto's other candidates, tell synthetic outliers."""

_TOLD = 10

log = logging.getLogger(__name__)


def handle(request: FitDetectorRequest, desk: Desk) -> tuple[FitDetectorReport, Mapping[str, Path]]:
    """Fit and store the detector.

    Raises:
        DatasetError: the reference cannot be read, or lacks columns of the model.
        ModelError: the version is missing, or does not answer what the detector looks at.
    """
    version = find_version(desk.run.client, request.model_name, request.version)
    reference = request.reference or version.training_data
    try:
        detector = _fitted(request, desk, version, reference)
    except TooFewRowsError as error:
        insufficient = FitDetectorReport(
            request_hash=request.request_hash, outcome=JobOutcome.INSUFFICIENT, message=str(error), permanent=True
        )
        return insufficient, {}
    folder = desk.workdir / ARTIFACT
    save(detector, folder)
    _log_table(desk.run, detector.expected)
    calibration = len(detector.calibration.scores)
    rows = int(detector.provenance["fitRows"]) + calibration
    report = FitDetectorReport(
        request_hash=request.request_hash,
        outcome=JobOutcome.MEASURED,
        message=_message(request, detector),
        detector_uri=f"{desk.run.artifact_uri.rstrip('/')}/{ARTIFACT}",
        threshold=detector.calibration.threshold,
        reference_rows=rows,
        calibration_rows=calibration,
        detector=detector.kind,
        expected=detector.expected or None,
    )
    return report, {ARTIFACT: folder}


def _message(request: FitDetectorRequest, detector: FittedDetector) -> str:
    calibration = len(detector.calibration.scores)
    said = (
        f"{detector.kind} on {request.input.lower()}: fitted to {detector.provenance['fitRows']} rows, "
        f"calibrated on {calibration} others"
    )
    if detector.left_out:
        names = ", ".join(map(repr, detector.left_out[:_TOLD]))
        more = f" and {len(detector.left_out) - _TOLD} more" if len(detector.left_out) > _TOLD else ""
        said += f"; it does not look at {names}{more}: neither numbers, text nor lists of numbers"
    recall = detector.scorer.recall if isinstance(detector.scorer, Approximating) else None
    if recall is not None:
        said += f"; its index finds {recall:.1%} of the nearest reference rows"
    own = [row for row in detector.expected if row.flagged is not None]
    seen = "; ".join(f"{row.outliers} {row.flagged:.0%}" for row in own)
    return f"{said}; of synthetic outliers it flags: {seen}" if own else said


def _log_table(run: TrackedRun, expected: tuple[ExpectedDetection, ...]) -> None:
    if expected:
        rows = [row.document() for row in expected]
        columns = {name: [row.get(name) for row in rows] for name in rows[0]}
        run.client.log_table(run.run_id, columns, TABLE)


def _fitted(request: FitDetectorRequest, desk: Desk, version: Version, reference: DatasetRef) -> FittedDetector:
    wish = Wish(
        detector=request.detector,
        acceptance=request.acceptance,
        seed=request.seed,
        provenance={
            "model": request.model_name,
            "version": request.version,
            "reference": reference.uri,
            "request": request.request_hash,
        },
        calibration=request.calibration or Calibration.POOLED,
        estimate=True,
    )
    rows = sample_rows(read_dataset(reference), request.max_rows, request.seed)
    labels = _labels(rows, reference)
    try:
        if request.input is DetectorInput.INSTANCES:
            return fit_on_rows(wish, _features(rows, reference, signature_inputs(desk.run.client, version)), labels)
        loaded = load(desk.run.client, request.model_name, request.version)
        return _fit_on_outputs(wish, request, loaded, _features(rows, reference, list(loaded.features)), labels)
    except (DatasetError, ModelError, TooFewRowsError):
        raise
    except ValueError as error:  # rows that do not suit the detector will not suit it next time either
        raise ModelError(f"the detector cannot be fitted to {reference.uri}: {error}") from error


def _labels(rows: pa.Table, reference: DatasetRef) -> pa.ChunkedArray | None:
    name = reference.label_column
    if name is None:
        return None
    if name not in rows.column_names:
        raise DatasetError(f"the reference {reference.uri} lacks its label column {name!r}")
    return rows[name]


def _features(rows: pa.Table, reference: DatasetRef, names: list[str]) -> pa.Table:
    if not names:
        others = {reference.label_column, reference.timestamp_column}
        return rows.select([name for name in rows.column_names if name not in others])
    missing = [name for name in names if name not in rows.column_names]
    if missing:
        raise DatasetError(f"the reference {reference.uri} lacks the model's columns {', '.join(missing[:20])}")
    return rows.select(names)


def _fit_on_outputs(
    wish: Wish, request: FitDetectorRequest, loaded: LoadedModel, features: pa.Table, labels: pa.ChunkedArray | None
) -> FittedDetector:
    outputs = _outputs(request, loaded, features.to_pandas())
    strange = {}
    for kind, table in strange_tables(as_columns(features), np.random.default_rng([request.seed, 3])):
        try:
            strange[kind] = _outputs(request, loaded, pd.DataFrame(table)[features.column_names])
        except ValueError as error:  # a model may refuse what it has never seen: then it needs no detector for that
            log.info("the model does not answer synthetic outliers of the kind %s: %s", kind, error)
    return fit_on_outputs(wish, request.input, outputs, labels, strange=strange, head=head_of(loaded.model))


def _outputs(request: FitDetectorRequest, loaded: LoadedModel, rows: pd.DataFrame) -> NDArray[np.float64]:
    outputs = outputs_of(loaded.model, rows) if hasattr(loaded.model, "get_params") else _answers(loaded, rows)
    matrix = {
        DetectorInput.PROBABILITIES: outputs.probabilities,
        DetectorInput.LOGITS: outputs.logits,
        DetectorInput.FEATURES: outputs.features,
    }[request.input]
    if matrix is None:
        raise ModelError(
            f"version {request.version} of {request.model_name} has no {request.input.lower()}: choose a detector "
            f"with another input"
        )
    return matrix


def _answers(loaded: LoadedModel, rows: pd.DataFrame) -> Outputs:
    """Ask an MLflow model that has no estimator, such as a graph of ONNX.

    Raises:
        ModelError: it does not take the rows, or its answer is none of Leeboard's runtime's.
    """
    inputs = loaded.signature.inputs if loaded.signature is not None else None
    given: Any = rows
    if inputs is not None and inputs.is_tensor_spec() and loaded.features:
        given = {spec.name: np.array(rows[spec.name].tolist(), dtype=spec.type) for spec in inputs.inputs}
    try:
        return outputs_in(loaded.model.predict(given))
    except (MlflowException, ValueError, TypeError) as error:
        version = loaded.version
        raise ModelError(f"version {version.number} of {version.name} cannot be asked: {str(error)[:500]}") from error
