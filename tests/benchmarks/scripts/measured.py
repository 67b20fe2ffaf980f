"""Times the work of a benchmark's script; needs nothing but Python, since it runs in every peer's environment."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def measured(prepare: Callable[..., Callable[[], Any]]) -> None:
    """Prepare, work, and print the times, the peaks of memory and the last answer.

    Args:
        prepare: Takes the script's parameters by name, gets ready untimed, and returns the work.
    """
    order = json.loads(sys.argv[1])
    work = prepare(**order["told"])
    before = peak_mb()
    runs, times, answer = order["runs"], [], None
    for number in range(runs + 1):
        began = time.perf_counter()
        answer = work()
        if number > 0 or runs == 0:
            times.append(time.perf_counter() - began)
    print(json.dumps({"times": times, "peak_mb": peak_mb(), "before_mb": before, "answer": answer}))  # noqa: T201


def peak_mb() -> float:
    """Return the most memory that this process has held, MB (ru_maxrss would count the parent's, too)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM in /proc/self/status: the benchmark runs on Linux")
