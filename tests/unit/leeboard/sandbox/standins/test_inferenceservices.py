"""The stand-in's statuses mean to the operator what those of KServe's real controller mean."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from leeboard.modeldeployment.arms import read_arm
from leeboard.modeldeployment.seen import ArmSeen
from leeboard.sandbox.processes import Supervisor
from leeboard.sandbox.standins.arms import Arm
from leeboard.sandbox.standins.inferenceservices import NO_RUNTIME, arm_status, deployment_status

GOLDEN = Path(__file__).parents[4] / "golden" / "kserve"
EARLIER = "2026-01-01T00:00:00Z"


class Case:
    """A golden arm, and the stand-in's processes for the same InferenceService."""

    def __init__(self, name: str, folder: Path) -> None:
        found = yaml.safe_load((GOLDEN / f"{name}.yaml").read_text())
        self.service: dict[str, Any] = found.pop("service")
        self.deployments: dict[str, dict[str, Any]] = {raw["metadata"]["name"]: raw for raw in found.values()}
        self.service["metadata"]["ownerReferences"] = [{"uid": "me", "controller": True}]
        spec = self.service["spec"]
        spec["predictor"]["model"] = {"runtime": "leeboard-mlflow"}
        spec["transformer"]["containers"] = [{"command": ["leeboard-transformer"]}]
        self.arm = Arm(
            self.service,
            runtime_container={"command": ["leeboard-predictor"]},
            storage_container=None,
            folder=folder,
            supervisor=Supervisor(folder / "logs"),
            environment={},
        )

    def ready(self, *, predictor: bool, transformer: bool) -> None:
        self.arm.components["predictor"].ready = predictor
        self.arm.components["transformer"].ready = transformer

    @property
    def written(self) -> ArmSeen:
        """What the operator reads from what KServe wrote."""
        return read_arm(self.service, self.deployments, "me")

    def played(self) -> ArmSeen:
        """What the operator reads from what the stand-in writes; the Deployments' pods are up."""
        deployments = {
            name: raw | {"status": stored(deployment_status(bare(raw), 1, ready=True))}
            for name, raw in self.deployments.items()
        }
        return read_arm(self.service | {"status": stored(self.status())}, deployments, "me")

    def status(self) -> dict[str, Any]:
        return arm_status(bare(self.service), self.arm)


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return Case(request.param, tmp_path)


def bare(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key != "status"}


def stored(status: dict[str, Any]) -> dict[str, Any]:
    """What stands after a merge-patch."""
    return {
        key: stored(value) if isinstance(value, dict) else value for key, value in status.items() if value is not None
    }


def conditions(status: dict[str, Any], *fields: str) -> dict[str, tuple[Any, ...]]:
    return {each["type"]: tuple(each.get(field) for field in fields) for each in status["conditions"]}


@pytest.mark.parametrize("case", ["arm-ready"], indirect=True)
def test_a_ready_arm_reads_like_kserves(case: Case):
    case.ready(predictor=True, transformer=True)
    assert case.played() == case.written
    assert case.played().rolled_out
    written = case.service["status"]
    status = case.status()
    assert conditions(status, "status", "severity") == conditions(written, "status", "severity")
    for field in ("address", "url", "deploymentMode", "observedGeneration"):
        assert status[field] == written[field]
    assert status["modelStatus"]["states"] == written["modelStatus"]["states"]


@pytest.mark.parametrize("case", ["ready-true-but-transformer-not-ready"], indirect=True)
def test_ready_ignores_the_transformer_as_kserves_does(case: Case):
    case.ready(predictor=True, transformer=False)
    status = case.status()
    assert conditions(status, "status", "severity") == conditions(case.service["status"], "status", "severity")
    assert conditions(status, "status")["Ready"] == ("True",)
    assert case.played() == case.written
    assert not case.played().rolled_out


@pytest.mark.parametrize("case", ["storage-initializer-fails"], indirect=True)
def test_a_model_that_cannot_be_fetched_reads_like_kserves(case: Case):
    case.arm.failure = "NoSuchBucket: simulated storage error"
    assert case.played() == case.written
    assert "NoSuchBucket" in case.played().trouble
    fields = ("status", "reason", "message", "severity")
    assert conditions(case.status(), *fields) == conditions(case.service["status"], *fields)
    assert case.status()["modelStatus"]["states"] == case.service["status"]["modelStatus"]["states"]


@pytest.mark.parametrize("case", ["runtime-unknown"], indirect=True)
def test_an_unknown_runtime_reads_like_kserves(case: Case):
    assert NO_RUNTIME["modelStatus"] == case.service["status"]["modelStatus"]


@pytest.mark.parametrize("case", ["arm-ready"], indirect=True)
def test_a_deployment_whose_pods_are_up_has_the_real_controllers_numbers(case: Case):
    for raw in case.deployments.values():
        status = stored(deployment_status(bare(raw), 1, ready=True))
        assert {field: raw["status"][field] for field in status if field != "conditions"} == {
            field: value for field, value in status.items() if field != "conditions"
        }
        fields = ("status", "reason", "message")
        assert conditions(status, *fields)["Available"] == conditions(raw["status"], *fields)["Available"]


@pytest.mark.parametrize("case", ["arm-ready"], indirect=True)
def test_a_deployment_whose_pods_start_serves_nothing(case: Case):
    raw = next(iter(case.deployments.values()))
    status = stored(deployment_status(bare(raw), 3, ready=False))
    assert not {"readyReplicas", "availableReplicas"} & status.keys()
    assert (status["replicas"], status["unavailableReplicas"]) == (3, 3)
    assert conditions(status, "status", "reason")["Available"] == ("False", "MinimumReplicasUnavailable")


@pytest.mark.parametrize("case", ["arm-ready"], indirect=True)
def test_conditions_keep_the_time_of_their_last_change(case: Case):
    case.ready(predictor=True, transformer=True)
    status = case.status()
    for condition in status["conditions"]:
        condition["lastTransitionTime"] = EARLIER
    case.ready(predictor=True, transformer=False)
    again = arm_status(bare(case.service) | {"status": status}, case.arm)
    times = conditions(again, "lastTransitionTime")
    assert {kind for kind, (time,) in times.items() if time != EARLIER} == {"TransformerReady"}
