"""Columns of text: one encoded column per frequent level, one for the rare ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.data.encoding.numbers import MISSING_HEIGHT, RARELY

_MAX_LEVELS = 24
_RAREST_LEVEL = 0.005
_LEVEL_HEIGHT = 0.2  # with the ridge of the covariance: a rare level counts, but does not decide alone


@dataclass(frozen=True)
class TextColumn:
    """What the reference knows of a column of text."""

    name: str
    levels: tuple[str, ...]
    rare: frozenset[str]
    often_missing: bool
    """Whether the reference has missing values: a column of its own then tells."""

    @property
    def width(self) -> int:
        """Encoded columns."""
        return len(self.levels) + 1 + self.often_missing

    @cached_property
    def places(self) -> dict[str, int]:
        """Which encoded column a level moves."""
        return dict.fromkeys(self.rare, len(self.levels)) | {level: at for at, level in enumerate(self.levels)}

    @classmethod
    def fit(cls, name: str, values: Sequence[Any]) -> Self:
        """Learn the levels; ties in frequency are broken by name."""
        present = np.array([str(value) for value in values if value is not None])
        levels, counts = np.unique(present, return_counts=True)
        order = sorted(range(len(levels)), key=lambda at: (-counts[at], levels[at]))
        frequent = [at for at in order[:_MAX_LEVELS] if counts[at] >= _RAREST_LEVEL * len(values)]
        kept = tuple(str(levels[at]) for at in frequent)
        return cls(
            name=name,
            levels=kept,
            rare=frozenset(map(str, levels)) - set(kept),
            often_missing=len(values) - len(present) > RARELY * len(values),
        )

    def encode(self, values: Sequence[Any] | NDArray[Any], into: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Write the encoded columns of the values; return which ones are unknown, or missing without precedent."""
        into[:] = 0.0
        alarms = np.zeros(len(values), dtype=bool)
        for row, value in enumerate(values):
            if value is None or value != value:  # noqa: PLR0124 (NaN is not itself)
                if self.often_missing:
                    into[row, -1] = MISSING_HEIGHT
                else:
                    alarms[row] = True
                continue
            place = self.places.get(value if type(value) is str else str(value))
            if place is None:
                alarms[row] = True
            else:
                into[row, place] = _LEVEL_HEIGHT
        return alarms
