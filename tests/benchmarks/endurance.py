"""An answer's way into the log for as long as you like, while every part is killed in turn.

`LEEBOARD_BENCH_MINUTES=30 make bench ONLY=endurance` restarts parts for half an hour and then lets all of them be for
another half, to see whether memory grows; unless said otherwise it is a round of about two minutes. The figures are
rows: those of the log beside those that were answered. What was lost, doubled or dropped, and the memory, is printed;
anything but zero, or memory that grows, ends the run.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from tests.benchmarks.figures import Figure
from tests.support.dataplane import Plane, make_artifacts
from tests.support.endurance import PARTS, ROWS, Endurance, after

MINUTES = float(os.environ.get("LEEBOARD_BENCH_MINUTES", "1"))

_CLIENTS = 4
_REST_SECONDS = 15.0
_MAX_GROWTH_MB = 60.0


def figures() -> Iterator[Figure]:
    """Restart all parts round after round; the peer of the time by logged row is the time by answered row."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="leeboard-endurance-") as name:
        folder = Path(name)
        plane = Plane(folder)
        try:
            artifacts = make_artifacts(folder)
            endurance = Endurance(plane, artifacts, folder / "log")
            rounds = max(1, round(MINUTES * 60 / (len(PARTS) * _REST_SECONDS)))
            began = time.monotonic()
            rest = after(_REST_SECONDS, endurance.outcome, 100)
            outcome = endurance.run(PARTS, rounds, _CLIENTS, rest, steady=max(3, len(PARTS) * rounds))
            seconds = time.monotonic() - began
        finally:
            plane.stop()
        told = {
            "seconds": round(seconds),
            "requests answered": len(outcome.answered),
            "restarts": dict(outcome.restarts),
            "sent again by clients": outcome.retries,
            "never answered": len(outcome.unanswered),
            "answered rows that the log lacks": outcome.lost,
            "rows that the log holds twice": outcome.doubled,
            "rows that transformers dropped": outcome.dropped,
            "memory while nobody was restarted, MB": {
                part: [round(used) for used in all_of] for part, all_of in outcome.memory.items()
            },
        }
        console.print_json(json.dumps(told))
        growth = {part: used[-1] - used[0] for part, used in outcome.memory.items()}
        if (
            outcome.unanswered
            or outcome.lost
            or outcome.doubled
            or outcome.dropped
            or max(growth.values()) > _MAX_GROWTH_MB
        ):
            raise SystemExit(f"something was lost, or memory grows: {growth}")
        answered = len(outcome.answered) * ROWS
        what = f"logged rows, {sum(outcome.restarts.values())} restarts"
        yield Figure(what, "answered rows", seconds / len(outcome.logged), seconds / answered)
