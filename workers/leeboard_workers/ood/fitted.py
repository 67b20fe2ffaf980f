"""A fitted detector as the data plane uses it: rows in, scores, p-values, flags and the columns to blame out."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import DetectorInput
from leeboard.contract.jobs import ExpectedDetection
from leeboard_workers.data.encoding import Columns, Encoded, Encoder
from leeboard_workers.data.encoding.numbers import LARGEST
from leeboard_workers.ood.calibrate import Calibration, ClassCalibration
from leeboard_workers.ood.detectors import Classifying, Explaining, Matrix, Scorer

UNSCORABLE = 1e12
"""Score of a row that cannot be scored, where the detector reads an output of the model."""

TOP_FEATURES = 3


@dataclass(frozen=True)
class Scores:
    """What a detector says about some rows; all are equally long."""

    scores: NDArray[np.float64]
    p_values: NDArray[np.float64]
    flags: NDArray[np.bool_]
    features: tuple[tuple[str, ...], ...]
    """For a flagged row the columns that are strangest, strangest first."""
    threshold: float
    """Above which a row is flagged; the one of all rows, where classes have their own."""
    thresholds: NDArray[np.float64] | None = None
    """That of each row's class, where classes have their own."""

    @property
    def of_each_row(self) -> NDArray[np.float64]:
        """Above which each row is flagged."""
        return np.full(len(self.scores), self.threshold) if self.thresholds is None else self.thresholds


@dataclass(frozen=True)
class FittedDetector:
    """A detector with its encoder, its calibration and where it comes from."""

    kind: str
    input: DetectorInput
    acceptance: float
    scorer: Scorer
    calibration: Calibration
    encoder: Encoder | None
    """For input Instances."""
    lift: float
    """What an alarm of the encoder adds to a row's score: more than known rows differ among themselves."""
    provenance: dict[str, str | int]
    """Model, version, reference, rows, seed: for people."""
    by_class: ClassCalibration | None = None
    """Thresholds of the classes, where they were asked for; the detector then tells classes."""
    left_out: tuple[str, ...] = ()
    """Columns of the reference that the encoder does not look at: for people, and not stored."""
    expected: tuple[ExpectedDetection, ...] = ()
    """How well it tells synthetic outliers: for people."""

    def score_rows(self, columns: Columns) -> Scores:
        """Score request rows, given by column.

        Raises:
            ValueError: the detector does not look at request rows.
        """
        if self.encoder is None:
            raise ValueError(f"this detector looks at {self.input}, not at request rows")
        encoded = self.encoder.read(columns)
        scores = score_encoded(self.scorer, encoded, self.lift)
        p_values, flags, thresholds = self._judged(scores, encoded.matrix)
        blame = self._to_blame(self.encoder, encoded, flags)
        return Scores(scores, p_values, flags, blame, self.calibration.threshold, thresholds)

    def score_matrix(self, matrix: Matrix) -> Scores:
        """Score probabilities, logits or features of the model: rows by columns.

        A row that holds no number somewhere, or one beyond `LARGEST`, is flagged with the score `UNSCORABLE`.
        """
        matrix = np.asarray(matrix, dtype=np.float64)
        usable = scorable(matrix)
        if not usable.all():
            matrix = np.where(usable[:, None], matrix, 0.0)
        with np.errstate(all="ignore"):
            scores = self.scorer.score(matrix) if len(matrix) else np.empty(0)
            scores = np.where(usable & np.isfinite(scores), scores, UNSCORABLE)
            p_values, flags, thresholds = self._judged(scores, matrix)
        return Scores(scores, p_values, flags, ((),) * len(scores), self.calibration.threshold, thresholds)

    @cached_property
    def _explaining(self) -> Explaining | None:
        """The scorer, if it can explain; to ask takes as long as to score."""
        return self.scorer if isinstance(self.scorer, Explaining) else None

    def _judged(self, scores: Matrix, matrix: Matrix) -> tuple[Matrix, NDArray[np.bool_], Matrix | None]:
        if self.by_class is None or not isinstance(self.scorer, Classifying):
            return self.calibration.p_values(scores), self.calibration.flags(scores), None
        classes = self.scorer.classes(matrix)
        thresholds = self.by_class.thresholds(classes)
        return self.by_class.p_values(scores, classes), scores > thresholds, thresholds

    def _to_blame(self, encoder: Encoder, encoded: Encoded, flags: NDArray[np.bool_]) -> tuple[tuple[str, ...], ...]:
        blame: list[tuple[str, ...]] = [()] * len(flags)
        rows = np.flatnonzero(flags)
        if len(rows) == 0:
            return tuple(blame)
        strange = encoded.matrix[rows]
        parts = np.square(strange) if self._explaining is None else self._explaining.contributions(strange)
        alarmed = encoded.alarms[rows]
        shares = np.where(alarmed, np.inf, encoder.by_column(parts))
        most = np.argsort(-shares, axis=1, kind="stable")[:, :TOP_FEATURES]
        for row, places, of_columns in zip(rows, most.tolist(), shares, strict=True):
            blame[row] = tuple(encoder.names[at] for at in places if of_columns[at] > 0.0)
        return tuple(blame)


def scorable(matrix: Matrix) -> NDArray[np.bool_]:
    """Return which rows hold numbers only, none of which is larger than any model's."""
    usable: NDArray[np.bool_] = np.all(np.abs(matrix) <= LARGEST, axis=1)
    return usable


def score_encoded(scorer: Scorer, encoded: Encoded, lift: float) -> Matrix:
    """Return one score per row; each alarm lifts it."""
    scores = scorer.score(encoded.matrix) if len(encoded.matrix) else np.empty(0)
    if encoded.alarms.any():
        scores = scores + lift * encoded.alarms.sum(axis=1)
    return scores
