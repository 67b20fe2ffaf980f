"""Fits a detector to reference rows: some of them to learn from, others to set the threshold by."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from leeboard.api.outofdistribution import Calibration as CalibrationMode
from leeboard.api.outofdistribution import Detector, DetectorInput
from leeboard_workers.data.encoding import Encoded, Encoder
from leeboard_workers.data.encoding.arrow import as_columns, fit_encoder
from leeboard_workers.ood.calibrate import Calibration, ClassCalibration, split
from leeboard_workers.ood.choose import Choice, choose, expected, lift_of
from leeboard_workers.ood.detectors import Classifying, Head, Known, Labels, Matrix, Scorer, fit_scorer
from leeboard_workers.ood.fitted import FittedDetector, scorable, score_encoded
from leeboard_workers.ood.synthetic import strange_tables, tails

_MAX_CLASSES = 100
_FEWEST_ROWS = 20
_FEWEST_PER_CLASS = 10
_TAKES_CLASSES = ("mahalanobis", "relativeMahalanobis", "auto")


@dataclass(frozen=True)
class Wish:
    """What is asked for beside the rows."""

    detector: Detector
    acceptance: float
    """Share of rows that must pass."""
    seed: int
    """Seed of every random choice."""
    provenance: Mapping[str, str | int]
    """What the stored detector says about its origin."""
    calibration: CalibrationMode = CalibrationMode.POOLED
    estimate: bool = False
    """Whether to estimate how well synthetic outliers are told; auto always does."""

    @property
    def judges(self) -> bool:
        """Whether outliers are needed."""
        return self.estimate or self.detector.auto is not None


def fit_on_rows(wish: Wish, rows: pa.Table, labels: pa.ChunkedArray | None) -> FittedDetector:
    """Fit a detector that looks at request rows.

    Args:
        wish: Which one, and how it is calibrated.
        rows: Reference rows, features only.
        labels: Outcome of each row, or none; of detectors that take classes, rows without one are left out.

    Raises:
        ValueError: too few rows, or none of their columns can be used.
    """
    rng, fit, held_out = _prepared(rows.num_rows, wish.seed)
    columns = as_columns(rows.take(pa.array(fit)))
    encoder = fit_encoder(rows.take(pa.array(fit)))
    matrix = encoder.encode(columns)
    labelled, classes = _classes(wish.detector, labels, fit)
    known = Known(matrix if labelled is None else matrix[labelled], classes)
    strange: dict[str, Encoded] = {}
    if wish.judges:
        chance = np.random.default_rng([wish.seed, 3])
        looked_at = {name: columns[name] for name in encoder.names}
        strange = {kind: encoder.read(table) for kind, table in strange_tables(looked_at, chance)}
    held = encoder.read(as_columns(rows.take(pa.array(held_out))))
    left_out = tuple(name for name in rows.column_names if name not in encoder.names)
    return _fitted(wish, known, held, strange, encoder=encoder, rng=rng, left_out=left_out)


def fit_on_outputs(
    wish: Wish,
    what: DetectorInput,
    outputs: Matrix,
    labels: pa.ChunkedArray | None,
    *,
    strange: Mapping[str, Matrix] | None = None,
    head: Head | None = None,
) -> FittedDetector:
    """Fit a detector that looks at an output of the model; rows that cannot be scored are left out.

    Args:
        wish: Which one, and how it is calibrated.
        what: Which output.
        outputs: Rows by columns.
        labels: Outcome of each row, or none.
        strange: What the model answers to outliers, by their kind.
        head: Its last layer, for detectors on features.

    Raises:
        ValueError: too few rows, or the outputs do not suit the detector.
    """
    usable = np.flatnonzero(scorable(outputs))
    rng, fit, held_out = _prepared(len(usable), wish.seed)
    fit, held_out = usable[fit], usable[held_out]
    labelled, classes = _classes(wish.detector, labels, fit)
    known = Known(outputs[fit if labelled is None else fit[labelled]], classes, what, head)
    finite = {kind: rows[scorable(rows)] for kind, rows in (strange or {}).items()}
    told = {kind: _plain(rows) for kind, rows in finite.items() if len(rows)}
    return _fitted(wish, known, _plain(outputs[held_out]), told, encoder=None, rng=rng)


def _fitted(
    wish: Wish,
    known: Known,
    held: Encoded,
    strange: dict[str, Encoded],
    *,
    encoder: Encoder | None,
    rng: np.random.Generator,
    left_out: tuple[str, ...] = (),
) -> FittedDetector:
    if wish.judges and (encoder is not None or not strange):  # a Gaussian's tails would favour distances to its mean
        far = tails(known, np.random.default_rng([wish.seed, 4]))
        strange["tails"] = Encoded(far, np.zeros((len(far), held.alarms.shape[1]), dtype=bool))
    choice = choose(known, strange, wish.seed) if wish.detector.auto is not None else Choice(wish.detector, ())
    kind, scorer = fit_scorer(choice.detector, known, rng)
    lift = lift_of(scorer, known.rows) if encoder is not None else 0.0
    with np.errstate(all="ignore"):
        scores = score_encoded(scorer, held, lift)
    if not (finite := np.isfinite(scores)).all():
        held, scores = Encoded(held.matrix[finite], held.alarms[finite]), scores[finite]
    calibration = Calibration.of(scores, wish.acceptance)
    table = choice.compared
    if wish.judges and strange:
        table = expected(kind, scorer, lift, held, strange, seed=wish.seed, calibration=calibration) + table
    rows = {"fitRows": len(known.rows), "calibrationRows": len(scores), "seed": wish.seed}
    return FittedDetector(
        kind=kind,
        input=known.what,
        acceptance=wish.acceptance,
        scorer=scorer,
        calibration=calibration,
        encoder=encoder,
        lift=lift,
        provenance={**wish.provenance, **rows},
        left_out=left_out,
        by_class=_by_class(wish, scorer, known, held, scores),
        expected=table,
    )


def _by_class(wish: Wish, scorer: Scorer, known: Known, held: Encoded, scores: Matrix) -> ClassCalibration | None:
    if wish.calibration is CalibrationMode.POOLED:
        return None
    if not isinstance(scorer, Classifying):
        raise ValueError("a threshold for each class needs a detector that tells classes")  # noqa: TRY004 (a wish)
    if np.ptp(scorer.classes(known.rows)) == 0:
        told = f"a label column with 2 to {_MAX_CLASSES} classes of at least {_FEWEST_PER_CLASS} rows"
        raise ValueError(f"a threshold for each class needs more than one: give the reference {told}")
    return ClassCalibration.of(scores, scorer.classes(held.matrix), wish.acceptance)


def _plain(rows: Matrix) -> Encoded:
    return Encoded(rows, np.zeros((len(rows), 0), dtype=bool))


def _prepared(rows: int, seed: int) -> tuple[np.random.Generator, NDArray[np.int64], NDArray[np.int64]]:
    if rows < _FEWEST_ROWS:
        raise ValueError(f"a detector needs at least {_FEWEST_ROWS} reference rows, there are {rows}")
    rng = np.random.default_rng(seed)
    return rng, *split(rows, rng)


def _classes(
    detector: Detector, labels: pa.ChunkedArray | None, chosen: NDArray[np.int64]
) -> tuple[NDArray[np.int64] | None, Labels | None]:
    """Return which of the chosen rows have a label, and their class numbers.

    None, where the detector takes no classes, the outcomes are none, or some class has hardly any row.
    """
    if labels is None or not detector.members_set(*_TAKES_CLASSES):
        return None, None
    outcomes = labels.take(pa.array(chosen)).combine_chunks()
    if pa.types.is_nested(outcomes.type):
        return None, None
    labelled = np.flatnonzero(~pc.is_null(outcomes, nan_is_null=True).to_numpy(zero_copy_only=False))
    told = outcomes.take(pa.array(labelled)).to_numpy(zero_copy_only=False)
    values, classes, counts = np.unique(told, return_inverse=True, return_counts=True)
    if not 0 < len(values) <= _MAX_CLASSES or counts.min() < _FEWEST_PER_CLASS:
        return None, None
    return labelled, classes.astype(np.int64)
