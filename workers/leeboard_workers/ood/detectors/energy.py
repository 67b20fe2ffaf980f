"""Energy of the logits, -T · log Σ exp(logit / T) (Liu et al., 2020, arXiv:2010.03759)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import Energy
from leeboard_workers.ood.detectors.known import Known, Labels, Matrix, likeliest


@dataclass(frozen=True)
class EnergyScorer:
    """Scores logits by their free energy at a temperature."""

    temperature: float

    @classmethod
    def fit(cls, known: Known, options: Energy, rng: np.random.Generator) -> Self:  # noqa: ARG003 (as all detectors)
        """Check that the reference are logits of classes; there is nothing to learn."""
        known.need_classes("energy")
        return cls(options.temperature)

    def score(self, rows: Matrix) -> Matrix:
        """Return the energy of each row."""
        return energy(rows, self.temperature)

    def classes(self, rows: Matrix) -> Labels:
        """Return the class of the largest logit."""
        return likeliest(rows)

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


def energy(logits: Matrix, temperature: float = 1.0) -> Matrix:
    """Return -T · log Σ exp(logit / T) of each row."""
    largest = logits.max(axis=1)
    shifted = logits - largest[:, None]
    if temperature != 1.0:
        shifted /= temperature
    np.exp(shifted, out=shifted)
    free: Matrix = -largest - temperature * np.log(shifted.sum(axis=1))
    return free
