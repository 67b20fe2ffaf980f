"""What detectors are fitted to."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import DetectorInput

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]


def likeliest(rows: Matrix) -> Labels:
    """Return the class of the largest value of each row."""
    classes: Labels = rows.argmax(axis=1)
    return classes


@dataclass(frozen=True)
class Head:
    """The last layer of a network: logits = features · weights + bias."""

    weights: Matrix
    """Features by classes."""
    bias: Matrix
    """Classes."""

    def logits(self, features: Matrix) -> Matrix:
        """Return rows by classes."""
        logits: Matrix = features @ self.weights + self.bias
        return logits

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays."""
        return {"weights": self.weights, "bias": self.bias}


@dataclass(frozen=True)
class Known:
    """Reference rows that belong."""

    rows: Matrix
    """Rows by columns, finite."""
    labels: Labels | None = None
    """Class of each row, 0 … C - 1."""
    what: DetectorInput = DetectorInput.INSTANCES
    """What the columns are."""
    head: Head | None = None
    """Of the model whose features the columns are."""

    def need_classes(self, detector: str) -> None:
        """Demand columns of classes.

        Raises:
            ValueError: there is only one.
        """
        if self.rows.shape[1] < 2:  # noqa: PLR2004 (two classes)
            raise ValueError(f"{detector} needs a model with at least two classes")

    def need_head(self, detector: str) -> Head:
        """Demand the last layer of the model.

        Raises:
            ValueError: the model does not show it.
        """
        if self.head is None:
            raise ValueError(
                f"{detector} needs the last layer of a neural network: use mahalanobis, knn or pca for these features"
            )
        return self.head
