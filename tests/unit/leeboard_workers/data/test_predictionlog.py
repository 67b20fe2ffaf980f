from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from leeboard.contract.jobs import LiveArm, LogTables
from leeboard_workers.data.epochs import epoch_uri
from leeboard_workers.data.predictionlog import count_labels, read_labelled, read_predictions
from leeboard_workers.data.windows import Window

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIME = pa.timestamp("us", "UTC")


def rows(ids: list[str], arm: str = "a", start: datetime = NOON, **columns: Any) -> pa.Table:
    times = [start + timedelta(minutes=i) for i in range(len(ids))]
    return pa.table(
        {
            "date": [time.date().isoformat() for time in times],
            "request_id": ids,
            "row": pa.array([0] * len(ids), pa.int64()),
            "arm": [arm] * len(ids),
            "time": pa.array(times, TIME),
            "ingest_time": pa.array(times, TIME),
            **columns,
        }
    )


def labels(ids: list[str], values: list[float], hour: int = 0) -> pa.Table:
    time = pa.array([NOON + timedelta(hours=hour)] * len(ids), TIME)
    row = pa.array([0] * len(ids), pa.int64())
    reward = pa.array([None] * len(ids), pa.float64())
    return pa.table(
        {"request_id": ids, "row": row, "label": values, "reward": reward, "time": time, "ingest_time": time}
    )


@pytest.fixture
def log(tmp_path: Path) -> LogTables:
    return LogTables(predictions=str(tmp_path / "predictions"), labels=str(tmp_path / "labels"))


def arm(name: str = "a", start: str = "2026-03-01T00:00:00Z", end: str | None = None) -> LiveArm:
    return LiveArm(arm=name, version="1", from_time=start, to_time=end)


def test_a_table_that_does_not_exist_yet_is_empty(log: LogTables) -> None:
    assert read_predictions(log, [arm()], Window()).table.num_rows == 0
    assert read_labelled(log, [arm()], Window()).table.num_rows == 0
    assert count_labels(log) == 0


def test_the_window_holds_its_start_and_not_its_end(log: LogTables) -> None:
    write_deltalake(log.predictions, rows(["r0", "r1", "r2"], x_a=[1.0, 2.0, 3.0]), partition_by=["date"])
    window = Window(NOON, NOON + timedelta(minutes=2))
    read = read_predictions(log, [arm()], window)
    assert read.table["request_id"].to_pylist() == ["r0", "r1"]
    assert read.features.to_pydict() == {"a": [1.0, 2.0]}


def test_an_arm_counts_only_while_it_was_live(log: LogTables) -> None:
    write_deltalake(log.predictions, rows(["r0", "r1"], "a"), partition_by=["date"])
    write_deltalake(log.predictions, rows(["r0", "r1"], "b"), mode="append")
    arms = [arm("a", end="2026-03-01T12:01:00Z"), arm("b", start="2026-03-01T12:01:00Z")]
    read = read_predictions(log, arms, Window())
    assert read.table.select(["request_id", "arm"]).to_pylist() == [
        {"request_id": "r0", "arm": "a"},
        {"request_id": "r1", "arm": "b"},
    ]


def test_a_row_that_was_written_twice_counts_once(log: LogTables) -> None:
    for _ in range(2):
        write_deltalake(log.predictions, rows(["r0"], x_a=[1.0]), partition_by=["date"], mode="append")
    assert read_predictions(log, [arm()], Window()).total_rows == 1


def test_the_newest_label_wins(log: LogTables) -> None:
    write_deltalake(log.predictions, rows(["r0", "r1"], x_a=[[1.0], [2.0]]), partition_by=["date"])
    write_deltalake(log.labels, labels(["r0", "unknown"], [0.0, 1.0], hour=1))
    write_deltalake(log.labels, labels(["r0"], [1.0], hour=2), mode="append")
    read = read_labelled(log, [arm()], Window())
    assert read.table.select(["request_id", "label"]).to_pylist() == [{"request_id": "r0", "label": 1.0}]
    assert count_labels(log) == 2


def test_epochs_are_united(log: LogTables) -> None:
    write_deltalake(log.predictions, rows(["r0"], x_a=[1.0], x_n=[1.0]), partition_by=["date"])
    second = rows(["r1"], start=NOON + timedelta(hours=1), x_a=["red"], x_n=[True])
    write_deltalake(epoch_uri(log.predictions, 2), second, partition_by=["date"])
    read = read_predictions(log, [arm()], Window())
    assert read.features.to_pydict() == {"a": ["1", "red"], "n": [1.0, 1.0]}
    assert set(read.data_versions) == {log.predictions, log.predictions + "-2"}


def test_a_sample_is_the_same_each_time(log: LogTables) -> None:
    write_deltalake(log.predictions, rows([f"r{i}" for i in range(100)]), partition_by=["date"])
    one, two = (read_predictions(log, [arm()], Window(), max_rows=10, seed=7) for _ in range(2))
    assert one.table.equals(two.table)
    assert (one.table.num_rows, one.total_rows) == (10, 100)
