"""What an InferenceService and its Deployments say about an arm: whether it is ready, whether it answers. Pure.

KServe's own Ready is not read: it ignores the transformer, stays True while new pods crash, and turns False during a
scale-up although one pod serves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from leeboard.contract.serving import ENV_DETECTOR_URI, EXIT_STORE_AWAY
from leeboard.control import children
from leeboard.control.pods import read_pods
from leeboard.modeldeployment.seen import ArmSeen, DeploymentSeen

_LOAD_FAILED = "ModelLoadFailed"
"""KServe's word for a storage initializer or a model server that crashes; the other failures are about the runtime."""
_MAX_TROUBLE = 400


def read_arm(service: Mapping[str, Any], deployments: Mapping[str, Mapping[str, Any]], owner_uid: str) -> ArmSeen:
    """Read an arm.

    Args:
        service: The InferenceService.
        deployments: Its Deployments by name.
        owner_uid: uid of the ModelDeployment.
    """
    metadata, spec = service["metadata"], service.get("spec") or {}
    name = metadata["name"]
    predictor = spec.get("predictor") or {}
    minimum = predictor.get("minReplicas", 1)
    return ArmSeen(
        name=name,
        uid=metadata.get("uid", ""),
        version=(metadata.get("labels") or {}).get(children.LABEL_VERSION, ""),
        labels=metadata.get("labels") or {},
        ours=children.owner_uid(service) == owner_uid,
        deleting=children.is_being_deleted(service),
        min_replicas=minimum,
        max_replicas=predictor.get("maxReplicas", minimum),
        transformer_ready=_condition(service, "TransformerReady").get("status") == "True",
        predictor=_read_deployment(deployments.get(f"{name}-predictor")),
        transformer=_read_deployment(deployments.get(f"{name}-transformer")),
        trouble=_trouble(service),
        load_failed=_load_failed(_failure(service)),
        detector_uri=_environment(spec).get(ENV_DETECTOR_URI),
    )


def explain(arm: ArmSeen) -> str:
    """Say in a sentence what an arm that is not rolled out waits for."""
    if arm.trouble:
        return f"KServe reports for {arm.name}: {arm.trouble}"
    for part, deployment in (("predictor", arm.predictor), ("transformer", arm.transformer)):
        if deployment is None:
            return f"KServe has not made the Deployment {arm.name}-{part} yet: see whether its controller runs"
        if not deployment.rolled_out:
            told = deployment.pods.told if deployment.pods is not None else ""
            return (
                f"the Deployment {arm.name}-{part} is not rolled out: {told or deployment.message or 'its pods start'}"
            )
    return f"KServe does not call the transformer of {arm.name} ready yet"


def with_pods(arm: ArmSeen, pods: Sequence[Mapping[str, Any]], lost: datetime | None) -> ArmSeen:
    """Return the arm with what its pods tell.

    Args:
        arm: The arm.
        pods: All its pods.
        lost: Since when nothing of it is available, while it has traffic.
    """

    def of(part: str, deployment: DeploymentSeen | None) -> DeploymentSeen | None:
        mine = [pod for pod in pods if (pod["metadata"].get("labels") or {}).get("component") == part]
        return replace(deployment, pods=read_pods(mine, lost)) if deployment is not None else None

    return replace(arm, predictor=of("predictor", arm.predictor), transformer=of("transformer", arm.transformer))


def _read_deployment(raw: Mapping[str, Any] | None) -> DeploymentSeen | None:
    if raw is None:
        return None
    status = raw.get("status") or {}
    available = status.get("availableReplicas", 0)
    rolled_out = (
        status.get("observedGeneration", 0) >= raw["metadata"].get("generation", 1)
        and status.get("updatedReplicas", 0) == status.get("replicas", 0) == available
        and available >= 1
    )
    failing = [
        condition.get("message", "")
        for kind in ("ReplicaFailure", "Progressing", "Available")
        if (condition := _condition(raw, kind)).get("status") == ("True" if kind == "ReplicaFailure" else "False")
    ]
    return DeploymentSeen(
        rolled_out=rolled_out, available=available >= 1, message=failing[0][:_MAX_TROUBLE] if failing else ""
    )


def _trouble(service: Mapping[str, Any]) -> str:
    failure = _failure(service)
    return f"{failure.get('reason', '')}: {failure.get('message', '')}"[:_MAX_TROUBLE] if failure else ""


def _failure(service: Mapping[str, Any]) -> Mapping[str, Any]:
    model = (service.get("status") or {}).get("modelStatus") or {}
    fails = model.get("transitionStatus") in {"InvalidSpec", "BlockedByFailedLoad"}
    return (model.get("lastFailureInfo") or {}) if fails else {}


def _load_failed(failure: Mapping[str, Any]) -> bool:
    return failure.get("reason") == _LOAD_FAILED and failure.get("exitCode") != EXIT_STORE_AWAY


def _condition(raw: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = (raw.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == kind), {})


def _environment(spec: Mapping[str, Any]) -> dict[str, str]:
    containers = (spec.get("transformer") or {}).get("containers") or [{}]
    written = {entry["name"]: entry["value"] for entry in containers[0].get("env") or () if "value" in entry}
    return {name: value.replace("$$", "$") for name, value in written.items()}
