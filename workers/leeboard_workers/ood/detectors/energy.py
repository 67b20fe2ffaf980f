"""Energy of the logits, -T · log Σ exp(logit / T) (Liu et al., 2020, arXiv:2010.03759)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_FEWEST_CLASSES = 2


@dataclass(frozen=True)
class EnergyScorer:
    """Scores logits by their free energy at a temperature."""

    temperature: float

    @classmethod
    def fit(cls, reference: NDArray[np.float64], *, temperature: float) -> Self:
        """Check that the reference are logits of classes; there is nothing to learn."""
        if reference.shape[1] < _FEWEST_CLASSES:
            raise ValueError("energy needs a model with the logits of at least two classes")
        return cls(temperature)

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the energy of each row."""
        scaled = rows / self.temperature
        largest = scaled.max(axis=1)
        total = np.exp(scaled - largest[:, None]).sum(axis=1)
        energy: NDArray[np.float64] = -self.temperature * (largest + np.log(total))
        return energy

    def parameters(self) -> dict[str, Any]:
        """Return what is stored as JSON."""
        return {"temperature": self.temperature}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return nothing: the detector learns nothing."""
        return {}

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG003
        """Rebuild the detector."""
        return cls(float(parameters["temperature"]))
