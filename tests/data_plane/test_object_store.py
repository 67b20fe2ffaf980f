"""The collector on a real S3-compatible server that checks signatures and conditional writes."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from leeboard.contract.jobs import LiveArm, LogTables
from leeboard.sandbox import programs
from leeboard.sandbox.processes import free_port
from leeboard_workers.data.predictionlog import read_labelled
from leeboard_workers.data.windows import Window
from tests.support.dataplane import Plane, Served, until

BUCKET = "leeboard"
ACCESS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Serve S3 on loopback, with one bucket; yields the environment that reaches it."""
    port, folder = free_port(), tmp_path_factory.mktemp("s3")
    environment = ACCESS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true"}
    for name in (f"root/{BUCKET}", "metadata"):
        (folder / name).mkdir(parents=True)
    program = asyncio.run(programs.ensure([programs.VERSITYGW], print))[programs.VERSITYGW]
    where = ["posix", "--sidecar", str(folder / "metadata"), str(folder / "root")]
    owner = {"ROOT_ACCESS_KEY": ACCESS["AWS_ACCESS_KEY_ID"], "ROOT_SECRET_KEY": ACCESS["AWS_SECRET_ACCESS_KEY"]}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "--port", f"127.0.0.1:{port}", *where], env=os.environ | owner, stdout=log, stderr=log
        )
        try:
            until(lambda: httpx.get(environment["AWS_ENDPOINT_URL"], trust_env=False).status_code, "the store", 60)
            yield environment
        finally:
            process.terminate()
            process.wait(10)


def started(plane: Plane, environment: dict[str, str], journal: str) -> Served:
    port = free_port()
    arguments = ["--root", f"s3://{BUCKET}/log", "--journal", journal, "--port", str(port), "--flush_seconds", "0.3"]
    return plane.start("leeboard_workers.serving.collector", arguments, "/healthz", port, **environment)


def test_the_log_lies_in_an_object_store(
    plane: Plane, store: dict[str, str], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = str(tmp_path_factory.mktemp("journal"))
    collector = started(plane, store, journal)
    batch = {"namespace": "air", "modelDeployment": "flights", "version": "1", "arm": "arm", "time": 1_772_000_000.0}
    for number in range(3):
        given = batch | {"requestId": f"r{number}", "features": {"x": [float(number)]}, "predictions": [number]}
        assert collector.post("/v1/predictions", given).status_code == 200
        label = [{"requestId": f"r{number}", "label": number}]
        assert collector.post("/v1/labels/air/flights", label).status_code == 200
    collector.kill()
    collector = started(plane, store, journal)
    state = collector.get("/v1/tables/air/flights").json()
    assert (state["predictionRows"], state["labelRows"]) == (3, 3)
    assert state["predictions"] == f"s3://{BUCKET}/log/air/flights/predictions"
    for name, value in store.items():
        monkeypatch.setenv(name, value)
    log = LogTables(predictions=state["predictions"], labels=state["labels"])
    arms = [LiveArm(arm="arm", version="1", from_time="2026-01-01T00:00:00Z")]

    def rows() -> int:
        return read_labelled(log, arms, [Window()], max_rows=1_000).total_rows

    until(lambda: rows() == 3, "the rows in the object store")
    assert any(Path(journal).iterdir()), "the journal lies on a disk of its own"
    again = batch | {"requestId": "r0", "features": {"x": [0.0]}, "predictions": [0]}
    assert collector.post("/v1/predictions", again).status_code == 200
    until(lambda: collector.metric("leeboard_collector_repeated_rows_total") >= 1, "the repeated row to be recognized")
    assert rows() == 3


def rows_of(numbers: list[int]) -> pa.Table:
    return pa.table({"number": pa.array(numbers, pa.int64())})


def numbers_in(uri: str, store: dict[str, str]) -> list[int]:
    return sorted(DeltaTable(uri, storage_options=store).to_pyarrow_table()["number"].to_pylist())


def test_a_wrong_secret_writes_nothing(store: dict[str, str]) -> None:
    uri = f"s3://{BUCKET}/refused"
    with pytest.raises(OSError, match="SignatureDoesNotMatch"):
        write_deltalake(uri, rows_of([1]), storage_options=store | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert not DeltaTable.is_deltatable(uri, store)


def test_a_commit_that_another_was_quicker_with_takes_the_next_number(store: dict[str, str]) -> None:
    uri = f"s3://{BUCKET}/conflict"
    write_deltalake(uri, rows_of([0]), storage_options=store)
    first, second = (DeltaTable(uri, storage_options=store) for _ in range(2))
    for number, table in enumerate((first, second), start=1):  # both have seen version 0, and want to write version 1
        write_deltalake(table, rows_of([number]), mode="append")
    assert DeltaTable(uri, storage_options=store).version() == 2
    assert numbers_in(uri, store) == [0, 1, 2]


def test_two_writers_at_once_lose_nothing(store: dict[str, str]) -> None:
    uri = f"s3://{BUCKET}/together"
    write_deltalake(uri, rows_of([]), storage_options=store)

    def write(numbers: range) -> None:
        for number in numbers:
            write_deltalake(uri, rows_of([number]), mode="append", storage_options=store)

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, (range(10), range(10, 20))))
    assert numbers_in(uri, store) == list(range(20))
