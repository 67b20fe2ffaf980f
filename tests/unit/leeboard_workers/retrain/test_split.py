"""Rows that neither model has seen."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leeboard.api.training import Holdout, Split
from leeboard_workers.retrain.context import TrainingError
from leeboard_workers.retrain.split import split_rows, tail

START = datetime(2026, 1, 1, tzinfo=UTC)
BY_TIME = Holdout(fraction=0.2)
BY_CHANCE = Holdout(fraction=0.2, split=Split.RANDOM)


def rows(hours: list[int]) -> pa.Table:
    times = [START + timedelta(hours=hour) for hour in hours]
    return pa.table({"at": pa.array(times, pa.timestamp("us", "UTC")), "n": list(range(len(hours)))})


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.floats(0.05, 0.9))
def test_no_training_row_is_as_new_as_the_holdout(hours: list[int], fraction: float):
    split = split_rows(rows(hours), time="at", key=None, holdout=Holdout(fraction=fraction), champion_cutoff=None)
    assert split.train.num_rows + split.holdout.num_rows == len(hours)
    assert split.holdout.num_rows >= 1
    assert all(time < split.cutoff for time in split.train["at"].to_pylist())
    assert all(time >= split.cutoff for time in split.holdout["at"].to_pylist())


def test_rows_of_one_instant_stay_together():
    split = split_rows(rows([0, 1, 2, 2, 2]), time="at", key=None, holdout=BY_TIME, champion_cutoff=None)
    assert split.holdout.num_rows == 3


def test_the_holdout_is_shortened_to_what_the_champion_has_not_seen():
    cutoff = START + timedelta(hours=95)
    split = split_rows(rows(list(range(100))), time="at", key=None, holdout=BY_TIME, champion_cutoff=cutoff)
    assert (split.train.num_rows, split.holdout.num_rows, split.seen) == (80, 5, 15)
    assert pc.min(split.holdout["at"]).as_py() >= cutoff


def test_order_does_not_matter():
    hours = list(range(50))
    shuffled = np.random.default_rng(0).permutation(hours).tolist()
    one, other = (
        split_rows(rows(some), time="at", key=None, holdout=BY_TIME, champion_cutoff=None) for some in (hours, shuffled)
    )
    assert one.holdout["at"] == other.holdout["at"]
    assert one.cutoff == other.cutoff


def test_a_random_holdout_goes_by_the_key_alone():
    keys = np.array([f"r{index}/0" for index in range(2_000)])
    table = rows(list(range(2_000)))
    split = split_rows(table, time="at", key=keys, holdout=BY_CHANCE, champion_cutoff=None)
    assert 320 < split.holdout.num_rows < 480
    more = split_rows(table.slice(500), time="at", key=keys[500:], holdout=BY_CHANCE, champion_cutoff=None)
    assert set(more.holdout["n"].to_pylist()) <= set(split.holdout["n"].to_pylist())


def test_a_random_holdout_leaves_out_what_the_champion_may_have_seen():
    cutoff = START + timedelta(hours=1_000)
    split = split_rows(rows(list(range(2_000))), time="at", key=None, holdout=BY_CHANCE, champion_cutoff=cutoff)
    assert split.seen > 100
    assert pc.min(split.holdout["at"]).as_py() >= cutoff
    assert all(time < split.cutoff for time in split.train["at"].to_pylist())


def test_rows_without_times_prove_nothing_against_a_champion():
    table = rows(list(range(100))).drop_columns(["at"])
    alone = split_rows(table, time=None, key=None, holdout=BY_CHANCE, champion_cutoff=None)
    against = split_rows(table, time=None, key=None, holdout=BY_CHANCE, champion_cutoff=START)
    assert alone.holdout.num_rows > 5
    assert (against.holdout.num_rows, against.seen) == (0, alone.holdout.num_rows)


def test_a_split_by_time_needs_times():
    with pytest.raises(TrainingError, match="timestampColumn"):
        split_rows(rows([1]).drop_columns(["at"]), time=None, key=None, holdout=BY_TIME, champion_cutoff=None)


def test_no_rows_split_into_none():
    split = split_rows(rows([]), time="at", key=None, holdout=BY_TIME, champion_cutoff=None)
    assert (split.train.num_rows, split.holdout.num_rows) == (0, 0)


def test_the_tail_is_the_last_share():
    train, validation = tail(rows([0, 1, 2, 3]), 0.25)
    assert (train.num_rows, validation["n"].to_pylist()) == (3, [3])
