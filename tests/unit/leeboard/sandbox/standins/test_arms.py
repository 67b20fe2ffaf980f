"""The commands that stand for an InferenceService's containers, and what becomes of those that end."""

import sys
from pathlib import Path
from typing import Any

import pytest

from leeboard.sandbox.processes import Supervisor, until
from leeboard.sandbox.standins.arms import Arm, fingerprint, variables_of
from leeboard.sandbox.standins.inferenceservices import arm_status

RUNTIME = {
    "name": "kserve-container",
    "command": ["leeboard-predictor"],
    "args": ["--model_dir=/mnt/models", "--http_port=8080"],
    "env": [{"name": "FROM_RUNTIME", "value": "1"}],
    "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": 8080}},
}
# Is killed at its first start, and listens from the second on.
FORGETFUL = """
import pathlib, socket, sys, time
marker = pathlib.Path(sys.argv[1])
if not marker.exists():
    marker.touch()
    sys.exit("out of memory")
server = socket.create_server(("127.0.0.1", int(sys.argv[2].removeprefix("--http_port="))))
time.sleep(3600)
"""


def service(*arguments: str, replicas: int = 1) -> dict[str, Any]:
    container = {
        "name": "kserve-container",
        "command": ["leeboard-transformer"],
        "args": list(arguments),
        "env": [{"name": "LEEBOARD_VERSION", "value": "7"}],
    }
    return {
        "metadata": {"namespace": "ml", "name": "flights-v7-a1b2c3", "generation": 1},
        "spec": {
            "predictor": {
                "minReplicas": replicas,
                "maxReplicas": replicas + 1,
                "model": {
                    "runtime": "leeboard-mlflow",
                    "args": ["--model_name=flights"],
                    "env": [{"name": "FROM_MODEL", "value": "2"}],
                },
            },
            "transformer": {"minReplicas": replicas, "maxReplicas": replicas + 1, "containers": [container]},
        },
    }


def test_an_environment_is_read_as_the_kubelet_reads_it():
    written = {"A": "1", "B": "$(A)$(A)", "C": "$$(A)", "D": "$(E) $( $x $", "E": "$$$$(A)$$$(A)"}
    container = {"env": [{"name": name, "value": value} for name, value in written.items()]}
    read = variables_of(container)
    assert read == {"A": "1", "B": "11", "C": "$(A)", "D": "$(E) $( $x $", "E": "$$(A)$1"}


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    return Supervisor(tmp_path / "logs")


def made(supervisor: Supervisor, folder: Path, *arguments: str) -> Arm:
    return Arm(
        service(*arguments),
        runtime_container=RUNTIME,
        storage_container=None,
        folder=folder,
        supervisor=supervisor,
        environment={"NODE": "one"},
    )


def test_the_predictor_runs_what_the_runtime_and_the_model_ask_for(supervisor: Supervisor, tmp_path: Path):
    predictor = made(supervisor, tmp_path).components["predictor"]
    folder = tmp_path / "ml" / "flights-v7-a1b2c3" / "model"
    assert predictor.command == [
        "leeboard-predictor",
        f"--model_dir={folder}",
        f"--http_port={predictor.port}",
        "--model_name=flights",
    ]
    assert predictor.deployment == "flights-v7-a1b2c3-predictor"
    assert predictor.probe_path == "/v2/health/ready"


def test_the_transformer_gets_the_arguments_that_kserve_adds(supervisor: Supervisor, tmp_path: Path):
    parts = made(supervisor, tmp_path, "--model_name=flights", "--predictor_protocol=v2").components
    assert parts["transformer"].command == [
        *("leeboard-transformer", "--model_name=flights", "--predictor_protocol=v2"),
        *("--predictor_host", f"127.0.0.1:{parts['predictor'].port}"),
        *("--http_port", str(parts["transformer"].port)),
    ]


def test_a_transformer_that_says_nothing_serves_under_the_services_name(supervisor: Supervisor, tmp_path: Path):
    command = made(supervisor, tmp_path).components["transformer"].command
    assert command[command.index("--model_name") + 1] == "flights-v7-a1b2c3"


@pytest.mark.parametrize("said", [["--http_port=8080"], ["--http_port", "8080"]])
def test_each_process_has_a_port_of_its_own(supervisor: Supervisor, tmp_path: Path, said: list[str]):
    parts = made(supervisor, tmp_path, *said).components
    command = parts["transformer"].command
    assert "8080" not in " ".join(command)
    assert " ".join(command).count("--http_port") == 1
    assert parts["transformer"].port != parts["predictor"].port


def test_a_container_has_its_own_variables_and_the_nodes(supervisor: Supervisor, tmp_path: Path):
    parts = made(supervisor, tmp_path).components
    common = {"NODE": "one", "INFERENCE_SERVICE_NAME": "flights-v7-a1b2c3"}
    assert parts["predictor"].environment == common | {"FROM_RUNTIME": "1", "FROM_MODEL": "2"}
    assert parts["transformer"].environment == common | {"LEEBOARD_VERSION": "7"}


def test_replicas_ask_for_no_new_processes(supervisor: Supervisor, tmp_path: Path):
    assert fingerprint(service(replicas=1)) == fingerprint(service(replicas=3))
    assert not made(supervisor, tmp_path).outdated(service(replicas=3))


def test_other_arguments_ask_for_new_processes(supervisor: Supervisor, tmp_path: Path):
    assert made(supervisor, tmp_path).outdated(service("--predictor_protocol=v1"))


async def test_a_predictor_that_came_back_is_no_failed_model(supervisor: Supervisor, tmp_path: Path):
    asked: dict[str, Any] = service()
    del asked["spec"]["transformer"]
    command = [sys.executable, "-c", FORGETFUL, str(tmp_path / "started"), "--http_port=8080"]
    arm = Arm(
        asked,
        runtime_container={"command": command},
        storage_container=None,
        folder=tmp_path / "models",
        supervisor=supervisor,
        environment={},
    )

    async def failed() -> bool:
        return bool(arm.failure)

    async def ready() -> bool:
        return arm.components["predictor"].ready

    arm.start()
    try:
        await until(failed, "the first process to fail", within=30)
        model = arm_status(asked, arm)["modelStatus"]
        assert model["transitionStatus"] == "BlockedByFailedLoad"
        assert model["lastFailureInfo"]["message"].endswith("out of memory")
        await until(ready, "the second process to listen", within=30)
        assert arm_status(asked, arm)["modelStatus"]["transitionStatus"] == "UpToDate"
        assert arm.components["predictor"].restarts == 1
    finally:
        await arm.stop()
    assert not supervisor.children
