from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from leeboard_workers.serving.rows import label_rows, prediction_rows
from leeboard_workers.serving.tables import LogTable


def rows(request_id: str, cell: Any, table: LogTable) -> Any:
    batch = {"requestId": request_id, "arm": "a", "version": "1", "time": 1e9, "predictions": [0]}
    return prediction_rows(batch | {"features": {"x": [cell]}}, 1e9, table.stored)


def stored(uri: str) -> int:
    return DeltaTable(uri).to_pyarrow_table().num_rows if DeltaTable.is_deltatable(uri) else 0


def test_a_segment_is_appended_once(tmp_path: Path) -> None:
    uri = str(tmp_path / "t")
    for _ in range(2):  # the second time as after a crash that came before the segment was removed
        table = LogTable(uri, "journal", partition="date")
        table.add(rows("r", 1.0, table))
        table.commit(7)
        assert (stored(uri), table.extent.rows, table.extent.segment) == (1, 1, 7)


def test_another_journal_counts_its_own_segments(tmp_path: Path) -> None:
    uri = str(tmp_path / "t")
    for number, journal in enumerate(("one", "two")):
        table = LogTable(uri, journal, partition="date")
        table.add(rows(f"r{number}", 1.0, table))
        table.commit(1)
    assert stored(uri) == table.extent.rows == 2


def test_a_crash_between_two_epochs_is_made_good(tmp_path: Path) -> None:
    uri = str(tmp_path / "t")
    for kept in (1, 2):  # the first run gets only as far as the first epoch
        table = LogTable(uri, "journal", partition="date")
        for name, cell in (("r1", 1.0), ("r2", "text"), ("r3", 3.0)):
            table.add(rows(name, cell, table))
        table._epochs = table._epochs[:kept]
        table.commit(1)
    assert (stored(uri), stored(f"{uri}-2")) == (2, 1)


def test_truth_values_fit_into_a_column_of_numbers(tmp_path: Path) -> None:
    table = LogTable(str(tmp_path / "t"), "journal", partition="date")
    for name, cell in (("r1", 0.5), ("r2", True)):
        table.add(rows(name, cell, table))
    table.commit(1)
    assert sorted(DeltaTable(table.uri).to_pyarrow_table()["x_x"].to_pylist()) == [0.5, 1.0]


def test_a_request_that_was_sent_twice_is_there_once(tmp_path: Path) -> None:
    table = LogTable(str(tmp_path / "t"), "journal", partition="date")
    for _ in range(2):
        table.add(rows("r", 1.0, table))
    table.commit(1)
    assert stored(table.uri) == 1


def test_labels_of_text_and_of_numbers_are_kept_apart() -> None:
    tables = label_rows([{"requestId": "a", "label": "late"}, {"requestId": "b", "label": True, "time": 5.0}], 9.0)
    assert [table["label"].to_pylist() for table in tables] == [[1.0], ["late"]]
    assert [table["time"][0].as_py().timestamp() for table in tables] == [5.0, 9.0]


def test_rows_tell_what_was_done_to_their_columns(tmp_path: Path) -> None:
    table = LogTable(str(tmp_path / "t"), "journal", partition="date")
    batch = {"requestId": "r", "arm": "a", "version": "1", "time": 1e9, "predictions": [0, 1], "features": {}}
    changed = {"changedColumns": {"drop": ["name"], "hash": [], "round": {"age": 0}}}
    for number, more in enumerate((changed, {})):
        table.add(prediction_rows(batch | more | {"requestId": f"r{number}"}, 1e9, table.stored))
        table.commit(number)
    told = DeltaTable(table.uri).to_pyarrow_table().sort_by("request_id")["changed_columns"].to_pylist()
    assert told == ['{"drop": ["name"], "hash": [], "round": {"age": 0}}'] * 2 + [None] * 2
