"""What pods tell, in the form in which the kubelet and the scheduler write it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from leeboard.control.pods import read_pods

LOST = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
BEFORE, AFTER = "2026-01-05T11:00:00Z", "2026-01-05T12:00:20Z"
READY, UNREADY = ({"type": "Ready", "status": status} for status in ("True", "False"))


def pod(*conditions: dict[str, str], phase: str = "Pending", made: str = BEFORE, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "creationTimestamp": made},
        "status": {"phase": phase, "conditions": list(conditions), **status},
    }


def container(state: dict[str, Any] | None = None, last: dict[str, Any] | None = None) -> dict[str, Any]:
    found = {"name": "kserve-container", "image": "localhost/nobody:has", "state": state or {}, "lastState": last or {}}
    return {"containerStatuses": [found]}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ended(reason: str, status: int, message: str = "") -> dict[str, Any]:
    return {"terminated": {"reason": reason, "exitCode": status, "message": message}}


NO_NODE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}
DRAINED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "evicted"}
BACK_OFF = waiting("CrashLoopBackOff", "back-off 40s restarting failed container")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (pod(NO_NODE), "no node takes its pod: 0/1 nodes are available"),
        (pod(DRAINED, phase="Running"), "its pod was taken from the node (EvictionByEvictionAPI): evicted"),
        (pod(**container(waiting("ContainerCreating"))), ""),
        (
            pod(**container(waiting("ImagePullBackOff", 'Back-off pulling image "x": ErrImagePull: not found'))),
            "the image localhost/nobody:has cannot be pulled: not found",
        ),
        (
            pod(**container(waiting("ErrImagePull", "not found"))),
            "the image localhost/nobody:has cannot be pulled: not found",
        ),
        (
            pod(**container(waiting("CreateContainerConfigError", 'secret "s3" not found'))),
            'its container kserve-container waits (CreateContainerConfigError): secret "s3" not found',
        ),
        (
            pod(**container(BACK_OFF, ended("OOMKilled", 137))),
            "its container kserve-container ended (OOMKilled, exit status 137)",
        ),
        (
            pod(**container(ended("Error", 1, "Traceback\nno module named models\n"))),
            "its container kserve-container ended (Error, exit status 1): no module named models",
        ),
        (pod(READY, phase="Running", **container({"running": {}}, ended("OOMKilled", 137))), ""),
        (pod(phase="Succeeded", **container(ended("Error", 1))), ""),
    ],
)
def test_what_a_pod_tells(found: dict[str, Any], told: str):
    assert read_pods([found]).told == told


def test_an_image_that_cannot_be_pulled_is_told_in_the_same_words_while_the_kubelet_alternates():
    pulls = waiting("ErrImagePull", "rpc error: not found")
    backs_off = waiting("ImagePullBackOff", 'Back-off pulling image "x": ErrImagePull: rpc error: not found')

    assert read_pods([pod(**container(pulls))]) == read_pods([pod(**container(backs_off))])


def test_one_pod_that_tells_something_is_enough():
    assert read_pods([pod(), pod(NO_NODE)]).told


def test_what_a_pod_tells_is_bounded():
    assert len(read_pods([pod(NO_NODE | {"message": "x" * 5000})]).told) == 400


@pytest.mark.parametrize(
    ("found", "at_fault"),
    [
        (pod(NO_NODE), False),
        (pod(**container(waiting("ImagePullBackOff"))), False),
        (pod(DRAINED, UNREADY, phase="Failed", **container(ended("Error", 137))), False),
        (pod(UNREADY, phase="Running", **container({"running": {}})), True),
        (pod(UNREADY, phase="Running", made=AFTER, **container({"running": {}})), False),
        (pod(UNREADY, phase="Running", made=AFTER, **container(BACK_OFF, ended("Error", 1))), True),
        (pod(READY, phase="Running", **container({"running": {}}, ended("OOMKilled", 137))), False),
    ],
)
def test_whether_it_speaks_against_what_runs_in_it(found: dict[str, Any], *, at_fault: bool):
    assert read_pods([found], LOST).at_fault is at_fault


def test_a_pod_that_is_being_deleted_speaks_against_nothing():
    found = pod(UNREADY, phase="Running")
    found["metadata"]["deletionTimestamp"] = AFTER

    assert not read_pods([found], LOST).at_fault
