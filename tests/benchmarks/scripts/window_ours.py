"""Leeboard: chooses a window of a log by its keys, then compares its features with a prepared reference."""

import time
from pathlib import Path

from measured import measured, peak_mb

from leeboard.api.shared import DatasetRef
from leeboard.contract.jobs import LiveArm
from leeboard_workers.data.logwindow import choose_predictions
from leeboard_workers.data.stored import StoredTable, all_rows
from leeboard_workers.data.windows import Window
from leeboard_workers.drift import compare
from leeboard_workers.drift import prepare as prepared

ARM = LiveArm(arm="a", version="1", from_time="2026-01-01T00:00:00Z")


def prepare(folder: str, max_rows: int):
    """Prepare the reference."""
    reference = prepared(all_rows(StoredTable.of(DatasetRef(uri=str(Path(folder) / "then.parquet")))))

    def work() -> dict[str, float]:
        began = time.perf_counter()
        chosen = choose_predictions(f"{folder}/log", [ARM], [Window()], max_rows=max_rows)
        between, peak = time.perf_counter(), peak_mb()
        report = compare(reference, chosen.features)
        ended = time.perf_counter()
        return {
            "choosing": between - began,
            "choosing_mb": peak,
            "comparing": ended - between,
            "rows": report.compared_rows,
            "total": report.rows,
        }

    return work


measured(prepare)
