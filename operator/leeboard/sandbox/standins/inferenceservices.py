"""InferenceService → Deployments with status, and local processes: the containers that were asked for.

As KServe does in Standard mode: a storage initializer fetches the model, the runtime's container serves it, the
transformer's container stands before it. One process stands for all replicas of a component.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from leeboard.control.kinds import ARM_LABEL
from leeboard.sandbox.gateway import Endpoints
from leeboard.sandbox.processes import Supervisor
from leeboard.sandbox.standins.arms import Arm, Component
from leeboard.sandbox.standins.cluster import (
    CLUSTER_RUNTIMES,
    DEPLOYMENTS,
    INFERENCE_SERVICES,
    SERVING_RUNTIMES,
    STORAGE_CONTAINERS,
    Cluster,
    Document,
    merged_conditions,
)


@dataclass(frozen=True)
class Node:
    """Where the processes of the one pretended node live."""

    folder: Path
    targets: Path
    """Folder with one file per scraped process, for Prometheus."""
    supervisor: Supervisor
    environment: dict[str, str]


class InferenceServices:
    """Keeps one arm of processes for each InferenceService."""

    def __init__(
        self, cluster: Cluster, node: Node, endpoints: Endpoints, endpoints_changed: Callable[[], Awaitable[None]]
    ) -> None:
        self._cluster = cluster
        self._node = node
        self._endpoints = endpoints
        self._endpoints_changed = endpoints_changed
        self._arms: dict[str, Arm] = {}

    async def reconcile(self) -> None:
        """Start what is wanted, stop what is not, and write every status."""
        wanted = {
            service["metadata"]["uid"]: service
            for service in self._cluster.all(INFERENCE_SERVICES)
            if "deletionTimestamp" not in service["metadata"]
        }
        for uid in [uid for uid, arm in self._arms.items() if uid not in wanted or arm.outdated(wanted[uid])]:
            arm = self._arms.pop(uid)
            await arm.stop()
            await self._publish(arm, gone=True)
        for uid, service in wanted.items():
            if uid not in self._arms and (runtime := self._runtime(service)) is not None:
                await self._create_deployments(service, runtime)
                container = next(c for c in runtime["containers"] if c["name"] == "kserve-container")
                storage = self._storage_container(service["spec"]["predictor"]["model"].get("storageUri", ""))
                self._arms[uid] = Arm(
                    service,
                    runtime_container=container,
                    storage_container=storage,
                    folder=self._node.folder,
                    supervisor=self._node.supervisor,
                    environment=self._node.environment,
                )
                self._arms[uid].start()
            await self._report(service, self._arms.get(uid))

    async def stop(self) -> None:
        """Stop all arms."""
        await asyncio.gather(*(arm.stop() for arm in self._arms.values()))

    def _runtime(self, service: Document) -> Document | None:
        name = service["spec"]["predictor"].get("model", {}).get("runtime")
        namespace = service["metadata"]["namespace"]
        runtime = self._cluster.objects.get(SERVING_RUNTIMES.kind, {}).get((namespace, name)) or (
            self._cluster.objects.get(CLUSTER_RUNTIMES.kind, {}).get(("", name))
        )
        if runtime is None:
            return None
        spec: Document = runtime["spec"]
        return spec

    def _storage_container(self, uri: str) -> Document | None:
        for item in self._cluster.all(STORAGE_CONTAINERS):
            if any(uri.startswith(form.get("prefix", "\0")) for form in item["spec"]["supportedUriFormats"]):
                container: Document = item["spec"]["container"]
                return container
        return None

    async def _create_deployments(self, service: Document, runtime: Document) -> None:
        metadata = service["metadata"]
        for component in ("predictor", "transformer"):
            if component not in service["spec"]:
                continue
            name = f"{metadata['name']}-{component}"
            labels = (metadata.get("labels") or {}) | {
                "app": f"isvc.{name}",
                "component": component,
                ARM_LABEL: metadata["name"],
            }
            manifest = {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {
                    "name": name,
                    "namespace": metadata["namespace"],
                    "labels": labels,
                    "ownerReferences": [_owner(service)],
                },
                "spec": {
                    "replicas": service["spec"][component].get("minReplicas", 1),
                    "progressDeadlineSeconds": 600,
                    "selector": {"matchLabels": {"app": f"isvc.{name}"}},
                    "template": {"metadata": {"labels": labels}, "spec": _pod(service["spec"][component], runtime)},
                },
            }
            await self._cluster.create(DEPLOYMENTS, manifest)

    async def _report(self, service: Document, arm: Arm | None) -> None:
        metadata = service["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        if arm is None:
            await self._cluster.write_status(INFERENCE_SERVICES, namespace, name, NO_RUNTIME)
            return
        await self._publish(arm)
        for component in arm.components.values():
            await self._report_deployment(service, component)
        await self._cluster.write_status(INFERENCE_SERVICES, namespace, name, arm_status(service, arm))

    async def _report_deployment(self, service: Document, component: Component) -> None:
        namespace = service["metadata"]["namespace"]
        deployment = self._cluster.objects.get(DEPLOYMENTS.kind, {}).get((namespace, component.deployment))
        if deployment is None:
            return
        replicas = service["spec"][component.name].get("minReplicas", 1)
        if deployment["spec"]["replicas"] != replicas:
            await self._cluster.patch(DEPLOYMENTS, namespace, component.deployment, {"spec": {"replicas": replicas}})
        status = deployment_status(deployment, replicas, ready=component.ready)
        await self._cluster.write_status(DEPLOYMENTS, namespace, component.deployment, status)

    async def _publish(self, arm: Arm, *, gone: bool = False) -> None:
        before = dict(self._endpoints.addresses)
        for component in arm.components.values():
            key = (arm.namespace, component.deployment)
            if gone:
                self._endpoints.addresses.pop(key, None)
            else:
                self._endpoints.addresses[key] = ("127.0.0.1", component.port) if component.ready else None
        target = self._node.targets / f"{arm.namespace}.{arm.name}.json"
        transformer = arm.components.get("transformer")
        if gone or transformer is None:
            target.unlink(missing_ok=True)
        elif not target.exists():  # before it is ready: Prometheus takes seconds to notice a new target
            labels = {"namespace": arm.namespace, "pod": transformer.deployment}
            fresh = target.with_suffix(".new")
            fresh.write_text(json.dumps([{"targets": [f"127.0.0.1:{transformer.port}"], "labels": labels}]))
            fresh.rename(target)
        if before != self._endpoints.addresses:
            await self._endpoints_changed()


NO_RUNTIME: Document = {
    "modelStatus": {
        "transitionStatus": "InvalidSpec",
        "states": {"activeModelState": "", "targetModelState": "FailedToLoad"},
        "lastFailureInfo": {
            "reason": "RuntimeNotRecognized",
            "message": "Waiting for runtime to become available",
        },
    }
}
"""What KServe writes while there is no ServingRuntime of the name."""

_POD_FIELDS = (
    "containers",
    "volumes",
    "securityContext",
    "automountServiceAccountToken",
    "nodeSelector",
    "tolerations",
    "terminationGracePeriodSeconds",
)


def _pod(component: Document, runtime: Document) -> Document:
    """Return the pod that a component asks for, so that the API server judges it as on a cluster."""
    source = component if "containers" in component else runtime | component
    return {field: source[field] for field in _POD_FIELDS if field in source}


def _owner(service: Document) -> Document:
    return {
        "apiVersion": INFERENCE_SERVICES.api_version,
        "kind": INFERENCE_SERVICES.kind,
        "name": service["metadata"]["name"],
        "uid": service["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def deployment_status(deployment: Document, replicas: int, *, ready: bool) -> Document:
    """Write a Deployment's status as its controller does; with merge-patch `None` takes a field away."""
    up = replicas if ready else 0
    available = {
        "type": "Available",
        "status": str(ready),
        "reason": "MinimumReplicasAvailable" if ready else "MinimumReplicasUnavailable",
        "message": f"Deployment {'has' if ready else 'does not have'} minimum availability.",
    }
    old = (deployment.get("status") or {}).get("conditions") or []
    conditions = merged_conditions(old, [available])
    for condition in conditions:
        condition["lastUpdateTime"] = condition["lastTransitionTime"]
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": up or None,
        "availableReplicas": up or None,
        "unavailableReplicas": (replicas - up) or None,
        "conditions": conditions,
    }


