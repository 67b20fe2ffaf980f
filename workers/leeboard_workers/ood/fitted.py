"""A fitted detector as the data plane uses it: rows in, scores, p-values, flags and the columns to blame out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import DetectorInput
from leeboard_workers.ood.calibrate import Calibration
from leeboard_workers.ood.detectors import Matrix, Scorer
from leeboard_workers.ood.detectors.mahalanobis import MahalanobisScorer
from leeboard_workers.ood.encode import Columns, Encoder

UNSCORABLE = 1e12
"""Score of a row with missing or infinite values, where the detector reads an output of the model."""

TOP_FEATURES = 3


@dataclass(frozen=True)
class Scores:
    """What a detector says about some rows; all are equally long."""

    scores: NDArray[np.float64]
    p_values: NDArray[np.float64]
    flags: NDArray[np.bool_]
    features: tuple[tuple[str, ...], ...]
    """For a flagged row the columns that are strangest, strangest first."""


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
    provenance: dict[str, str | int]
    """Model, version, reference, rows, seed: for people."""

    def score_rows(self, columns: Columns) -> Scores:
        """Score request rows, given by column.

        Raises:
            ValueError: the detector does not look at request rows.
        """
        if self.encoder is None:
            raise ValueError(f"this detector looks at {self.input}, not at request rows")
        encoded = self.encoder.encode(columns)
        return self._judged(self.scorer.score(encoded), encoded)

    def score_matrix(self, matrix: Matrix) -> Scores:
        """Score probabilities, logits or features of the model: rows by columns."""
        usable = np.isfinite(matrix).all(axis=1)
        scores = np.full(len(matrix), UNSCORABLE)
        if usable.any():
            scores[usable] = self.scorer.score(matrix[usable])
        return self._judged(scores, None)

    def _judged(self, scores: Matrix, encoded: Matrix | None) -> Scores:
        flags = self.calibration.flags(scores)
        return Scores(
            scores=scores,
            p_values=self.calibration.p_values(scores),
            flags=flags,
            features=self._to_blame(encoded, flags) if encoded is not None else ((),) * len(scores),
        )

    def _to_blame(self, encoded: Matrix, flags: NDArray[np.bool_]) -> tuple[tuple[str, ...], ...]:
        blame: list[tuple[str, ...]] = [()] * len(flags)
        rows = np.flatnonzero(flags)
        if self.encoder is None or len(rows) == 0:
            return tuple(blame)
        strange = encoded[rows]
        parts = self.scorer.contributions(strange) if isinstance(self.scorer, MahalanobisScorer) else np.square(strange)
        names = self.encoder.names
        for row, shares in zip(rows, self.encoder.by_column(parts), strict=True):
            order = np.argsort(-shares, kind="stable")[:TOP_FEATURES]
            blame[row] = tuple(names[at] for at in order if shares[at] > 0.0)
        return tuple(blame)
