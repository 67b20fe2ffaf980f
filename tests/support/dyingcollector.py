"""A collector that is killed at a stage that is named: between two system calls, without a chance to tidy up."""

import asyncio
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

import orjson
from deltalake import write_deltalake

from leeboard_workers.serving.asgi import Request
from leeboard_workers.serving.collector import tables, upkeep
from leeboard_workers.serving.collector.application import Collector
from leeboard_workers.serving.collector.journal import Journal
from leeboard_workers.serving.collector.options import Options
from leeboard_workers.serving.collector.tables import LogTable

OWNER = {"namespace": "air", "modelDeployment": "flights"}
LABELS_PATH = "/v1/labels/air/flights"
PREDICTIONS_PATH = "/v1/predictions"


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _then_die(work: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **more: Any) -> None:
        work(*arguments, **more)
        die()

    return run


STAGES = {
    "the journal is written, nothing is acknowledged": lambda: mock.patch.object(
        Journal, "_write", _then_die(Journal._write)
    ),
    "the segment is closed, nothing is carried": lambda: mock.patch.object(LogTable, "add", die),
    "rows are made, nothing is committed": lambda: mock.patch.object(LogTable, "commit", die),
    "one table is committed, the other is not": lambda: mock.patch.object(
        LogTable, "commit", _then_die(LogTable.commit)
    ),
    "one epoch is committed, the other is not": lambda: mock.patch.object(
        tables, "write_deltalake", _then_die(write_deltalake)
    ),
    "all is committed, the segment is there": lambda: mock.patch.object(Journal, "remove", die),
    "the segment is removed": lambda: mock.patch.object(Journal, "remove", _then_die(Journal.remove)),
    "files are compacted": lambda: mock.patch.object(upkeep, "compact", _then_die(upkeep.compact)),
}


def options(folder: Path) -> Options:
    return Options(root=str(folder / "root"), journal=folder / "journal", flush_seconds=3600)


def batch(request_id: str, cell: Any) -> dict[str, Any]:
    row = {"version": "1", "arm": "arm", "requestId": request_id, "time": 1.7e9}
    return OWNER | row | {"features": {"x": [cell]}, "predictions": [0]}


async def post(collector: Collector, path: str, document: Any) -> int:
    return (await collector.answer(Request("POST", path, {}, orjson.dumps(document)))).status


def run(stage: str, folder: Path, acknowledged: Connection) -> None:
    """Take predictions of two epochs and labels, tell what was acknowledged, carry, and die at the stage."""

    async def live() -> None:
        collector = Collector(options(folder))
        await collector.start()
        with STAGES[stage](), mock.patch.object(upkeep, "COMMITS_BETWEEN_COMPACTIONS", 0):
            for number, cell in enumerate((1.0, "text", 2.0, "more")):
                assert await post(collector, PREDICTIONS_PATH, batch(f"r{number}", cell)) == 200
                acknowledged.send(("predictions", f"r{number}"))
                label = {"requestId": f"r{number}", "label": number}
                assert await post(collector, LABELS_PATH, [label]) == 200
                acknowledged.send(("labels", f"r{number}"))
            await collector._flush()

    asyncio.run(live())
