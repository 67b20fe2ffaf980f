"""As of then, tested on what came next."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from leeboard.api.training import Backtest, Scheme
from leeboard_workers.retrain.backtest import first_instant, plan_folds, rows_of

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
END = FIRST + timedelta(days=10)
DAY = timedelta(days=1)


def days(*folds: datetime) -> list[int]:
    return [(time - FIRST).days for time in folds]


def test_folds_end_with_the_training_rows():
    folds = plan_folds(FIRST, END, Backtest(folds=3, horizon="1d"))
    assert [days(fold.train_from, fold.train_to, fold.test_to) for fold in folds] == [[0, 7, 8], [0, 8, 9], [0, 9, 10]]


def test_sliding_windows_keep_their_length():
    folds = plan_folds(FIRST, END, Backtest(folds=3, horizon="1d", scheme=Scheme.SLIDING))
    assert [days(fold.train_from, fold.train_to) for fold in folds] == [[0, 7], [1, 8], [2, 9]]


def test_folds_without_anything_to_train_on_are_left_out():
    assert len(plan_folds(FIRST, END, Backtest(folds=50, horizon="2d"))) == 4
    assert plan_folds(FIRST, FIRST, Backtest()) == []


def test_a_warm_start_is_tested_on_what_it_has_not_seen():
    folds = plan_folds(FIRST, END, Backtest(folds=5, horizon="1d"), not_before=FIRST + 7 * DAY)
    assert [days(fold.train_to) for fold in folds] == [[8], [9]]


@given(st.integers(1, 50), st.sampled_from(["6h", "1d", "3d"]), st.sampled_from(Scheme))
def test_no_fold_sees_its_future(number: int, horizon: str, scheme: Scheme):
    folds = plan_folds(FIRST, END, Backtest(folds=number, horizon=horizon, scheme=scheme))
    assert all(FIRST <= fold.train_from < fold.train_to < fold.test_to <= END for fold in folds)
    tests = [(fold.train_to, fold.test_to) for fold in folds]
    assert all(before[1] == after[0] for before, after in pairwise(tests))


def test_rows_fall_on_one_side():
    times = pa.array([FIRST + hour * timedelta(hours=6) for hour in range(40)], pa.timestamp("us", "UTC"))
    rows = pa.table({"at": times})
    fold = plan_folds(first_instant(rows, "at"), END, Backtest(folds=1, horizon="1d"))[0]
    train, test = rows_of(rows, "at", fold)
    assert (train.num_rows, test.num_rows) == (36, 4)
