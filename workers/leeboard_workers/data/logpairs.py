"""Chooses what two arms logged about the same rows of the same requests, by reading their keys alone.

Of more rows than asked for, a uniform sample by the hash of request id and row number, which is the same in both arms:

```
hash of (request id, row)   0 ───────── largest chosen hash ──────────── 2^64
candidate (few: copies)     all are chosen           │ left out
stable (may be many)        chosen too, or counted   │ left out
```
In memory are one piece of a file, and a few dozen bytes for each chosen row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from leeboard.contract.jobs import LiveArm
from leeboard_workers.data.keys import Hashes, Places, Sample, SmallestHashes, found_among, hashes_of
from leeboard_workers.data.loglabels import PAIR_KEY
from leeboard_workers.data.logwindow import KEY, LogFiles
from leeboard_workers.data.windows import Window


@dataclass(frozen=True)
class LoggedPairs:
    """Rows of two arms."""

    stable: pa.Table
    """Rows of the stable arm whose key the candidate has, too."""
    candidate: pa.Table
    """Rows of the candidate."""
    stable_only: int = 0
    """Further rows of the stable arm; in a sample, those whose keys lie in its range. One that was logged twice counts
    twice."""
    share: float = 1.0
    """How much of all keys is in the sample."""


def choose_pairs(
    uri: str, stable: LiveArm, candidate: LiveArm, columns: Sequence[str], *, max_rows: int, seed: int = 0
) -> LoggedPairs:
    """Choose what the candidate answered while both were live, and what the stable arm answered to the same.

    Args:
        uri: The log's first table of predictions; one that does not exist yet counts as empty.
        stable: The arm that may have many more rows.
        candidate: The arm that is sampled.
        columns: What to read beside the keys, as far as the log has it.
        max_rows: More rows of the candidate are sampled.
        seed: Seed of the sample.
    """
    smallest, files = SmallestHashes(max_rows), LogFiles.of(uri, [candidate], [Window()])
    for keys, places in files.read_keys():
        smallest.add(hashes_of(keys, PAIR_KEY, seed), places)
    sample = smallest.sample()
    others = LogFiles.of(uri, [stable], [Window()])
    places, only = _partners(others, sample, seed)
    share = 1.0 if sample.whole else sample.places.size / sample.total
    return LoggedPairs(_read(others, places, columns), _read(files, sample.places, columns), only, share)


def _partners(files: LogFiles, sample: Sample, seed: int) -> tuple[Places, int]:
    """Return the rows with the sample's keys, each key once, and count further rows within its range."""
    found: list[Hashes] = [np.empty(0, np.uint64)]
    at: list[Places] = [np.empty(0, np.int64)]
    only = 0
    for keys, places in files.read_keys():
        hashes = hashes_of(keys, PAIR_KEY, seed)
        shared = found_among(hashes, sample.hashes)
        within = hashes.size if sample.whole else int((hashes <= sample.hashes[-1]).sum())
        only += within - int(shared.sum())
        found.append(hashes[shared])
        at.append(places[shared])
    _, first = np.unique(np.concatenate(found), return_index=True)
    return np.sort(np.concatenate(at)[first]), only


def _read(files: LogFiles, places: Places, columns: Sequence[str]) -> pa.Table:
    wanted = [*KEY, *columns]
    rows = files.everything.taken(places)
    if not rows.names:
        return pa.table({name: pa.array([], pa.string()) for name in wanted})
    return rows.table([name for name in rows.names if name in wanted])
