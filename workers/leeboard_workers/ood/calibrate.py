"""Turns scores into p-values and a threshold by held-out rows that belong (split conformal prediction).

Source: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World" (2005); Bates et al., "Testing for
outliers with conformal p-values" (2023). If a new row comes from the reference's distribution, its p-value is at most
u with probability at most u, and it lies above the threshold with probability at most 1 - acceptance.

Per class (Mondrian conformal prediction, Vovk et al., chapter 4.5) the same holds within each class that the detector
sees in a row, be it the true one or not: rows that look like a rare class pass as often as others.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

_CALIBRATION_SHARE = 0.3
MAX_CALIBRATION_ROWS = 20_000


class TooFewRowsError(ValueError):
    """There are not enough reference rows for the acceptance that is asked for."""


@dataclass(frozen=True)
class Calibration:
    """Scores of held-out reference rows, ascending, and the threshold that they give."""

    scores: NDArray[np.float64]
    threshold: float

    @classmethod
    def of(cls, scores: NDArray[np.float64], acceptance: float) -> Self:
        """Set the threshold to the ⌈(n + 1) · acceptance⌉-th smallest score.

        Raises:
            TooFewRowsError: so few scores that no finite threshold keeps the promise.
        """
        ordered = np.sort(scores)
        rank = math.ceil((len(ordered) + 1) * acceptance)
        if rank > len(ordered):
            needed = math.ceil(round(acceptance / (1.0 - acceptance), 9))  # 0.9 / (1 - 0.9) is 9.000000000000002
            raise TooFewRowsError(
                f"acceptance {acceptance} needs at least {needed} calibration rows, there are {len(ordered)}: "
                "give more reference rows or lower acceptance"
            )
        return cls(scores=ordered, threshold=float(ordered[rank - 1]))

    def p_values(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (1 + calibration scores at least as high) / (n + 1) for each score."""
        below = np.searchsorted(self.scores, scores, side="left")
        values: NDArray[np.float64] = (1.0 + len(self.scores) - below.astype(np.float64)) / (len(self.scores) + 1.0)
        return values

    def flags(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which scores are out of distribution."""
        return scores > self.threshold


@dataclass(frozen=True)
class ClassCalibration:
    """A calibration for each class that the detector saw in held-out rows; for others that of all rows."""

    pooled: Calibration
    classes: dict[int, Calibration]

    @classmethod
    def of(cls, scores: NDArray[np.float64], classes: NDArray[np.int64], acceptance: float) -> Self:
        """Set a threshold for each class by the scores of its rows.

        Raises:
            TooFewRowsError: a class has too few rows.
        """
        found: dict[int, Calibration] = {}
        for number in np.unique(classes).tolist():
            try:
                found[number] = Calibration.of(scores[classes == number], acceptance)
            except TooFewRowsError as error:
                raise TooFewRowsError(f"class number {number + 1}: {error}, or calibrate Pooled") from error
        return cls(Calibration.of(scores, acceptance), found)

    def p_values(self, scores: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return each score's p-value among those of its class."""
        values = self.pooled.p_values(scores)
        for chosen, calibration in self._apart(classes):
            values[chosen] = calibration.p_values(scores[chosen])
        return values

    def thresholds(self, classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the threshold of each row's class."""
        thresholds = np.full(len(classes), self.pooled.threshold)
        for chosen, calibration in self._apart(classes):
            thresholds[chosen] = calibration.threshold
        return thresholds

    def _apart(self, classes: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.bool_], Calibration]]:
        for number in np.unique(classes).tolist():
            if number in self.classes:
                yield classes == number, self.classes[number]


def split(rows: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of the rows to fit and of those to calibrate with: none in both."""
    order = rng.permutation(rows)
    held_out = min(math.ceil(rows * _CALIBRATION_SHARE), MAX_CALIBRATION_ROWS)
    return np.sort(order[held_out:]), np.sort(order[:held_out])
