import gzip

import pytest

from leeboard_workers.serving.collector import bodies
from leeboard_workers.serving.collector.bodies import Budget
from leeboard_workers.serving.collector.refusals import RefusedError


@pytest.mark.parametrize("sizes", [[0], [1], [10, 0, 20], [100_000, 3, 300_000], [1] * 1000])
def test_all_members_of_a_gzip_are_read(sizes: list[int]) -> None:
    parts = [bytes([at % 251]) * size for at, size in enumerate(sizes)]
    assert Budget().unpacked(b"".join(map(gzip.compress, parts))) == b"".join(parts)


@pytest.mark.parametrize(
    ("behind", "sentence"),
    [
        (b"junk", "no gzip"),
        (bytes(8), "no gzip"),
        (gzip.compress(b"more", mtime=0)[:-3], "it ends too early"),
        (gzip.compress(b"more", mtime=0)[:3], "it ends too early"),
        (gzip.compress(b"", mtime=0) * 1000, "more than 1000 members"),
    ],
)
def test_other_bytes_behind_a_gzip_are_refused(behind: bytes, sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence):
        Budget().unpacked(gzip.compress(b"whole") + behind)


def test_one_budget_holds_for_all_members_and_all_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 2**20)
    part = gzip.compress(bytes(2**19))
    assert len(Budget().unpacked(part * 2)) == 2**20
    with pytest.raises(RefusedError, match="larger than 1 MiB"):
        Budget().unpacked(part * 3)
    budget = Budget()
    assert len(budget.unpacked(part) + budget.unpacked(part)) == 2**20
    with pytest.raises(RefusedError, match="larger than 1 MiB"):
        budget.unpacked(gzip.compress(b"x"))
