"""Fits a detector to reference rows: some of them to learn from, others to set the threshold by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from leeboard.api.outofdistribution import Calibration as CalibrationMode
from leeboard.api.outofdistribution import Detector, DetectorInput
from leeboard_workers.data.encoding import Encoded, Encoder
from leeboard_workers.data.encoding.arrow import as_columns, fit_encoder
from leeboard_workers.ood.calibrate import Calibration, ClassCalibration, split
from leeboard_workers.ood.choose import Choice, choose, expected, lift_of
from leeboard_workers.ood.detectors import Classifying, Head, Known, Labels, Matrix, Scorer, fit_scorer
from leeboard_workers.ood.fitted import FittedDetector, score_encoded
from leeboard_workers.ood.synthetic import strange_tables, tails

_MAX_CLASSES = 100
_FEWEST_ROWS = 20
_FEWEST_PER_CLASS = 10


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
        labels: Outcome of each row, or none.

    Raises:
        ValueError: too few rows, or none of their columns can be used.
    """
    rng, fit, held_out = _prepared(rows.num_rows, wish.seed)
    columns = as_columns(rows.take(pa.array(fit)))
    encoder = fit_encoder(rows.take(pa.array(fit)))
    known = Known(encoder.encode(columns), _classes(labels, fit))
    strange: dict[str, Encoded] = {}
    if wish.judges:
        chance = np.random.default_rng([wish.seed, 3])
        looked_at = {name: columns[name] for name in encoder.names}
        strange = {kind: encoder.read(table) for kind, table in strange_tables(looked_at, chance)}
    held = encoder.read(as_columns(rows.take(pa.array(held_out))))
    return _fitted(wish, known, held, strange, encoder=encoder, rng=rng)


def fit_on_outputs(
    wish: Wish,
    what: DetectorInput,
    outputs: Matrix,
    labels: pa.ChunkedArray | None,
    *,
    strange: Mapping[str, Matrix] | None = None,
    head: Head | None = None,
) -> FittedDetector:
    """Fit a detector that looks at an output of the model; rows that are not finite are left out.

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
    usable = np.flatnonzero(np.isfinite(outputs).all(axis=1))
    rng, fit, held_out = _prepared(len(usable), wish.seed)
    fit, held_out = usable[fit], usable[held_out]
    known = Known(outputs[fit], _classes(labels, fit), what, head)
    finite = {kind: rows[np.isfinite(rows).all(axis=1)] for kind, rows in (strange or {}).items()}
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
) -> FittedDetector:
    if wish.judges and (encoder is not None or not strange):  # a Gaussian's tails would favour distances to its mean
        far = tails(known, np.random.default_rng([wish.seed, 4]))
        strange["tails"] = Encoded(far, np.zeros((len(far), held.alarms.shape[1]), dtype=bool))
    choice = choose(known, strange, wish.seed) if wish.detector.auto is not None else Choice(wish.detector, ())
    kind, scorer = fit_scorer(choice.detector, known, rng)
    lift = lift_of(scorer, known.rows) if encoder is not None else 0.0
    scores = score_encoded(scorer, held, lift)
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
        by_class=_by_class(wish, scorer, held, scores),
        expected=table,
    )


def _by_class(wish: Wish, scorer: Scorer, held: Encoded, scores: Matrix) -> ClassCalibration | None:
    if wish.calibration is CalibrationMode.POOLED:
        return None
    if not isinstance(scorer, Classifying):
        raise ValueError("a threshold for each class needs a detector that tells classes")  # noqa: TRY004 (a wish)
    return ClassCalibration.of(scores, scorer.classes(held.matrix), wish.acceptance)


def _plain(rows: Matrix) -> Encoded:
    return Encoded(rows, np.zeros((len(rows), 0), dtype=bool))


def _prepared(rows: int, seed: int) -> tuple[np.random.Generator, NDArray[np.int64], NDArray[np.int64]]:
    if rows < _FEWEST_ROWS:
        raise ValueError(f"a detector needs at least {_FEWEST_ROWS} reference rows, there are {rows}")
    rng = np.random.default_rng(seed)
    return rng, *split(rows, rng)


def _classes(labels: pa.ChunkedArray | None, chosen: Iterable[int]) -> Labels | None:
    """Return class numbers; none, when the outcomes are no classes or some class has hardly any row."""
    if labels is None:
        return None
    labels = labels.take(pa.array(chosen))
    if labels.null_count or pa.types.is_nested(labels.type):
        return None
    values, classes, counts = np.unique(labels.to_numpy(), return_inverse=True, return_counts=True)
    if len(values) > _MAX_CLASSES or counts.min() < _FEWEST_PER_CLASS:
        return None
    return classes.astype(np.int64)
