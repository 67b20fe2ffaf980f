"""Leeboard: from Parquet files to the verdict, every statistic exact, against a prepared reference."""

from pathlib import Path

from measured import measured

from leeboard.api.shared import DatasetRef
from leeboard_workers.data.stored import StoredRows, StoredTable, all_rows
from leeboard_workers.drift import compare
from leeboard_workers.drift import prepare as prepared
from leeboard_workers.drift.store import load, save


def prepare(folder: str):
    """Prepare the reference once, and keep it beside the files."""
    kept = Path(folder) / "kept"
    if not kept.exists():
        save(prepared(_rows(f"{folder}/then.parquet")), kept)
    reference = load(kept)
    return lambda: len(compare(reference, _rows(f"{folder}/now.parquet")).columns)


def _rows(path: str) -> StoredRows:
    return all_rows(StoredTable.of(DatasetRef(uri=path)))


if __name__ == "__main__":
    measured(prepare)
