from pathlib import Path

import orjson
from deltalake import DeltaTable

from leeboard_workers.serving.asgi import Request
from leeboard_workers.serving.collector.application import Collector
from leeboard_workers.serving.collector.journal import Journal
from leeboard_workers.serving.collector.options import Options

BATCH = {
    "namespace": "air",
    "modelDeployment": "flights",
    "version": "1",
    "arm": "arm",
    "requestId": "r1",
    "time": 1_700_000_000.0,
    "features": {"x": [1.0, 2.0]},
    "predictions": [0, 1],
}


async def test_inputs_are_taken_by_row_as_by_column(tmp_path: Path) -> None:
    collector = Collector(Options(root=str(tmp_path / "root"), journal=tmp_path / "journal", flush_seconds=3600))
    await collector.start()
    cells = [[1.5, "a", None], [2, "b", [3, 4]]]
    by_row = BATCH | {"features": {}, "columns": ["x", "y", "z"], "instances": cells}
    by_column = BATCH | {"requestId": "r2", "features": {"x": [1.5, 2], "y": ["a", "b"], "z": [None, [3, 4]]}}
    wrong = [by_row | {"columns": ["x", "x", "y"]}, by_row | {"instances": cells[:1]}, by_row | {"columns": ["x", "y"]}]
    body = orjson.dumps([by_row, by_column, *wrong])
    told = orjson.loads((await collector.answer(Request("POST", "/v1/predictions", {}, body))).body)
    assert told["accepted"] == 2
    assert told["errors"] == [
        "columns names one column twice",
        "instances holds 1 rows for 2 predictions",
        "instances.0 holds 3 values for 2 columns",
    ]
    await collector.stop()
    rows = DeltaTable(str(tmp_path / "root/air/flights/predictions")).to_pyarrow_table()
    rows = rows.select(["request_id", "row", "x_x", "x_y", "x_z"]).sort_by(
        [("request_id", "ascending"), ("row", "ascending")]
    )
    assert rows.slice(0, 2).drop(["request_id"]).equals(rows.slice(2).drop(["request_id"]))
    assert rows["x_x"].to_pylist() == [1.5, 2.0, 1.5, 2.0]


async def test_rows_of_the_last_run_are_told_at_once_and_carried_later(tmp_path: Path) -> None:
    left = Journal(tmp_path / "journal", 10_000)
    await left.append(orjson.dumps({"kind": "predictions", "time": BATCH["time"], "documents": [BATCH]}))
    left.close()
    collector = Collector(Options(root=str(tmp_path / "root"), journal=tmp_path / "journal", flush_seconds=3600))
    await collector.start()
    table = str(tmp_path / "root/air/flights/predictions")
    assert not DeltaTable.is_deltatable(table)
    told = orjson.loads((await collector.answer(Request("GET", "/v1/tables/air/flights", {}, b""))).body)
    assert told["predictionRows"] == 2
    await collector.stop()
    assert DeltaTable(table).to_pyarrow_table().num_rows == 2


async def test_bodies_that_are_too_long_are_counted(tmp_path: Path) -> None:
    collector = Collector(Options(root=str(tmp_path / "root"), journal=tmp_path / "journal", flush_seconds=3600))
    await collector.start()
    assert collector.too_large(Request("POST", "/v1/labels", {}, b"")).status == 413
    page = (await collector.answer(Request("GET", "/metrics", {}, b""))).body
    assert b'leeboard_collector_refused_total{code="413"} 1.0' in page
    await collector.stop()
