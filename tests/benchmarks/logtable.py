"""What many small commits do to the prediction log: how long a job waits until it has a window's rows.

`LEEBOARD_BENCH_COMMITS=17280` makes a day of a commit every five seconds, all that a table's history of a day ever
holds; a week is seven such days of which only the last one's history is left.
"""

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from leeboard.contract.jobs import LiveArm, LogTables
from leeboard_workers.data.predictionlog import read_predictions
from leeboard_workers.data.windows import Window
from leeboard_workers.serving.collector.rows import prediction_tables
from leeboard_workers.serving.collector.tables import LogTable
from leeboard_workers.serving.collector.upkeep import Upkeep
from tests.benchmarks.figures import Figure, median_seconds

COMMITS = int(os.environ.get("LEEBOARD_BENCH_COMMITS", "1000"))

_ROWS = 5
_DAYS = 7
_START = datetime(2026, 2, 9, tzinfo=UTC)


def figures() -> Iterator[Figure]:
    """Open a log of small commits over a week, and read a day of it; the peer is the same log, never kept."""
    with tempfile.TemporaryDirectory(prefix="leeboard-log-") as folder:
        kept, left = Path(folder) / "kept", Path(folder) / "left"
        _fill(kept, keep=True)
        _fill(left, keep=False)
        for what, work, runs in (
            ("open the log", lambda log: DeltaTable(str(log / "predictions")), 5),
            ("open it as the collector does", lambda log: LogTable(str(log / "predictions"), "journal", Upkeep()), 5),
            ("read a day's window", _read, 3),
        ):
            ours, theirs = (median_seconds(lambda log=log, work=work: work(log), runs) for log in (kept, left))
            yield Figure(f"{what}, {COMMITS} commits", "never kept", ours, theirs)


def _fill(folder: Path, *, keep: bool) -> None:
    table = LogTable(str(folder / "predictions"), "journal", Upkeep())
    step = timedelta(days=_DAYS) / COMMITS
    for commit in range(COMMITS):
        at = (_START + commit * step).timestamp()
        for rows in prediction_tables([(_batch(f"{commit}-{row}", at), at) for row in range(_ROWS)], table.stored):
            table.add(rows)
        table.commit(commit)
        if keep:
            table.keep()


def _batch(request_id: str, at: float) -> dict[str, Any]:
    features = {f"x{number}": [float(number)] for number in range(16)}
    known = {"requestId": request_id, "arm": "arm", "version": "1", "time": at, "predictions": [1.0]}
    return known | {"features": features}


def _read(folder: Path) -> int:
    arms = [LiveArm(arm="arm", version="1", from_time="2026-01-01T00:00:00Z")]
    window = Window(_START + timedelta(days=5), _START + timedelta(days=6))
    log = LogTables(predictions=str(folder / "predictions"), labels=str(folder / "labels"))
    return read_predictions(log, arms, [window]).total_rows
