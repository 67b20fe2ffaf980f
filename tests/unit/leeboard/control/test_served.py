from copy import deepcopy

import pytest

from leeboard.api.base import ApiModel
from leeboard.api.driftmonitor import DriftMonitorStatus
from leeboard.api.modeldeployment import ModelDeploymentStatus
from leeboard.api.retrainpolicy import RetrainPolicyStatus
from leeboard.control.served import missing_fields
from leeboard.crdgen.kinds import KINDS, Kind, crd


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_the_generated_crds_hold_every_field(kind: Kind):
    (version,) = crd(kind)["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert missing_fields(kind.status, schema) == []


def test_a_field_that_is_missing_is_named_with_its_path():
    kind = next(kind for kind in KINDS if kind.kind == "DriftMonitor")
    schema = deepcopy(crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"])
    del schema["properties"]["episode"]
    del schema["properties"]["lastRun"]["properties"]["checks"]["items"]["properties"]["drifted"]
    assert missing_fields(DriftMonitorStatus, schema) == ["status.lastRun.checks.drifted", "status.episode"]


@pytest.mark.parametrize("model", [ModelDeploymentStatus, RetrainPolicyStatus])
def test_a_schema_without_status_lacks_everything(model: type[ApiModel]):
    assert len(missing_fields(model, {})) == len(model.model_fields)
