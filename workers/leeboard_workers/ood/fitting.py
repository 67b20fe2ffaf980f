"""Fits a detector to reference rows: some of them to learn from, others to set the threshold by."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from leeboard.api.outofdistribution import Detector, DetectorInput
from leeboard_workers.data.encoding.arrow import as_columns, fit_encoder
from leeboard_workers.ood.calibrate import Calibration, split
from leeboard_workers.ood.detectors import Labels, Matrix, Scorer, fit_scorer, kind_of
from leeboard_workers.ood.fitted import FittedDetector, score_encoded

_MAX_CLASSES = 100
_FEWEST_ROWS = 20
_FEWEST_PER_CLASS = 10
_ROWS_FOR_LIFT = 1_000


def fit_on_rows(
    detector: Detector,
    rows: pa.Table,
    labels: pa.ChunkedArray | None,
    *,
    acceptance: float,
    seed: int,
    provenance: dict[str, str | int],
) -> FittedDetector:
    """Fit a detector that looks at request rows.

    Args:
        detector: Which one.
        rows: Reference rows, features only.
        labels: Outcome of each row, or none.
        acceptance: Share of rows that must pass.
        seed: Seed of every random choice.
        provenance: What the stored detector says about its origin.

    Raises:
        ValueError: too few rows, or none of their columns can be used.
    """
    rng, fit, held_out = _prepared(rows.num_rows, seed)
    known = rows.take(pa.array(fit))
    encoder = fit_encoder(known)
    classes = _classes(labels.take(pa.array(fit)) if labels is not None else None)
    reference = encoder.encode(as_columns(known))
    scorer = fit_scorer(detector, reference, classes, rng=rng)
    lift = _lift(scorer, reference)
    scores = score_encoded(scorer, encoder.read(as_columns(rows.take(pa.array(held_out)))), lift)
    return FittedDetector(
        kind=kind_of(detector),
        input=DetectorInput.INSTANCES,
        acceptance=acceptance,
        scorer=scorer,
        calibration=Calibration.of(scores, acceptance),
        encoder=encoder,
        lift=lift,
        provenance=provenance | {"fitRows": len(fit), "calibrationRows": len(held_out), "seed": seed},
    )


def fit_on_outputs(
    detector: Detector,
    what: DetectorInput,
    outputs: Matrix,
    labels: pa.ChunkedArray | None,
    *,
    acceptance: float,
    seed: int,
    provenance: dict[str, str | int],
) -> FittedDetector:
    """Fit a detector that looks at an output of the model: rows by columns; rows that are not finite are left out.

    Raises:
        ValueError: too few rows, or the outputs do not suit the detector.
    """
    usable = np.flatnonzero(np.isfinite(outputs).all(axis=1))
    rng, fit, held_out = _prepared(len(usable), seed)
    fit, held_out = usable[fit], usable[held_out]
    classes = _classes(labels.take(pa.array(fit)) if labels is not None else None)
    scorer = fit_scorer(detector, outputs[fit], classes, rng=rng, logits=what is DetectorInput.LOGITS)
    return FittedDetector(
        kind=kind_of(detector),
        input=what,
        acceptance=acceptance,
        scorer=scorer,
        calibration=Calibration.of(scorer.score(outputs[held_out]), acceptance),
        encoder=None,
        lift=0.0,
        provenance=provenance | {"fitRows": len(fit), "calibrationRows": len(held_out), "seed": seed},
    )


def _lift(scorer: Scorer, reference: Matrix) -> float:
    """Return ten times what some reference rows' scores differ at most."""
    scores = scorer.score(reference[:: max(1, len(reference) // _ROWS_FOR_LIFT)])
    return 10.0 * float(np.ptp(scores)) or 1.0


def _prepared(rows: int, seed: int) -> tuple[np.random.Generator, NDArray[np.int64], NDArray[np.int64]]:
    if rows < _FEWEST_ROWS:
        raise ValueError(f"a detector needs at least {_FEWEST_ROWS} reference rows, there are {rows}")
    rng = np.random.default_rng(seed)
    return rng, *split(rows, rng)


def _classes(labels: pa.ChunkedArray | None) -> Labels | None:
    """Return class numbers; none, when the outcomes are no classes or some class has hardly any row."""
    if labels is None or labels.null_count or pa.types.is_nested(labels.type):
        return None
    values, classes, counts = np.unique(labels.to_numpy(), return_inverse=True, return_counts=True)
    if len(values) > _MAX_CLASSES or counts.min() < _FEWEST_PER_CLASS:
        return None
    return classes.astype(np.int64)
