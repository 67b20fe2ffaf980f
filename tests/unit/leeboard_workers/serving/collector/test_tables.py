from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from leeboard_workers.serving.collector.rows import label_tables, prediction_tables
from leeboard_workers.serving.collector.tables import LogTable
from leeboard_workers.serving.collector.upkeep import COMMITS_BETWEEN_COMPACTIONS, Upkeep


def batch(request_id: str, cells: list[Any], **more: Any) -> dict[str, Any]:
    given = {"requestId": request_id, "arm": "a", "version": "1", "time": 1e9, "predictions": [0] * len(cells)}
    return given | {"features": {"x": cells}} | more


def put(table: LogTable, *batches: dict[str, Any], ingest_time: float = 1e9) -> None:
    for rows in prediction_tables([(given, ingest_time) for given in batches], table.stored):
        table.add(rows)


def say(table: LogTable, ingest_time: float, *labels: dict[str, Any]) -> None:
    for rows in label_tables(labels, ingest_time):
        table.add(rows)


def predictions(folder: Path, journal: str = "journal") -> LogTable:
    return LogTable(str(folder / "t"), journal, Upkeep())


def stored(uri: str) -> int:
    return DeltaTable(uri).to_pyarrow_table().num_rows if DeltaTable.is_deltatable(uri) else 0


def column(uri: str, name: str = "x_x") -> list[Any]:
    return DeltaTable(uri).to_pyarrow_table()[name].to_pylist()


def test_a_segment_is_appended_once(tmp_path: Path) -> None:
    for _ in range(2):  # the second time as after a crash that came before the segment was removed
        table = predictions(tmp_path)
        put(table, batch("r", [1.0]))
        table.commit(7)
        assert (stored(table.uri), table.extent.rows, table.extent.segment) == (1, 1, 7)


def test_another_journal_counts_its_own_segments(tmp_path: Path) -> None:
    for number, journal in enumerate(("one", "two")):
        table = predictions(tmp_path, journal)
        put(table, batch(f"r{number}", [1.0]))
        table.commit(1)
    assert stored(table.uri) == table.extent.rows == 2


def test_a_crash_between_two_epochs_is_made_good(tmp_path: Path) -> None:
    for kept in (1, 2):  # the first run gets only as far as the first epoch
        table = predictions(tmp_path)
        put(table, batch("r1", [1.0]), batch("r2", ["text"]), batch("r3", [3.0]))
        table._epochs = table._epochs[:kept]
        table.commit(1)
    assert (stored(table.uri), stored(f"{table.uri}-2")) == (2, 1)


def test_truth_values_fit_into_a_column_of_numbers(tmp_path: Path) -> None:
    table = predictions(tmp_path)
    put(table, batch("r1", [0.5]), batch("r2", [True]))
    table.commit(1)
    assert sorted(column(table.uri)) == [0.5, 1.0]


@pytest.mark.parametrize("restart", [False, True])
def test_a_prediction_that_is_sent_again_is_there_once(tmp_path: Path, restart: bool) -> None:  # noqa: FBT001 (a case)
    table = predictions(tmp_path)
    put(table, batch("r", [1.0, 2.0]), batch("r", [1.0, 2.0]))
    table.commit(1)
    if restart:
        table = predictions(tmp_path)
    put(table, batch("r", [1.0, 2.0]), batch("other", [3.0]))
    table.commit(2)
    assert sorted(column(table.uri)) == [1.0, 2.0, 3.0]
    assert table.extent.rows == 7, "acknowledged is acknowledged"
    put(table, batch("r", [1.0, 2.0]))
    table.commit(3)
    assert (stored(table.uri), table.extent.rows, table.extent.segment) == (3, 9, 3)


def test_the_same_request_in_another_arm_is_another_row(tmp_path: Path) -> None:
    table = predictions(tmp_path)
    put(table, batch("r", [1.0]), batch("r", [1.0], arm="b"))
    table.commit(1)
    assert stored(table.uri) == 2


@pytest.mark.parametrize("restart", [False, True])
def test_a_label_that_says_the_same_again_is_no_news(tmp_path: Path, restart: bool) -> None:  # noqa: FBT001 (a case)
    def opened() -> LogTable:
        return LogTable(str(tmp_path / "labels"), "journal", Upkeep(), labels=True)

    table = opened()
    says = [("late", None), ("late", None), (1.0, None), ("late", None), ("late", 5.0), ("late", 5.0)]
    for number, (label, time) in enumerate(says):
        given = {"requestId": "r", "label": label} | ({"time": time} if time else {})
        say(table, 10.0 + number, given)
        table.commit(number)
        if restart:
            table = opened()
    rows = [row for uri in (table.uri, f"{table.uri}-2") for row in DeltaTable(uri).to_pyarrow_table().to_pylist()]
    rows.sort(key=lambda row: row["ingest_time"])
    assert [row["ingest_time"].timestamp() for row in rows] == [10.0, 12.0, 13.0, 14.0]
    assert [row["label"] for row in rows] == ["late", 1.0, "late", "late"]


def test_of_two_labels_in_one_body_the_last_counts(tmp_path: Path) -> None:
    table = LogTable(str(tmp_path / "labels"), "journal", Upkeep(), labels=True)
    say(table, 1.0, {"requestId": "r", "label": 1}, {"requestId": "r", "label": 2})
    table.commit(1)
    assert column(table.uri, "label") == [2.0]


