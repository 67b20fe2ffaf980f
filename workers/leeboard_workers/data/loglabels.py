"""Finds the labels of logged rows by reading keys alone; of several labels of a row the newest ingested counts.

```
hash of (request id, row)   0 ─────────── largest chosen hash ────────── 2^64
labels (few: all of them)   chosen                    │ left out
predictions                 in the sample, if chosen  │ nobody knows: left out
```
In memory are one piece of a file, and a few dozen bytes for each chosen label and row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeboard.api.shared import DatasetFormat, DatasetRef
from leeboard_workers.data.epochs import epochs
from leeboard_workers.data.keys import Hashes, Places, Sample, SmallestHashes, found_among, hashes_of
from leeboard_workers.data.stored import Piece, StoredRows, StoredTable, types_of
from leeboard_workers.data.windows import Window

PAIR_KEY = ("request_id", "row")
MAX_LABELS = 8_000_000
"""Of more labels those with the smallest hashes are looked at: 0.4 GB at most."""
_EARLY = timedelta(days=1)
"""No label is ingested so long before its request was answered: clocks are not that wrong."""
_TIME = pa.timestamp("us", "UTC")
_NAMES = {"time": "label_time", "ingest_time": "label_ingest_time"}
COLUMNS = pa.schema(
    [("label", pa.float64()), ("reward", pa.float64()), ("label_time", _TIME), ("label_ingest_time", _TIME)]
)
"""What a labelled row has beside the prediction's columns, at least."""


@dataclass(frozen=True)
class LabelFiles:
    """The files of a log's labels."""

    everything: StoredRows
    """All labels; `time` and `ingest_time` are called `label_time` and `label_ingest_time`."""
    versions: dict[str, int]
    """Delta versions, by the table's URI."""
    since: datetime | None = None
    """Labels that were ingested before are left out."""

    @classmethod
    def of(cls, uri: str, windows: Sequence[Window] = ()) -> Self:
        """Find the files that may hold labels of requests in these windows; of them only descriptions are read."""
        starts = [window.start for window in windows]
        since = None if not starts or None in starts else min(start for start in starts if start) - _EARLY
        recent = None if since is None else pc.field("ingest_time") >= pa.scalar(since, _TIME)
        pieces, tables, versions = [], [], {}
        for address, epoch in epochs(uri):
            versions[address] = epoch.version()
            dataset = epoch.to_pyarrow_dataset()
            ref = DatasetRef(uri=address, format=DatasetFormat.DELTA, version=epoch.version())
            table = StoredTable(ref, {_NAMES.get(name, name): name for name in dataset.schema.names})
            files = table.fragments()
            paths = sorted(file.path for file in dataset.get_fragments(filter=recent))
            pieces += [Piece(table, path, files[path].count_rows()) for path in paths]
            tables.append(table)
        return cls(StoredRows(tuple(pieces), types_of(tables)), versions, since)

    def read_keys(self) -> Iterator[tuple[pa.Table, Places]]:
        """Read keys and times piece by piece, and the numbers of these labels among all."""
        start = 0
        for piece in self.everything.pieces:
            for batch in piece.table.batches(piece.path, [*PAIR_KEY, "ingest_time"]):
                places = np.arange(start, start + len(batch))
                start += len(batch)
                found = pa.table(batch)
                if self.since is not None:
                    recent = pc.fill_null(pc.greater_equal(found["ingest_time"], pa.scalar(self.since, _TIME)), False)  # noqa: FBT003
                    found, places = found.filter(recent), places[recent.to_numpy()]
                yield found, places

    def sample(self, size: int, seed: int) -> Sample:
        """Return the labelled rows with the smallest hashes, each once."""
        smallest = SmallestHashes(size)
        for keys, places in self.read_keys():
            smallest.add(hashes_of(keys, PAIR_KEY, seed), places)
        return smallest.sample()

    def newest(self, wanted: Hashes, seed: int) -> Places:
        """Return the numbers of the newest labels of these rows; each of them has one.

        Args:
            wanted: Hashes of the rows' keys, ascending, each once.
            seed: What they were hashed by.
        """
        when = np.full(wanted.size, np.iinfo(np.int64).min)
        best = np.zeros(wanted.size, np.int64)
        for keys, places in self.read_keys():
            hashes = hashes_of(keys, PAIR_KEY, seed)
            found = found_among(hashes, wanted)
            times = pc.fill_null(pc.cast(keys["ingest_time"], pa.int64()), np.iinfo(np.int64).min + 1).to_numpy()[found]
            at = np.searchsorted(wanted, hashes[found])
            order = np.argsort(times, kind="stable")  # of one piece the newest is written last, and so stays
            newest = np.full(wanted.size, -1)
            newest[at[order]] = order
            there = np.flatnonzero(newest >= 0)
            newer = there[times[newest[there]] > when[there]]
            when[newer] = times[newest[newer]]
            best[newer] = places[found][newest[newer]]
        return best

    def table(self, places: Places) -> pa.Table:
        """Return labels by their numbers, in any order, without their keys."""
        ascending, back = np.unique(places, return_inverse=True)
        if not ascending.size:
            return COLUMNS.empty_table()
        rows = self.everything.taken(ascending)
        return rows.table([name for name in rows.names if name not in PAIR_KEY]).take(pa.array(back))
