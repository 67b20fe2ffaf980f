"""The collector's write-ahead file: what is acknowledged is on disk, with one fsync for all that came meanwhile.

The journal is a folder of numbered segments. Records are appended to the newest; `rotate` closes it, and whoever has
carried a closed segment's records elsewhere removes it. A crash can leave at most a torn record at a segment's end,
which was never acknowledged. A segment is never written to again after a restart, and its number is never used again,
for the tables remember by it what they hold.

    append ─┐
    append ─┼─ one write, one fsync ── acknowledged ── rotate ── records(segment) ── remove(segment)
    append ─┘
"""

import asyncio
import logging
import os
import struct
import uuid
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path

_HEADER = struct.Struct("<II")
_SUFFIX = ".journal"
_DAMAGED = ".damaged"

_log = logging.getLogger(__name__)


class JournalFullError(Exception):
    """More waits in the journal than it may hold."""


class Journal:
    """A write-ahead file."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Open the folder, or make it.

        Args:
            folder: Where the segments lie; nobody else writes there.
            max_bytes: Longest that all segments together may be.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._max_bytes = max_bytes
        self.identity = self._identity()
        """Name of this journal, different for a new one; segment numbers count within it."""
        self._sizes = {number: self._path(number).stat().st_size for number in self._numbers()}
        self._current = max(self._newest(), *self._sizes, 0) + 1
        self._file: FileIO | None = None
        self._waiting: list[tuple[bytes, asyncio.Future[int]]] = []
        self._writing = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")

    @property
    def closed_segments(self) -> list[int]:
        """Segments that are not written to any more, oldest first."""
        return sorted(number for number in self._sizes if number != self._current)

    @property
    def length(self) -> int:
        """Length of all segments."""
        return sum(self._sizes.values())

    @property
    def current(self) -> tuple[int, int]:
        """Number and length of the segment that is written to."""
        return self._current, self._sizes.get(self._current, 0)

    async def append(self, record: bytes) -> int:
        """Write a record; returns its segment when it is on disk.

        Raises:
            JournalFullError: the journal is full.
            OSError: it could not be written.
        """
        if self.length + len(record) > self._max_bytes:
            raise JournalFullError
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, done))
        async with self._writing:  # whoever comes first writes for all that wait
            if not done.done():
                await self._write_waiting()
        return await done

    async def rotate(self) -> None:
        """Close the newest segment, if it holds anything."""
        async with self._writing:
            if self._file is not None:
                self._file.close()
                self._file = None
                self._current += 1

    def records(self, segment: int) -> Iterator[bytes]:
        """Read the records of a closed segment, up to a torn one.

        A damaged record with others behind it was not torn by a crash: it is passed over, an error is logged, and the
        segment stays in the folder as `<number>.damaged`, for people.
        """
        path = self._path(segment)
        with path.open("rb") as file:
            length_of_all = os.fstat(file.fileno()).st_size
            while len(header := file.read(_HEADER.size)) == _HEADER.size:
                length, checksum = _HEADER.unpack(header)
                record = file.read(length)
                if length == 0:  # zeros to the end are what some file systems put for what was not written
                    if file.read().strip(b"\0"):
                        _keep_aside(path, file.tell())
                    return
                if len(record) < length:
                    return
                if zlib.crc32(record) == checksum:
                    yield record
                elif file.tell() < length_of_all:
                    _keep_aside(path, file.tell() - length)

    def remove(self, segment: int) -> None:
        """Forget a closed segment."""
        self._path(segment).unlink(missing_ok=True)
        self._sizes.pop(segment, None)

    def close(self) -> None:
        """Close the file."""
        self._thread.shutdown()
        if self._file is not None:
            self._file.close()

    async def _write_waiting(self) -> None:
        group, self._waiting = self._waiting, []
        block = b"".join(_HEADER.pack(len(record), zlib.crc32(record)) + record for record, _ in group)
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._write, block)
        except OSError as error:
            for _, done in group:
                if not done.done():
                    done.set_exception(OSError(f"the journal cannot be written: {error}"))
            if self._file is not None:  # its end is unknown now: go on in a new one
                self._file.close()
                self._file = None
                self._cut()
                self._current += 1
            return
        self._sizes[self._current] = self._sizes.get(self._current, 0) + len(block)
        for _, done in group:
            if not done.done():
                done.set_result(self._current)

    def _write(self, block: bytes) -> None:
        file = self._file
        if file is None:
            self._keep("newest", str(self._current))
            file = self._file = FileIO(self._path(self._current), "ab")
            _sync_folder(self._folder)
        view = memoryview(block)
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())

    def _cut(self) -> None:
        """Give back what a failed write left on the disk, so that nothing lies there uncounted."""
        path, good = self._path(self._current), self._sizes.get(self._current, 0)
        try:
            if good:
                os.truncate(path, good)
            else:
                path.unlink(missing_ok=True)
        except OSError:  # it is removed when it was carried
            self._sizes.setdefault(self._current, 0)

    def _identity(self) -> str:
        path = self._folder / "identity"
        if not path.exists():
            self._keep("identity", uuid.uuid4().hex)
        return path.read_text().strip()

    def _newest(self) -> int:
        """Return the newest number that was ever used."""
        path = self._folder / "newest"
        return int(path.read_text()) if path.exists() else 0

    def _keep(self, name: str, text: str) -> None:
        """Write a small file so that it is there whole or not at all."""
        new = self._folder / f"{name}.new"
        with new.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.rename(self._folder / name)
        _sync_folder(self._folder)

    def _numbers(self) -> list[int]:
        return [int(path.stem) for path in self._folder.glob(f"*{_SUFFIX}")]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:020d}{_SUFFIX}"


def _keep_aside(path: Path, at: int) -> None:
    aside = path.with_suffix(_DAMAGED)
    if aside.exists():
        return
    try:
        os.link(path, aside)
    except OSError as error:
        _log.error("the journal's %s is damaged at byte %d, and cannot be kept: %s", path.name, at, error)
    else:
        _log.error("the journal's %s is damaged at byte %d: a record is lost; see %s", path.name, at, aside)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
