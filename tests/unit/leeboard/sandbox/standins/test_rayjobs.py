"""The stand-in writes what KubeRay's real controller wrote for the same answer of Ray."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from leeboard.sandbox.standins.rayjobs import job_status

GOLDEN = Path(__file__).parents[4] / "golden" / "rayjobs"
WRITTEN = ("jobStatus", "jobDeploymentStatus", "message", "reason", "succeeded", "failed")


@pytest.mark.parametrize(
    ("case", "state"),
    [
        ("pending", "PENDING"),
        ("running", "RUNNING"),
        ("complete-on-standing-cluster", "SUCCEEDED"),
        ("stopped", "STOPPED"),
        ("app-failed", "FAILED"),
    ],
)
def test_writes_what_kuberay_wrote(case: str, state: str):
    golden: dict[str, Any] = yaml.safe_load((GOLDEN / f"{case}.yaml").read_text())["status"]
    status = job_status({"status": state, "message": golden["message"]})
    assert {field: status.get(field) for field in WRITTEN} == {field: golden.get(field) for field in WRITTEN}
    assert ("endTime" in status) == ("endTime" in golden)


def test_a_job_that_says_nothing_has_an_empty_message():
    assert job_status({"status": "PENDING", "message": None})["message"] == ""


def test_a_log_in_the_message_is_cut():
    assert len(job_status({"status": "FAILED", "message": "x" * 20_000})["message"]) == 2_000
