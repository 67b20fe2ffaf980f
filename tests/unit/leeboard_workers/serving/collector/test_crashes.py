"""Whatever the instant at which the collector is killed: nothing that it acknowledged is lost, nothing is doubled."""

import multiprocessing
import signal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from leeboard.contract.serving import TableState
from leeboard_workers.serving.asgi import Request
from leeboard_workers.serving.collector.application import Collector
from tests.support import dyingcollector


@pytest.fixture(scope="module")
def forks() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.dyingcollector"])
    return context


def acknowledged_before_death(forks: Any, stage: str, folder: Path) -> set[tuple[str, str]]:
    receiving, sending = forks.Pipe(duplex=False)
    process = forks.Process(target=dyingcollector.run, args=(stage, folder, sending))
    process.start()
    sending.close()
    told = set()
    try:
        while True:
            told.add(receiving.recv())
    except EOFError:
        process.join(30)
    assert process.exitcode == -signal.SIGKILL, f"it did not come to the stage {stage!r}"
    return told


def keys(folder: Path, kind: str) -> list[tuple[str, str]]:
    uris = [folder / "root/air/flights" / name for name in (kind, f"{kind}-2")]
    tables = [
        DeltaTable(uri).to_pyarrow_table(columns=["request_id"]) for uri in uris if DeltaTable.is_deltatable(str(uri))
    ]
    return [(kind, name) for name in pa.concat_tables(tables)["request_id"].to_pylist()]


@pytest.mark.parametrize("stage", dyingcollector.STAGES)
async def test_nothing_acknowledged_is_lost_or_doubled(forks: Any, tmp_path: Path, stage: str) -> None:
    told = acknowledged_before_death(forks, stage, tmp_path)
    again = Collector(dyingcollector.options(tmp_path))
    await again.start()
    for number, cell in enumerate((1.0, "text", 2.0, "more")):  # the sender heard nothing of some, and sends all again
        assert await dyingcollector.post(again, "/v1/predictions", dyingcollector.batch(f"r{number}", cell)) == 200
        label = {"requestId": f"r{number}", "label": number}
        assert await dyingcollector.post(again, dyingcollector.LABELS_PATH, [label]) == 200
    counted = TableState.model_validate_json(
        (await again.answer(Request("GET", "/v1/tables/air/flights", {}, b""))).body
    )
    assert counted.prediction_rows >= 4
    assert counted.label_rows >= 4
    await again.stop()
    for kind in ("predictions", "labels"):
        found = keys(tmp_path, kind)
        assert sorted(found) == [(kind, f"r{number}") for number in range(4)]
        assert {one for one in told if one[0] == kind} <= set(found)
    assert not list((tmp_path / "journal").glob("*.journal"))
