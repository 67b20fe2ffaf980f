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
