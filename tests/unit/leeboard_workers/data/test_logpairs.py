"""Rows of two arms are sampled alike, whatever each has alone."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from leeboard.contract.jobs import LiveArm
from leeboard_workers.data.logpairs import LoggedPairs, choose_pairs

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIME = pa.timestamp("us", "UTC")


def write(uri: str, arm: str, numbers: range) -> None:
    """Log rows of an arm: three rows to a request."""
    count = len(numbers)
    table = pa.table(
        {
            "date": ["2026-03-01"] * count,
            "request_id": [f"r{number // 3}" for number in numbers],
            "row": pa.array([number % 3 for number in numbers], pa.int64()),
            "arm": [arm] * count,
            "time": pa.array([NOON] * count, TIME),
            "prediction": [float(number) for number in numbers],
            "x_wide": [[float(number)] * 5 for number in numbers],
        }
    )
    write_deltalake(uri, table, partition_by=["date"], mode="append")


def chosen(uri: str, max_rows: int, seed: int = 0) -> LoggedPairs:
    stable, candidate = (LiveArm(arm=arm, version="1", from_time="2026-03-01T00:00:00Z") for arm in ("a", "b"))
    return choose_pairs(uri, stable, candidate, ("prediction", "latency_ms"), max_rows=max_rows, seed=seed)


@pytest.fixture
def log(tmp_path: Path) -> str:
    """Log 9000 rows of the stable arm in pieces, copies of 3000, and 500 that the candidate was asked alone."""
    uri = str(tmp_path / "predictions")
    write(uri, "a", range(6000))
    write(uri, "b", range(4000, 9500))
    write(uri, "a", range(6000, 9000))
    write(uri, "b", range(5990, 6000))  # logged twice
    return uri


def test_few_rows_are_all_there(log: str):
    found = chosen(log, 10_000)
    assert (found.candidate.num_rows, found.stable.num_rows, found.stable_only, found.share) == (5500, 5000, 4000, 1.0)


def test_of_many_rows_both_arms_keep_the_same(log: str):
    found = chosen(log, 1100)
    assert found.candidate.num_rows == 1100
    assert found.share == pytest.approx(0.2, rel=0.01)
    both = set(found.stable["prediction"].to_pylist())
    assert both == {number for number in found.candidate["prediction"].to_pylist() if number < 9000}
    assert found.stable.num_rows == len(both) == pytest.approx(1000, abs=5 * 9.5)
    assert found.stable_only == pytest.approx(800, abs=5 * 26)


def test_another_seed_draws_others(log: str):
    one, same, other = (chosen(log, 100, seed).candidate for seed in (0, 0, 1))
    assert one.equals(same)
    assert len(set(one["prediction"].to_pylist()) & set(other["prediction"].to_pylist())) < 20


def test_only_what_is_asked_for_is_read(log: str):
    assert set(chosen(log, 10).stable.column_names) == {"request_id", "row", "arm", "prediction"}


@pytest.mark.parametrize("arm", ["a", "b"])
def test_an_arm_without_rows_has_no_pairs(tmp_path: Path, arm: str):
    uri = str(tmp_path / "predictions")
    assert chosen(uri, 10).candidate.num_rows == 0
    write(uri, arm, range(30))
    found = chosen(uri, 10)
    assert (found.stable.num_rows, found.stable_only, found.candidate.num_rows) == {
        "a": (0, 30, 0),
        "b": (0, 0, 10),
    }[arm]
