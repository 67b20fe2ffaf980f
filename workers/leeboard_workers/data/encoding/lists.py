"""Columns of equally long lists of numbers, such as images and embeddings: each element standardized."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.data.encoding.numbers import FARTHEST, LARGEST, as_numbers


@dataclass(frozen=True)
class ListColumn:
    """What the reference knows of a column of lists."""

    name: str
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @property
    def width(self) -> int:
        """Encoded columns."""
        return len(self.mean)

    @classmethod
    def fit(cls, name: str, values: Sequence[Any]) -> Self | None:
        """Learn mean and spread of each element; none, if no list holds finite numbers.

        Raises:
            ValueError: the lists differ in length.
        """
        rows = [row for value in values if (row := _numbers(value)) is not None and len(row)]
        if not rows:
            return None
        if len({len(row) for row in rows}) > 1:
            raise ValueError(f"the lists of column {name!r} differ in length")
        matrix = np.array(rows)
        deviation = matrix.std(axis=0)
        return cls(name=name, mean=matrix.mean(axis=0), scale=np.maximum(deviation, 0.01 * deviation.max() or 1.0))

    def encode(self, values: Sequence[Any] | NDArray[Any], into: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Write the encoded columns of the values; return which ones are no such list of finite numbers."""
        into[:] = 0.0
        alarms = np.zeros(len(values), dtype=bool)
        for row, value in enumerate(values):
            numbers = _numbers(value)
            if numbers is not None and len(numbers) == len(self.mean):
                into[row] = np.clip((numbers - self.mean) / self.scale, -FARTHEST, FARTHEST)
            else:
                alarms[row] = True
        return alarms


def _numbers(value: Any) -> NDArray[np.float64] | None:
    """Return the numbers of a list, nested or not; none where it is ragged, or holds what is no plausible number."""
    if value is None:
        return None
    try:
        numbers = as_numbers(np.ravel(value))
    except ValueError:  # numpy makes no array of lists that differ in length, or that lie too deep
        return None
    return numbers if (np.abs(numbers) <= LARGEST).all() else None