def arm_status(service: Document, arm: Arm) -> Document:
    """Write an InferenceService's status as KServe does: with ingress off, Ready ignores the transformer."""
    predictor = arm.components["predictor"]
    transformer = arm.components.get("transformer")
    conditions = [
        {"type": "IngressReady", "status": "True"},
        _component_condition("PredictorReady", ready=predictor.ready, severity=None),
        _component_condition("Ready", ready=predictor.ready, severity=None),
        {"type": "Stopped", "status": "False", "severity": "Info"},
    ]
    if transformer is not None:
        conditions.append(_component_condition("TransformerReady", ready=transformer.ready, severity="Info"))
    host = f"{arm.name}-{'transformer' if transformer else 'predictor'}.{arm.namespace}.svc.cluster.local"
    return {
        "address": {"url": f"http://{host}"},
        "url": f"http://{arm.name}-{arm.namespace}.example.com",
        "components": {name: {} for name in arm.components},
        "servingRuntimeName": service["spec"]["predictor"]["model"].get("runtime"),
        "conditions": merged_conditions((service.get("status") or {}).get("conditions") or [], conditions),
        "deploymentMode": "Standard",
        "modelStatus": _model_status(arm),
        "observedGeneration": service["metadata"]["generation"],
    }


def _component_condition(kind: str, *, ready: bool, severity: str | None) -> Document:
    condition: Document = {"type": kind, "status": str(ready)}
    if not ready:
        condition |= {
            "reason": "MinimumReplicasUnavailable",
            "message": "Deployment does not have minimum availability.",
        }
    return condition | ({"severity": severity} if severity else {})


def _model_status(arm: Arm) -> Document:
    if arm.failure:
        return {
            "transitionStatus": "BlockedByFailedLoad",
            "states": {"activeModelState": "", "targetModelState": "FailedToLoad"},
            "lastFailureInfo": {"reason": "ModelLoadFailed", "message": arm.failure[-1000:]},
        }
    loaded = arm.components["predictor"].ready
    return {
        "transitionStatus": "UpToDate" if loaded else "InProgress",
        "states": {
            "activeModelState": "Loaded" if loaded else "",
            "targetModelState": "Loaded" if loaded else "Pending",
        },
        "lastFailureInfo": None,
    }
