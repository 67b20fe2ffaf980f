"""Start-up and memory of a transformer with a Mahalanobis detector of 64 features, beside the goals and KServe's own.

Seconds are from the start of the process until it says that it is ready, less those that an empty interpreter takes.
Memory is resident: when it is ready, and the peak after some seconds of requests of 32 x 64.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.figures import Figure, median_seconds
from tests.benchmarks.serving import PATH, body, detector, peer, processor_seconds, transformer
from tests.support.dataplane import Plane, Served
from tests.support.load import measure

STARTS = 3
MOST_START_SECONDS = 2.0
MOST_MB = 150
LOAD_SECONDS = 5.0


@dataclass(frozen=True)
class Footprint:
    """What a process takes."""

    seconds: float
    processor_seconds: float
    """What start-up takes of a processor."""
    ready_mb: float
    peak_mb: float


def figures() -> Iterator[Figure]:
    """Ours beside the goals, then beside KServe's pass-through transformer."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plane = Plane(folder)
        try:
            predictor, sink = peer(plane, "predictor"), peer(plane, "sink")
            detector(folder / "detector")
            ours = _taken(lambda: transformer(plane, predictor, folder / "detector", sink.url))
            theirs = _taken(lambda: peer(plane, "passthrough", predictor))
        finally:
            plane.stop()
    goal = Footprint(MOST_START_SECONDS, MOST_START_SECONDS, MOST_MB, MOST_MB)
    for what, other in (("the goal", goal), ("KServe's pass-through", theirs)):
        yield Figure("transformer: until it is ready", what, ours.seconds, other.seconds, ours.ready_mb, other.ready_mb)
        cpu, peaks = (ours.processor_seconds, other.processor_seconds), (ours.peak_mb, other.peak_mb)
        yield Figure("  its time on a processor; its peak under load", what, *cpu, *peaks)


def _taken(start: Callable[[], Served]) -> Footprint:
    empty = median_seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), STARTS)
    seconds, cpu, ready, peaks = [], [], [], []
    for _ in range(STARTS):
        began = time.perf_counter()
        served = start()
        seconds.append(time.perf_counter() - began - empty)
        cpu.append(processor_seconds(served))
        ready.append(_megabytes(served, "VmRSS"))
        load = measure(served.url + PATH, body(32), clients=8, seconds=LOAD_SECONDS / STARTS)
        if load.refused:
            raise RuntimeError(f"{load.refused} requests were refused, see {served.log}")
        peaks.append(_megabytes(served, "VmHWM"))
        served.terminate()
    return Footprint(*map(statistics.median, (seconds, cpu, ready)), max(peaks))


def _megabytes(served: Served, what: str) -> float:
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    return float(status.partition(f"{what}:")[2].split()[0]) / 1024.0
