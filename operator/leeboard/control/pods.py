"""What keeps pods from running, as they tell it themselves, and whether that speaks against what runs in them. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from leeboard.control.clock import instant

PATIENCE = timedelta(seconds=5)
"""Pods that are to start are not asked before."""

_MAX_TOLD = 400
_PULLING = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}
_STARTING = {"ContainerCreating", "PodInitializing"}
_PULL_ERROR = "ErrImagePull: "


@dataclass(frozen=True)
class PodsSeen:
    """The pods of one Deployment, or of one Ray cluster."""

    told: str = ""
    """What keeps one of them from running, in words that stay the same while it does; empty: none says anything."""
    at_fault: bool = False
    """Whether one of them crashed, or runs and is not ready: no node, image or volume explains that."""


def read_pods(pods: Sequence[Mapping[str, Any]], lost: datetime | None = None) -> PodsSeen:
    """Read what pods tell; the first that tells something is enough.

    Args:
        pods: The pods.
        lost: Since when nothing is available. A pod made later replaces one that was taken away, and may still start.
    """
    living = [pod for pod in pods if (pod.get("status") or {}).get("phase") != "Succeeded"]
    told = next((told for pod in living if (told := _told(pod))), "")
    return PodsSeen(told[:_MAX_TOLD], at_fault=any(_at_fault(pod, lost) for pod in living))


def _told(pod: Mapping[str, Any]) -> str:
    placed, disturbed = _condition(pod, "PodScheduled"), _condition(pod, "DisruptionTarget")
    if placed.get("status") == "False":
        return f"no node takes its pod: {placed.get('message') or placed.get('reason', '')}"
    if disturbed.get("status") == "True":
        return f"its pod was taken from the node ({disturbed.get('reason', '')}): {disturbed.get('message', '')}"
    return next(_troubles(pod), "")


def _troubles(pod: Mapping[str, Any]) -> Iterator[str]:
    for container in _containers(pod):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        ended = _crash(container)
        if reason in _PULLING:
            why = message.rpartition(_PULL_ERROR)[2]
            yield f"the image {container.get('image', '')} cannot be pulled: {why}"
        elif ended is not None:
            said = (ended.get("message") or "").strip().splitlines()
            why = f": {said[-1]}" if said else ""
            cause = f"{ended.get('reason', 'Error')}, exit status {ended.get('exitCode', '?')}"
            yield f"its container {container['name']} ended ({cause}){why}"
        elif reason and reason not in _STARTING:
            yield f"its container {container['name']} waits ({reason}): {message}"


def _at_fault(pod: Mapping[str, Any], lost: datetime | None) -> bool:
    metadata = pod["metadata"]
    if _condition(pod, "DisruptionTarget").get("status") == "True" or "deletionTimestamp" in metadata:
        return False
    if any(_crash(container) is not None for container in _containers(pod)):
        return True
    starts = lost is not None and instant(metadata["creationTimestamp"]) > lost
    running = (pod.get("status") or {}).get("phase") == "Running"
    return running and not starts and _condition(pod, "Ready").get("status") != "True"


def _crash(container: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return how a container ended badly, if it did and does not run again."""
    state, last = container.get("state") or {}, container.get("lastState") or {}
    ended = state.get("terminated") or (last.get("terminated") if "running" not in state else None)
    return ended if ended and ended.get("exitCode") != 0 else None


def _containers(pod: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _condition(pod: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == kind), {})
