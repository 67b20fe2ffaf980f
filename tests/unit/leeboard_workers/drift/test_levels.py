"""Levels, counted piece by piece and however many there are."""

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from leeboard_workers.drift.levels import MAX_LEVELS, LevelCounter, as_levels, categorical_values
from leeboard_workers.drift.univariate.chi_squared import chi_squared
from leeboard_workers.drift.values import numeric_values

TEXT = st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c", "", "ä"])), max_size=40)


@settings(max_examples=60)
@given(TEXT, st.integers(0, 40))
def test_pieces_make_the_whole(values: Any, cut: int):
    column = pa.array(values, pa.string())
    one, other, streamed = LevelCounter(), LevelCounter(), LevelCounter()
    one.add(column[:cut])
    other.add(column[cut:].dictionary_encode())
    other.merge(one)
    streamed.add(column[cut:])
    streamed.add(column[:cut])
    assert other.values() == streamed.values() == categorical_values(column)


def test_a_million_levels_are_pooled_and_counted_exactly():
    common = pa.array(["x"] * 3_000 + ["y"] * 2_000)
    reference = categorical_values(pa.chunked_array([common, pa.array(range(1_000_000)).cast(pa.string())]))
    assert (len(reference.counts), reference.rows) == (MAX_LEVELS, 1_005_000)
    assert (reference.counts["x"], reference.counts["y"]) == (3_000, 2_000)
    assert reference.other_levels == 1_000_002 - MAX_LEVELS
    assert reference.other == 1_000_000 - (MAX_LEVELS - 2)
    new = pa.array(range(2_000_000, 3_000_000)).cast(pa.string())
    window = categorical_values(pa.chunked_array([common, new]), reference)
    assert window.counts == {"x": 3_000, "y": 2_000}
    assert (window.other, window.rows) == (1_000_000, 1_005_000)
    assert chi_squared(reference, window).effect < 0.05


def test_unseen_levels_are_levels():
    reference = categorical_values(pa.array(["a"] * 50 + ["b"] * 50))
    window = categorical_values(pa.array(["a"] * 50 + ["new"] * 50), reference)
    assert window.counts == {"a": 50, "new": 50}
    assert chi_squared(reference, window).p_value < 1e-9


def test_dictionaries_may_name_a_level_twice():
    indices, names = pa.array([0, 1, 2, None]), pa.array(["a", "a", "b"])
    found = categorical_values(pa.DictionaryArray.from_arrays(indices, names))
    assert (found.counts, found.missing) == ({"a": 2, "b": 1}, 1)


def test_bytes_and_numbers_have_names():
    assert categorical_values(pa.array([b"a", b"\xff", None])).counts == {"a": 1, "\ufffd": 1}
    assert categorical_values(pa.array([1, 2, 2], pa.int8())).counts == {"1": 1, "2": 2}
    assert categorical_values(pa.array(["a", "b"], pa.string_view())).counts == {"a": 1, "b": 1}
    assert categorical_values(pa.nulls(3)).missing == 3


def test_few_numbers_as_levels_against_many():
    reference = as_levels(numeric_values(pa.array([0.0, 1.0, 0.1] * 100)))
    draw = np.random.default_rng(0)
    window = numeric_values(pa.array([*draw.normal(size=5_000), 0.1, 1.0, float("inf"), None]))
    found = as_levels(window, reference)
    assert (found.counts["0.1"], found.counts["1"], found.counts["inf"]) == (1, 1, 1)
    assert (found.rows, found.missing) == (5_004, 1)
    assert found.other_levels > 3_000
