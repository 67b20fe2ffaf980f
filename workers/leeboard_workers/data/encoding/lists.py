"""Columns of equally long lists of numbers, such as images and embeddings: each element standardized."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.data.encoding.numbers import FARTHEST, as_numbers


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
    def fit(cls, name: str, values: Sequence[Any]) -> Self:
        """Learn mean and spread of each element.

        Raises:
            ValueError: the lists differ in length.
        """
        lengths = {np.size(value) for value in values if value is not None}
        if len(lengths) != 1:
            raise ValueError(f"the lists of column {name!r} differ in length")
        rows = np.array([np.ravel(value) for value in values if value is not None], dtype=np.float64)
        rows = rows[np.isfinite(rows).all(axis=1)]
        deviation = rows.std(axis=0)
        return cls(name=name, mean=rows.mean(axis=0), scale=np.maximum(deviation, 0.01 * deviation.max() or 1.0))

    def encode(self, values: Sequence[Any] | NDArray[Any], into: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Write the encoded columns of the values; return which ones are no such list of finite numbers."""
        into[:] = 0.0
        alarms = np.zeros(len(values), dtype=bool)
        for row, value in enumerate(values):
            numbers = as_numbers(np.ravel(value)) if value is not None else np.empty(0)
            if len(numbers) == len(self.mean) and np.isfinite(numbers).all():
                into[row] = np.clip((numbers - self.mean) / self.scale, -FARTHEST, FARTHEST)
            else:
                alarms[row] = True
        return alarms
