import asyncio
import errno
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from leeboard_workers.serving.collector.journal import Journal, JournalFullError


async def test_what_was_appended_is_read_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 10_000)
    records = [f"record {number}".encode() for number in range(50)]
    segments = await asyncio.gather(*(journal.append(record) for record in records))
    assert set(segments) == {1}
    assert journal.closed_segments == []
    await journal.rotate()
    assert journal.closed_segments == [1]
    assert list(journal.records(1)) == records
    journal.remove(1)
    assert journal.length == 0


async def test_records_survive_the_process(tmp_path: Path) -> None:
    first = Journal(tmp_path, 10_000)
    await first.append(b"one")
    second = Journal(tmp_path, 10_000)
    assert second.identity == first.identity
    assert second.closed_segments == [1]
    assert list(second.records(1)) == [b"one"]
    assert await second.append(b"two") == 2


async def test_a_number_is_never_used_again(tmp_path: Path) -> None:
    for expected in (1, 2, 3):
        journal = Journal(tmp_path, 10_000)
        assert await journal.append(b"one") == expected
        await journal.rotate()
        journal.remove(expected)
        journal.close()


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_a_torn_record_at_the_end_is_passed_over(tmp_path: Path, cut: int) -> None:
    async def write() -> None:
        journal = Journal(tmp_path, 10_000)
        await journal.append(b"whole")
        await journal.append(b"torn")

    asyncio.run(write())
    (path,) = tmp_path.glob("*.journal")
    path.write_bytes(path.read_bytes()[:-cut])
    assert list(Journal(tmp_path, 10_000).records(1)) == [b"whole"]


def closed(folder: Path, *records: bytes) -> Path:
    """Return a closed segment of these records."""

    async def write() -> None:
        journal = Journal(folder, 10_000)
        for record in records:
            await journal.append(record)
        journal.close()

    asyncio.run(write())
    (path,) = folder.glob("*.journal")
    return path


@pytest.mark.parametrize(("at", "left"), [(8, [b"two", b"three"]), (19, [b"one", b"three"]), (4, [b"two", b"three"])])
def test_a_record_that_is_damaged_between_others_is_told_and_kept(
    tmp_path: Path, at: int, left: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    path = closed(tmp_path, b"one", b"two", b"three")
    whole = bytearray(path.read_bytes())
    whole[at] ^= 1
    path.write_bytes(whole)
    journal = Journal(tmp_path, 10_000)
    for _ in range(2):  # once to count, once to carry
        assert list(journal.records(1)) == left
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "a record is lost" in caplog.text
    journal.remove(1)
    assert path.with_suffix(".damaged").read_bytes() == whole
    assert Journal(tmp_path, 10_000).closed_segments == []


def test_a_gap_of_zeros_before_others_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = closed(tmp_path, b"one", b"two")
    whole = path.read_bytes()
    path.write_bytes(whole[:11] + bytes(20) + whole[11:])
    assert list(Journal(tmp_path, 10_000).records(1)) == [b"one"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert path.with_suffix(".damaged").exists()


@pytest.mark.parametrize("end", [bytes(3), bytes(100), b"\x05\0\0\0\1\2\3\4torn", b"\x04\0\0\0\1\2\3\4torn"])
def test_an_end_that_was_never_written_is_passed_over_in_silence(
    tmp_path: Path, end: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = closed(tmp_path, b"one")
    path.write_bytes(path.read_bytes() + end)
    assert list(Journal(tmp_path, 10_000).records(1)) == [b"one"]
    assert caplog.records == []
    assert list(tmp_path.glob("*.damaged")) == []


async def test_a_full_journal_takes_no_more(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 100)
    await journal.append(b"x" * 80)
    with pytest.raises(JournalFullError):
        await journal.append(b"x" * 80)


async def test_a_disk_that_fails_is_told_and_a_new_segment_begun(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 10_000)
    await journal.append(b"one")
    journal._file = FileIO("/dev/full", "ab")
    with pytest.raises(OSError, match="the journal cannot be written"):
        await journal.append(b"lost")
    assert await journal.append(b"two") == 2


class Filling(FileIO):
    """A file on a disk that fills up while it is written."""

    written = False

    def write(self, block: Any, /) -> int:
        if self.written:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.written = True
        return super().write(block[:5]) or 0


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.journal"))


@pytest.mark.parametrize("before", [[], [b"one"]])
async def test_a_disk_that_fills_up_keeps_nothing_uncounted(tmp_path: Path, before: list[bytes]) -> None:
    journal = Journal(tmp_path, 10_000)
    for record in before:
        await journal.append(record)
    journal._file = Filling(tmp_path / f"{1:020d}.journal", "ab")
    with pytest.raises(OSError, match="No space left"):
        await journal.append(b"lost")
    assert on_disk(tmp_path) == journal.length
    assert [record for segment in journal.closed_segments for record in journal.records(segment)] == before
    assert await journal.append(b"two") == 2
