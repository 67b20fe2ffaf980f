from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from leeboard.contract.jobs import LiveArm, LogTables
from leeboard_workers.data import predictionlog
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
    assert read_predictions(log, [arm()], [Window()]).table.num_rows == 0
    assert read_labelled(log, [arm()], [Window()], max_rows=1_000).table.num_rows == 0
    assert count_labels(log) == 0


def test_the_window_holds_its_start_and_not_its_end(log: LogTables) -> None:
    write_deltalake(log.predictions, rows(["r0", "r1", "r2"], x_a=[1.0, 2.0, 3.0]), partition_by=["date"])
    window = Window(NOON, NOON + timedelta(minutes=2))
    read = read_predictions(log, [arm()], [window])
    assert read.table["request_id"].to_pylist() == ["r0", "r1"]
    assert read.features.to_pydict() == {"a": [1.0, 2.0]}


def test_an_arm_counts_only_while_it_was_live(log: LogTables) -> None:
    write_deltalake(log.predictions, rows(["r0", "r1"], "a"), partition_by=["date"])
    write_deltalake(log.predictions, rows(["r0", "r1"], "b"), mode="append")
    arms = [arm("a", end="2026-03-01T12:01:00Z"), arm("b", start="2026-03-01T12:01:00Z")]
    read = read_predictions(log, arms, [Window()])
    assert read.table.select(["request_id", "arm"]).to_pylist() == [
        {"request_id": "r0", "arm": "a"},
        {"request_id": "r1", "arm": "b"},
    ]


def test_a_row_that_was_written_twice_counts_once(log: LogTables) -> None:
    for _ in range(2):
        write_deltalake(log.predictions, rows(["r0"], x_a=[1.0]), partition_by=["date"], mode="append")
    assert read_predictions(log, [arm()], [Window()]).total_rows == 1


def test_the_newest_label_wins(log: LogTables) -> None:
    write_deltalake(log.predictions, rows(["r0", "r1"], x_a=[[1.0], [2.0]]), partition_by=["date"])
    write_deltalake(log.labels, labels(["r0", "unknown"], [0.0, 1.0], hour=1))
    write_deltalake(log.labels, labels(["r0"], [1.0], hour=2), mode="append")
    read = read_labelled(log, [arm()], [Window()], max_rows=1_000)
    assert read.table.select(["request_id", "label"]).to_pylist() == [{"request_id": "r0", "label": 1.0}]
    assert count_labels(log) == 2


def test_labelled_rows_are_those_of_a_join(log: LogTables) -> None:
    """Beside pandas: labels of unknown rows, several of one row in several files, rows that were logged twice."""
    draw = np.random.default_rng(0)
    ids = [f"r{number}" for number in range(400)]
    write_deltalake(log.predictions, rows(ids[:300], x_a=draw.normal(size=300)), partition_by=["date"])
    write_deltalake(log.predictions, rows(ids[250:300], x_a=draw.normal(size=50)), mode="append")
    told = []
    for hour in range(4):
        named = list(draw.choice(ids, 120, replace=False))
        told.append(labels(named, list(draw.normal(size=120)), hour=hour))
        write_deltalake(log.labels, told[-1], mode="append")
    read = read_labelled(log, [arm()], [Window()], max_rows=1_000)
    newest = pa.concat_tables(told).to_pandas().drop_duplicates("request_id", keep="last").set_index("request_id")
    expected = {name: newest["label"][name] for name in ids[:300] if name in newest.index}
    assert dict(zip(*(read.table[name].to_pylist() for name in ("request_id", "label")), strict=True)) == expected
    assert (read.total_rows, read.unlabelled_rows) == (len(expected), 300 - len(expected))
    assert read.table["time"].to_pylist() == sorted(read.table["time"].to_pylist())


def test_of_many_labelled_rows_a_sample_is_read_and_all_are_counted(
    log: LogTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"r{number}" for number in range(6_000)]
    write_deltalake(log.predictions, rows(ids), partition_by=["date"])
    write_deltalake(log.labels, labels(ids[:3_000], [float(number) for number in range(3_000)]))
    read = read_labelled(log, [arm()], [Window()], max_rows=500, seed=3)
    assert (read.table.num_rows, read.total_rows, read.unlabelled_rows) == (500, 3_000, 3_000)
    assert read.table["label"].to_pylist() == [float(name[1:]) for name in read.table["request_id"].to_pylist()]
    monkeypatch.setattr(predictionlog, "MAX_LABELS", 1_000)
    fewer = read_labelled(log, [arm()], [Window()], max_rows=5_000, seed=3)
    assert fewer.table.num_rows == 1_000
    assert fewer.total_rows == pytest.approx(3_000, rel=0.01)
    assert fewer.total_rows + fewer.unlabelled_rows == pytest.approx(6_000, rel=0.01)
    assert count_labels(log) == pytest.approx(3_000, rel=0.01)


def test_labels_from_long_before_the_window_are_not_looked_at(log: LogTables) -> None:
    write_deltalake(log.predictions, rows(["r0", "r1"]), partition_by=["date"])
    write_deltalake(log.labels, labels(["r0"], [0.0], hour=-48))
    write_deltalake(log.labels, labels(["r1"], [1.0], hour=1), mode="append")
    read = read_labelled(log, [arm()], [Window(NOON, None)], max_rows=10)
    assert read.table["request_id"].to_pylist() == ["r1"]


def test_several_windows_are_read_as_one(log: LogTables) -> None:
    write_deltalake(log.predictions, rows([f"r{number}" for number in range(6)]), partition_by=["date"])
    minutes = [Window(NOON + timedelta(minutes=n), NOON + timedelta(minutes=n + 2)) for n in (0, 3)]
    read = read_predictions(log, [arm()], minutes)
    assert read.table["request_id"].to_pylist() == ["r0", "r1", "r3", "r4"]
    assert read_predictions(log, [arm()], minutes, max_rows=3).table.num_rows == 3


def test_epochs_are_united(log: LogTables) -> None:
    write_deltalake(log.predictions, rows(["r0"], x_a=[1.0], x_n=[1.0]), partition_by=["date"])
    second = rows(["r1"], start=NOON + timedelta(hours=1), x_a=["red"], x_n=[True])
    write_deltalake(epoch_uri(log.predictions, 2), second, partition_by=["date"])
    read = read_predictions(log, [arm()], [Window()])
    assert read.features.to_pydict() == {"a": ["1", "red"], "n": [1.0, 1.0]}
    assert set(read.data_versions) == {log.predictions, log.predictions + "-2"}


def test_a_sample_is_the_same_each_time(log: LogTables) -> None:
    write_deltalake(log.predictions, rows([f"r{i}" for i in range(100)]), partition_by=["date"])
    one, two = (read_predictions(log, [arm()], [Window()], max_rows=10, seed=7) for _ in range(2))
    assert one.table.equals(two.table)
    assert (one.table.num_rows, one.total_rows) == (10, 100)
