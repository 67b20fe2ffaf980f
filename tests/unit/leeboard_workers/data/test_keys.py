"""Samples by the hash of a row's key: uniform, repeatable, and the same in whatever order the rows come."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leeboard_workers.data.keys import SmallestHashes, hashes_of, hashes_of_places

KEY = ("id", "row")


def rows(names: Any, numbers: Any):
    return pa.table({"id": pa.array(names, pa.string()), "row": pa.array(numbers, pa.int64())})


def chosen(hashes: Any, size: int, step: int = 7):
    smallest = SmallestHashes(size)
    for start in range(0, len(hashes), step):
        part = hashes[start : start + step]
        smallest.add(part, np.arange(start, start + len(part)))
    return smallest.sample()


def test_a_hash_is_of_the_content_alone():
    plain = rows(["a", "bc", "", None], [1, 2, 3, None])
    found = hashes_of(plain, KEY, 0)
    assert len(set(found.tolist())) == 4
    assert (hashes_of(pa.concat_tables([plain, plain])[4:], KEY, 0) == found).all()
    coded = plain.set_column(0, "id", plain["id"].dictionary_encode())
    assert (hashes_of(coded, KEY, 0) == found).all()
    assert (hashes_of(plain, KEY, 1) != found).all()
    assert (hashes_of(plain.slice(2), KEY, 0) == found[2:]).all()


def test_different_keys_have_different_hashes_that_fill_the_range():
    table = rows([f"request-{number}" for number in range(50_000)] * 2, [0] * 50_000 + [1] * 50_000)
    found = hashes_of(table, KEY, 3)
    assert len(np.unique(found)) == 100_000
    counts = np.bincount((found >> np.uint64(60)).astype(int), minlength=16)
    assert abs(counts - 6_250).max() < 5 * np.sqrt(6_250)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 30), max_size=120), st.integers(1, 20), st.integers(1, 50))
def test_order_and_pieces_do_not_matter(keys: Any, size: int, step: int):
    hashes = hashes_of_places(0, 31, 0)[keys] if keys else np.empty(0, np.uint64)
    one, other = chosen(hashes, size, step), chosen(hashes[::-1], size, 3)
    kept = {keys[place] for place in one.places}
    assert kept == {keys[::-1][place] for place in other.places}
    assert len(kept) == len(one.places) == min(size, len(set(keys)))
    if len(set(keys)) <= size:
        assert one.total == len(set(keys))
        assert [keys.index(keys[place]) for place in one.places] == one.places.tolist()


def test_the_sample_is_uniform():
    counts = np.zeros(200)
    for seed in range(400):
        counts[chosen(hashes_of_places(0, 200, seed), 50, 64).places] += 1
    assert abs(counts - 100).max() < 5 * np.sqrt(100 * 0.75)


def test_the_total_leaves_repeated_keys_out():
    hashes = np.concatenate([hashes_of_places(0, 20_000, 0), hashes_of_places(0, 10_000, 0)])
    assert chosen(hashes, 2_000, 1_000).total == pytest.approx(20_000, rel=0.05)