def test_labels_of_text_and_of_numbers_are_kept_apart() -> None:
    tables = label_tables([{"requestId": "a", "label": "late"}, {"requestId": "b", "label": True, "time": 5.0}], 9.0)
    assert [table["label"].to_pylist() for table in tables] == [[1.0], ["late"]]
    assert [table["time"][0].as_py().timestamp() for table in tables] == [5.0, 9.0]


INTEGER = {"integerFeatures": ["x"]}


@pytest.mark.parametrize(
    ("what", "given", "first", "second"),
    [
        ("whole numbers stay whole when the signature says so", [batch("1", [1, None], **INTEGER)], [1, None], None),
        ("doubles unless the signature says so", [batch("1", [1])], [1.0], None),
        ("1.5 is never cut to 1", [batch("1", [1], **INTEGER), batch("2", [1.5], **INTEGER)], [1], [1.5]),
        ("1.0 is whole", [batch("1", [1], **INTEGER), batch("2", [3.0])], [1, 3], None),
        ("infinity is not", [batch("1", [1], **INTEGER), batch("2", [float("inf")])], [1], [float("inf")]),
        ("whole numbers fit among doubles", [batch("1", [0.5]), batch("2", [2], **INTEGER)], [0.5, 2.0], None),
        ("too large ones do not", [batch("1", [0.5]), batch("2", [2**53 + 1], **INTEGER)], [0.5], [2**53 + 1]),
        ("nor do those that no column holds", [batch("1", [2**64 - 1], **INTEGER)], [float(2**64)], None),
        ("a text opens another epoch", [batch("1", [1.0]), batch("2", ["one"])], [1.0], ["one"]),
        ("a long text is cut", [batch("1", ["x" * 40_000])], ["x" * 32_768], None),
    ],
)
def test_columns_hold_what_came(
    tmp_path: Path, what: str, given: list[dict[str, Any]], first: list[Any], second: list[Any] | None
) -> None:
    table = predictions(tmp_path)
    for number, one in enumerate(given):
        put(table, one)
        table.commit(number)
    assert column(table.uri) == first or sorted(column(table.uri), key=str) == sorted(first, key=str), what
    assert [type(cell) for cell in column(table.uri)] == [type(cell) for cell in first], what
    assert (column(f"{table.uri}-2") if stored(f"{table.uri}-2") else None) == second, what


def test_many_small_commits_become_few_files_and_little_history(tmp_path: Path) -> None:
    table = LogTable(str(tmp_path / "t"), "journal", Upkeep(history=timedelta(seconds=1)))
    commits, history = 0, 0
    while history >= commits - COMMITS_BETWEEN_COMPACTIONS and commits < 400:
        put(table, batch(f"r{commits}", [1.0]), ingest_time=1e9 + commits)
        table.commit(commits)
        table.keep()
        commits += 1
        history = len(list((tmp_path / "t/_delta_log").glob("*.json")))
    assert history < commits - COMMITS_BETWEEN_COMPACTIONS, "what is older than the history is forgotten"
    found = DeltaTable(table.uri)
    assert len(found.file_uris()) < COMMITS_BETWEEN_COMPACTIONS + 10
    assert found.to_pyarrow_table().num_rows == commits
    again = predictions(tmp_path)
    assert again.extent == table.extent, "compaction forgets no mark"
    put(again, batch("r0", [1.0]))
    again.commit(10_000)
    assert stored(again.uri) == commits, "a compacted row is still recognized"


def test_rows_that_are_too_old_and_files_that_nobody_needs_are_deleted(tmp_path: Path) -> None:
    upkeep = Upkeep(history=timedelta(seconds=0), retention=timedelta(days=30))
    now = datetime.now(UTC)
    logs = {"predictions": False, "labels": True}
    for name, labels in logs.items():
        table = LogTable(str(tmp_path / name), "journal", upkeep, labels=labels)
        for number, age in enumerate((40, 1)):
            time = (now - timedelta(days=age)).timestamp()
            if labels:
                say(table, time, {"requestId": f"r{number}", "label": 1})
            else:
                put(table, batch(f"r{number}", [1.0], time=time))
            table.commit(number)
        (epoch,) = table._epochs
        assert epoch.table is not None
        upkeep.tidy(epoch.table, None if labels else "date", now)
        assert column(table.uri, "request_id") == ["r1"]
        assert len(list((tmp_path / name).rglob("*.parquet"))) == 1 + len(
            list((tmp_path / name / "_delta_log").glob("*.parquet"))
        )
        assert LogTable(table.uri, "journal", upkeep, labels=labels).extent.rows == 2


def test_rows_tell_what_was_done_to_their_columns(tmp_path: Path) -> None:
    table = predictions(tmp_path)
    changed = {"drop": ["name"], "hash": [], "round": {"age": 0}}
    for number, more in enumerate(({"changedColumns": changed}, {})):
        put(table, batch(f"r{number}", [1.0, 2.0], **more))
        table.commit(number)
    told = DeltaTable(table.uri).to_pyarrow_table().sort_by("request_id")["changed_columns"].to_pylist()
    assert told == ['{"drop": ["name"], "hash": [], "round": {"age": 0}}'] * 2 + [None] * 2
