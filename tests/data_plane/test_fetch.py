"""`leeboard-fetch` against a real MLflow server: whole, resumed, checked, refused."""

import hashlib
import itertools
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from leeboard.contract.serving import EXIT_STORE_AWAY
from leeboard.sandbox.processes import free_port
from leeboard_workers.serving.fetch import SUMS, FetchError, fetch

FILES = {"MLmodel": b"flavors: {}\n", "model.bin": bytes(range(256)) * 1000, "code/deep/inner.py": b"pass\n"}


_numbers = itertools.count(1)
"""A process that takes over tests from another may come to this file twice."""


@dataclass(frozen=True)
class Logged:
    """A folder with its sums is version 1 of a model; version 2 has sums that are wrong."""

    model: str
    uri: str
    """Where the files of version 1 are."""


@pytest.fixture(scope="module")
def logged(mlflow_server: str, tmp_path_factory: pytest.TempPathFactory) -> Logged:
    mlflow.set_tracking_uri(mlflow_server)
    client, model = MlflowClient(mlflow_server), f"fetched-{next(_numbers)}"
    client.create_registered_model(model)
    run = client.create_run(client.create_experiment(model))
    for name in ("good", "bad"):
        folder = tmp_path_factory.mktemp(name)
        for path, content in FILES.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        sums = [f"{hashlib.sha256(content).hexdigest()}  ./{path}\n" for path, content in FILES.items()]
        (folder / SUMS).write_text("".join(sums))
        if name == "bad":
            (folder / "model.bin").write_bytes(b"something else")
        client.log_artifacts(run.info.run_id, str(folder), name)
        client.create_model_version(model, f"{run.info.artifact_uri}/{name}", run.info.run_id)
    return Logged(model, f"{run.info.artifact_uri}/good")


def content(folder: Path) -> dict[str, bytes]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path): (folder / path).read_bytes() for path in paths if not str(path).startswith((".", SUMS))}


def test_fetches_what_the_registry_names_as_kserve_calls_it(mlflow_server: str, logged: Logged, tmp_path: Path) -> None:
    source, target = f"models:/{logged.model}/1", str(tmp_path / "mnt")
    command = [sys.executable, "-m", "leeboard_workers.serving.fetch", source, target]
    subprocess.run(command, check=True, env={"MLFLOW_TRACKING_URI": mlflow_server, "PATH": ""}, timeout=120)
    assert content(tmp_path / "mnt") == FILES


@pytest.mark.parametrize(("away", "status"), [(True, EXIT_STORE_AWAY), (False, 1)])
def test_says_by_its_exit_status_whether_the_store_is_away(
    mlflow_server: str, tmp_path: Path, *, away: bool, status: int
) -> None:
    server = f"http://127.0.0.1:{free_port()}" if away else mlflow_server
    command = [sys.executable, "-m", "leeboard_workers.serving.fetch", "models:/nobody/1", str(tmp_path)]
    environment = {"MLFLOW_TRACKING_URI": server, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "PATH": ""}
    done = subprocess.run(command, check=False, env=environment, timeout=120, capture_output=True, text=True)

    assert done.returncode == status
    assert done.stderr.startswith("cannot fetch models:/nobody/1: ")


def test_what_is_whole_is_not_fetched_again(logged: Logged, tmp_path: Path) -> None:
    assert logged.uri.startswith("mlflow-artifacts:/")
    assert set(fetch(logged.uri, tmp_path)) == {*FILES, SUMS}
    assert fetch(logged.uri, tmp_path) == []
    (tmp_path / "model.bin").write_bytes(FILES["model.bin"][:100])  # cut off
    (tmp_path / "code/deep/inner.py").write_bytes(b"fail\n")  # of the right length
    (tmp_path / "MLmodel").unlink()
    assert set(fetch(logged.uri, tmp_path)) == set(FILES)
    assert content(tmp_path) == FILES


def test_a_file_that_is_not_what_its_sum_says_is_refused(logged: Logged, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"model\.bin is not what SHA256SUMS says"):
        fetch(f"models:/{logged.model}/2", tmp_path)
    assert not (tmp_path / "model.bin").exists()


def test_more_than_was_allowed_is_refused(logged: Logged, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="longer than 1000 bytes"):
        fetch(logged.uri, tmp_path, max_bytes=1000)


def test_nothing_is_refused(logged: Logged, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="there is nothing"):
        fetch(f"{logged.uri}/missing", tmp_path)
