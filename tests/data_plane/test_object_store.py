"""The collector on a real S3-compatible server: tables are written, opened again, and read by the jobs' reader."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pytest

from leeboard.contract.jobs import LiveArm, LogTables
from leeboard.sandbox.processes import free_port
from leeboard_workers.data.predictionlog import read_labelled
from leeboard_workers.data.windows import Window
from tests.support.dataplane import Plane, Served, until

BUCKET = "leeboard"
ACCESS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Serve S3 on loopback, with one bucket; yields the environment that reaches it."""
    port = free_port()
    environment = ACCESS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true"}
    log = (tmp_path_factory.mktemp("s3") / "server.log").open("wb")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: httpx.get(environment["AWS_ENDPOINT_URL"], trust_env=False).status_code, "the store", 60)
        boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="key",
            aws_secret_access_key="secret",  # noqa: S106 (of a server that lives for a test)
            region_name="us-east-1",
        ).create_bucket(Bucket=BUCKET)
        yield environment
    finally:
        process.terminate()
        process.wait(10)
        log.close()


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
