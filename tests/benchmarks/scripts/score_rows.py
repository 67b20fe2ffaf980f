"""The rows, models and sizes by which scores are compared: the same in every environment; needs numpy alone."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

BATCHES = (1, 32)


@dataclass(frozen=True)
class Workload:
    """A detector, and the size of what it looks at."""

    name: str
    """Our name of the detector."""
    width: int
    """Columns."""
    classes: int
    rows: int
    """Reference rows."""

    @property
    def title(self) -> str:
        """Say what it is in a table."""
        return f"{self.name} d{self.width} C{self.classes}"


WORKLOADS = (
    Workload("maxSoftmax", 10, 10, 2_000),
    Workload("energy", 1_000, 1_000, 2_000),
    Workload("klMatching", 10, 10, 2_000),
    Workload("mahalanobis", 64, 1, 4_000),
    Workload("mahalanobis", 512, 10, 4_000),
    Workload("mahalanobis", 2_048, 100, 6_000),
    Workload("relativeMahalanobis", 512, 10, 4_000),
    Workload("vim", 512, 10, 4_000),
    Workload("react", 512, 10, 4_000),
    Workload("knn", 512, 10, 50_000),
    Workload("isolationForest", 64, 1, 4_000),
)
GOLDEN = (
    Workload("maxSoftmax", 6, 6, 400),
    Workload("maxLogit", 6, 6, 400),
    Workload("energy", 6, 6, 400),
    Workload("klMatching", 6, 6, 400),
    Workload("mahalanobis", 8, 4, 4_000),
    Workload("relativeMahalanobis", 8, 4, 4_000),
    Workload("vim", 8, 4, 400),
    Workload("react", 8, 4, 400),
    Workload("knn", 8, 4, 400),
)
"""Small ones, whose scores by pytorch-ood the tests hold (tests/golden/ood)."""

ALIBI = tuple(workload for workload in WORKLOADS if workload.width == 64)
"""What alibi-detect has too."""


@dataclass(frozen=True)
class Material:
    """What a workload works on."""

    rows: np.ndarray
    labels: np.ndarray
    request: np.ndarray
    """Rows to score."""
    weights: np.ndarray
    """Last layer of the model: features by classes."""
    bias: np.ndarray


def material(workload: Workload, seed: int = 0) -> Material:
    """Make clusters, one for each class, and a last layer for them."""
    random = np.random.default_rng(seed)
    width, classes = workload.width, workload.classes
    means = random.normal(size=(classes, width)) * 2.0
    labels = np.concatenate([np.arange(classes), random.integers(classes, size=workload.rows - classes)])
    rows = means[labels] + random.normal(size=(workload.rows, width))
    asked = random.integers(classes, size=max(BATCHES))
    request = means[asked] + random.normal(size=(len(asked), width)) * 1.5
    weights, bias = random.normal(size=(width, classes)) / np.sqrt(width), random.normal(size=classes)
    return Material(rows, labels, request, weights, bias)


def seconds(work: Callable[[], Any]) -> float:
    """Return the median time of a call: at most 200 calls or about a second."""
    work()
    times: list[float] = []
    while len(times) < 200 and sum(times) < 1.0:
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
