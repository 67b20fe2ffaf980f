"""What a workload reports, and how a time is taken."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scipy.stats import binom

RUNS = 5


@dataclass(frozen=True)
class Figure:
    """A workload's time beside its peer's, or beside the floor that no code can go under, from one run."""

    workload: str
    peer: str
    seconds: float
    peer_seconds: float
    peak_mb: float | None = None
    """Peak resident memory of the process that did the work, MB."""
    peer_peak_mb: float | None = None

    @property
    def ratio(self) -> float:
        """How many times the peer's time ours is: below 1 is faster."""
        return self.seconds / self.peer_seconds


@dataclass(frozen=True)
class Rate:
    """How often a test called drift what is none, beside its nominal level."""

    test: str
    data: str
    reference_rows: int
    window_rows: int
    alpha: float
    trials: int
    alarms: int

    @property
    def kept(self) -> bool:
        """Whether chance gives so many alarms at the nominal level at least once in a thousand such tables."""
        return bool(binom.sf(self.alarms - 1, self.trials, self.alpha) > 1e-3)


def median_seconds(work: Callable[[], Any], runs: int = RUNS) -> float:
    """Return the median of some runs, after one that does not count."""
    work()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
