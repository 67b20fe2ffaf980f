"""What a warm start learns."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from leeboard_workers.retrain.freshness import is_new, warm_rows

START = datetime(2026, 1, 1, tzinfo=UTC)


def days(*numbers: int | None) -> pa.ChunkedArray:
    return pa.chunked_array([[None if number is None else START + timedelta(days=number) for number in numbers]])


def test_rows_from_the_cutoff_on_are_new():
    assert is_new(days(1, 2, 3), None, START + timedelta(days=2), None).to_pylist() == [False, True, True]


def test_labels_that_came_after_the_mark_make_older_rows_new():
    cutoff, mark = START + timedelta(days=5), START + timedelta(days=6)
    found = is_new(days(1, 1, 1, 7), days(2, 6, 7, 8), cutoff, mark)
    assert found.to_pylist() == [False, False, True, True]


def test_without_a_mark_only_times_count():
    assert is_new(days(1, 7), days(9, 9), START + timedelta(days=5), None).to_pylist() == [False, True]


@pytest.mark.parametrize(("fraction", "replayed"), [(0.0, 0), (0.2, 1), (0.5, 4), (0.9, 16)])
def test_replays_a_share_of_older_rows_as_far_as_there_are_any(fraction: float, replayed: int):
    rows = pa.table({"n": range(20)})
    new = pa.chunked_array([[False] * 16 + [True] * 4])
    found = warm_rows(rows, new, fraction=fraction, seed=0)
    assert (found.new, found.replayed, found.table.num_rows) == (4, replayed, 4 + replayed)
    kept = found.table["n"].to_pylist()
    assert kept == sorted(set(kept)), "in their order, none twice"
    assert kept[-4:] == [16, 17, 18, 19]


def test_the_same_seed_replays_the_same_rows():
    rows, new = pa.table({"n": range(1000)}), pa.chunked_array([[False] * 900 + [True] * 100])
    one, again, other = (warm_rows(rows, new, fraction=0.5, seed=seed).table for seed in (1, 1, 2))
    assert one.equals(again)
    assert not one.equals(other)


def test_with_nothing_new_nothing_is_replayed():
    found = warm_rows(pa.table({"n": range(5)}), pa.chunked_array([[False] * 5]), fraction=0.5, seed=0)
    assert (found.table.num_rows, found.new, found.replayed) == (0, 0, 0)
