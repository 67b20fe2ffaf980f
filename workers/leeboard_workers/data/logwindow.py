"""Chooses the rows of windows of the prediction log by reading their keys alone.

What the arms answered in the windows counts, each key once; of more rows than asked for, a uniform sample by the hash
of the key. In memory are one piece of a file, and a few dozen bytes for each chosen row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
from deltalake import DeltaTable

from leeboard.api.shared import DatasetFormat, DatasetRef
from leeboard.contract.jobs import LiveArm
from leeboard.contract.serving import FEATURE_PREFIX
from leeboard_workers.data.columns import feature_columns
from leeboard_workers.data.epochs import epochs
from leeboard_workers.data.keys import Places, SmallestHashes, hashes_of
from leeboard_workers.data.stored import Piece, StoredRows, StoredTable, types_of
from leeboard_workers.data.windows import Window

KEY = ("request_id", "row", "arm")

_TIME = pa.timestamp("us", "UTC")
_ALL = 2**62


@dataclass(frozen=True)
class LogWindow:
    """Rows of the log in a window."""

    rows: StoredRows
    """Columns of the contract, with features under `x_` and their true names."""
    data_versions: dict[str, int]
    """Delta versions that were read, by the table's URI."""
    doubled_rows: int = 0
    """Rows that were logged again, and left out."""

    def in_time(self, names: Sequence[str]) -> pa.Table:
        """Return some features at once, in order of time."""
        return self.features.table(names).take(pc.sort_indices(self.rows.column("time")))

    @property
    def features(self) -> StoredRows:
        """The features alone, under their own names."""
        return self.rows.renamed(
            {name: name.removeprefix(FEATURE_PREFIX) for name in self.rows.names if name.startswith(FEATURE_PREFIX)}
        )


def choose_predictions(
    uri: str, arms: Sequence[LiveArm], windows: Sequence[Window], *, max_rows: int | None = None, seed: int = 0
) -> LogWindow:
    """Choose what the arms answered in some windows, each arm only while it was live.

    A table that does not exist yet counts as empty.

    Args:
        uri: The log's first table of predictions.
        arms: Arms whose rows count.
        windows: By the time of the request.
        max_rows: More rows are sampled.
        seed: Seed of the sample.
    """
    files = LogFiles.of(uri, arms, windows)
    smallest = SmallestHashes(max_rows or _ALL)
    for keys, places in files.read_keys():
        smallest.add(hashes_of(keys, KEY, seed), places)
    sample = smallest.sample()
    everything = replace(files.everything, total_rows=sample.total)
    return LogWindow(everything.taken(sample.places), files.versions, sample.repeated)


@dataclass(frozen=True)
class LogFiles:
    """The files that may hold what some arms answered in a window."""

    everything: StoredRows
    """All rows of these files."""
    versions: dict[str, int]
    """Delta versions, by the table's URI."""
    spans: Sequence[tuple[str, Window]]
    """When each arm was live in the windows."""

    @classmethod
    def of(cls, uri: str, arms: Sequence[LiveArm], windows: Sequence[Window]) -> Self:
        """Find the files; of them only descriptions are read. Arguments as in `choose_predictions`."""
        lives = [(arm.arm, Window.between(arm.from_time, arm.to_time)) for arm in arms]
        spans = [(arm, life.overlap(window)) for arm, life in lives for window in windows]
        spans = [(arm, span) for arm, span in spans if not span.empty]
        pieces, tables, versions = [], [], {}
        for address, epoch in epochs(uri):
            versions[address] = epoch.version()
            if not spans:
                continue
            stored = _stored(address, epoch)
            tables.append(stored)
            files = stored.fragments()
            pieces += [Piece(stored, path, files[path].count_rows()) for path in _files(epoch, spans)]
        return cls(StoredRows(tuple(pieces), types_of(tables)), versions, spans)

    def read_keys(self) -> Iterator[tuple[pa.Table, Places]]:
        """Read the keys of what the arms answered piece by piece, and the numbers of these rows among all rows."""
        start = 0
        for piece in self.everything.pieces:
            for batch in piece.table.batches(piece.path, [*KEY, "time"]):
                numbers = pa.array(np.arange(start, start + len(batch)))
                start += len(batch)
                found = pa.table(batch).append_column("place", numbers).filter(_rows_of(self.spans))
                yield found, found["place"].to_numpy()


def _stored(address: str, epoch: DeltaTable) -> StoredTable:
    ref = DatasetRef(uri=address, format=DatasetFormat.DELTA, version=epoch.version())
    columns = epoch.to_pyarrow_dataset().schema.names
    features = feature_columns(columns)
    names = {FEATURE_PREFIX + features[name] if name in features else name: name for name in columns if name != "date"}
    return StoredTable(ref, names)


def _files(epoch: DeltaTable, spans: Sequence[tuple[str, Window]]) -> list[str]:
    """Return the files that may hold rows of the arms: the date is the partition, and whole days are never opened."""
    wanted = None
    for arm, span in spans:
        rows = pc.field("arm") == arm
        if span.start is not None:
            rows &= pc.field("date") >= (span.start - timedelta(days=1)).date().isoformat()
        if span.end is not None:
            rows &= pc.field("date") <= span.end.date().isoformat()
        rows &= _between(span)
        wanted = rows if wanted is None else wanted | rows
    return sorted(file.path for file in epoch.to_pyarrow_dataset().get_fragments(filter=wanted))


def _rows_of(spans: Sequence[tuple[str, Window]]) -> pa.dataset.Expression:
    wanted = None
    for arm, span in spans:
        rows = (pc.field("arm") == arm) & _between(span)
        wanted = rows if wanted is None else wanted | rows
    return wanted


def _between(span: Window) -> pa.dataset.Expression:
    rows = pc.scalar(True)  # noqa: FBT003 (Arrow's literal)
    if span.start is not None:
        rows &= pc.field("time") >= pa.scalar(span.start, _TIME)
    if span.end is not None:
        rows &= pc.field("time") < pa.scalar(span.end, _TIME)
    return rows
