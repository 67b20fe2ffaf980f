"""Whether an arm may get weight, from what KServe's real controller wrote."""

from pathlib import Path

import pytest
import yaml

from leeboard.modeldeployment.arms import explain, read_arm, with_pods

GOLDEN = Path(__file__).parents[3] / "golden" / "kserve"


def arm(case: str, owner: str = "me"):
    found = yaml.safe_load((GOLDEN / f"{case}.yaml").read_text())
    service = found.pop("service")
    service["metadata"]["ownerReferences"] = [{"uid": "me", "controller": True}]
    return read_arm(service, {raw["metadata"]["name"]: raw for raw in found.values()}, owner)


@pytest.mark.parametrize(
    ("case", "rolled_out", "available"),
    [
        ("arm-ready", True, True),
        ("ready-true-but-transformer-not-ready", False, True),
        ("predictor-rolling", False, True),
        ("deadline-exceeded-while-old-pod-serves", False, True),
        ("storage-initializer-fails", False, False),
        ("runtime-unknown", False, False),
    ],
)
def test_what_an_arm_is_worth(case: str, *, rolled_out: bool, available: bool):
    seen = arm(case)

    assert (seen.rolled_out, seen.available) == (rolled_out, available)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("ready-true-but-transformer-not-ready", "transformer"),
        ("predictor-rolling", "-predictor is not rolled out"),
        ("deadline-exceeded-while-old-pod-serves", "timed out progressing"),
        ("storage-initializer-fails", "NoSuchBucket"),
        ("runtime-unknown", "RuntimeNotRecognized"),
    ],
)
def test_says_what_an_arm_waits_for(case: str, said: str):
    assert said in explain(arm(case))


def test_an_older_namesake_is_not_ours():
    assert not arm("arm-ready", owner="someone-else").rolled_out


def test_a_deployment_that_its_controller_has_not_looked_at_is_not_rolled_out():
    found = yaml.safe_load((GOLDEN / "arm-ready.yaml").read_text())
    found["predictor"]["metadata"]["generation"] = 2
    service = found.pop("service")

    assert not read_arm(service, {raw["metadata"]["name"]: raw for raw in found.values()}, "").rolled_out


def test_reads_range_version_and_name():
    seen = arm("arm-ready")

    assert (seen.name, seen.version, seen.min_replicas, seen.max_replicas) == ("electricity-v7-a1b2c3", "7", 1, 3)


NO_NODE = {
    "metadata": {"name": "p", "creationTimestamp": "2026-01-05T12:00:00Z", "labels": {"component": "predictor"}},
    "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "message": "no room"}]},
}


def test_says_what_its_pods_tell():
    seen = with_pods(arm("predictor-rolling"), [NO_NODE], None)

    assert explain(seen).endswith("-predictor is not rolled out: no node takes its pod: no room")
    assert seen.blameless


def test_a_model_that_cannot_be_loaded_speaks_against_the_version_unless_its_store_was_away():
    found = yaml.safe_load((GOLDEN / "storage-initializer-fails.yaml").read_text())
    service = found.pop("service")
    assert read_arm(service, found, "").load_failed
    service["status"]["modelStatus"]["lastFailureInfo"]["exitCode"] = 75

    assert not read_arm(service, found, "").load_failed
