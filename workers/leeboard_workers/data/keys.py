"""Numbers rows by a hash of their key, so that a sample depends on the rows alone, not on files, order or workers.

The rows with the smallest hashes are a uniform sample without replacement ("bottom-k"; Cohen and Kaplan, "Summarizing
data using bottom-k sketches", 2007); rows with one key have one hash, and count once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leeboard_workers.data.native import compiled

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
A = TypeVar("A", bound=npt.NDArray[Any])


def hashes_of(table: pa.Table, key: Sequence[str], seed: int) -> Hashes:
    """Hash the key of each row; keys are text or integers.

    Text is hashed by FNV-1a, and each part of the key mixed by splitmix64 (Steele, Lea and Flood, 2014). Of n
    different keys about n^2 / 2^65 share a hash: one pair in six billion rows.
    """
    found = np.full(table.num_rows, _mixed_seed(seed), np.uint64)
    for name in key:
        column = table[name]
        if pa.types.is_integer(column.type):
            numbers = np.ascontiguousarray(pc.fill_null(column, -1).cast(pa.int64()).to_numpy()).view(np.uint64)
            _add_numbers(_read_only(numbers), found)
            continue
        text = pc.fill_null(column.cast(pa.large_string()), "\0").combine_chunks()
        _, offsets, data = text.buffers()
        places = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
        letters = np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
        _add_text(_read_only(places), _read_only(letters), found)
    return found


def hashes_of_places(start: int, end: int, seed: int) -> Hashes:
    """Hash the numbers of rows that have no key."""
    found = np.full(end - start, _mixed_seed(seed), np.uint64)
    _add_numbers(_read_only(np.arange(start, end, dtype=np.uint64)), found)
    return found


def found_among(hashes: Hashes, known: Hashes) -> npt.NDArray[np.bool_]:
    """Return which hashes are known; the known ones ascend."""
    if not known.size:
        return np.zeros(hashes.size, bool)
    nearest = known[np.minimum(np.searchsorted(known, hashes), known.size - 1)]
    return np.equal(nearest, hashes)


@dataclass(frozen=True)
class Sample:
    """Which rows were chosen."""

    places: Places
    """Their numbers, ascending."""
    hashes: Hashes
    """Hashes of their keys, ascending."""
    total: int
    """Rows with different keys in all; beyond the sample's size it is an estimate where keys repeat."""
    repeated: int = 0
    """Further rows of these keys."""
    whole: bool = True
    """Whether it holds every key."""


class SmallestHashes:
    """Keeps the rows with the smallest hashes of a stream, each key once: the first of its rows."""

    def __init__(self, size: int) -> None:
        """Keep at most `size` rows, and twice as many on the way."""
        self._size = size
        self._seen = 0
        self._hashes = np.empty(0, np.uint64)
        self._places = np.empty(0, np.int64)
        self._times = np.empty(0, np.int64)
        self._waiting: list[tuple[Hashes, Places]] = []
        self._rows_waiting = 0
        self._full = False

    def add(self, hashes: Hashes, places: Places) -> None:
        """Look at further rows.

        Args:
            hashes: Of their keys.
            places: Their numbers, larger than all before.
        """
        self._seen += hashes.size
        if self._full:
            small = hashes <= self._hashes[-1]
            hashes, places = hashes[small], places[small]
        self._waiting.append((hashes, places))
        self._rows_waiting += hashes.size
        if self._rows_waiting > self._size:
            self._close_up()

    def sample(self) -> Sample:
        """Return the rows kept."""
        self._close_up()
        kept = self._hashes.size
        total = round(self._seen * kept / max(int(self._times.sum()), 1)) if self._full else kept
        return Sample(np.sort(self._places), self._hashes, total, self._seen - total, whole=not self._full)

    def _close_up(self) -> None:
        self._hashes = np.concatenate([self._hashes, *(hashes for hashes, _ in self._waiting)])
        self._places = np.concatenate([self._places, *(places for _, places in self._waiting)])
        self._times = np.concatenate([self._times, np.ones(self._rows_waiting, np.int64)])
        self._waiting, self._rows_waiting = [], 0
        order = np.argsort(self._hashes, kind="stable")  # equal hashes stay in the rows' order
        hashes, places, times = self._hashes[order], self._places[order], self._times[order]
        first = np.ones(hashes.size, bool)
        first[1:] = hashes[1:] != hashes[:-1]
        if hashes.size:
            times = np.add.reduceat(times, np.flatnonzero(first))
        self._full = self._full or int(first.sum()) > self._size
        self._hashes = hashes[first][: self._size]
        self._places = places[first][: self._size]
        self._times = times[: self._size]


def _mixed_seed(seed: int) -> np.uint64:
    return np.uint64((seed * 0x9E37_79B9_7F4A_7C15 + 0x2545_F491_4F6C_DD1D) % 2**64)


def _read_only(values: A) -> A:
    view = values.view()
    view.flags.writeable = False  # one kind of argument is compiled
    return view


@compiled
def _mix(value: np.uint64) -> np.uint64:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return value ^ (value >> np.uint64(31))


@compiled
def _add_numbers(numbers: Hashes, hashes: Hashes) -> None:
    for i in range(numbers.size):
        hashes[i] = _mix(hashes[i] ^ _mix(numbers[i] + np.uint64(0x9E37_79B9_7F4A_7C15)))


@compiled
def _add_text(offsets: Places, letters: npt.NDArray[np.uint8], hashes: Hashes) -> None:
    for i in range(hashes.size):
        value = np.uint64(0xCBF2_9CE4_8422_2325)
        for j in range(offsets[i], offsets[i + 1]):
            value = (value ^ np.uint64(letters[j])) * np.uint64(0x0000_0100_0000_01B3)
        hashes[i] = _mix(hashes[i] ^ value)
