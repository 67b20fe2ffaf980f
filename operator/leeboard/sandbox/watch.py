"""What the storyteller looks at: Leeboard's objects as anyone with kubectl sees them, and MLflow's registry."""

import json
from collections import Counter
from typing import Any

import httpx

from leeboard.sandbox.stage import Stage
from leeboard.sandbox.standins.cluster import RAY_JOBS, Resource

Document = dict[str, Any]

DEPLOYMENTS = Resource("ModelDeployment", "leeboard.dev", "v1alpha1", "modeldeployments")
MONITORS = Resource("DriftMonitor", "leeboard.dev", "v1alpha1", "driftmonitors")
POLICIES = Resource("RetrainPolicy", "leeboard.dev", "v1alpha1", "retrainpolicies")
ROUTES = Resource("HTTPRoute", "gateway.networking.k8s.io", "v1", "httproutes")
_BY_KIND = {resource.kind: resource for resource in (DEPLOYMENTS, MONITORS, POLICIES)}


class Watch:
    """Reads the three objects of one model, and the registry; writes what a person would."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage = stage
        self._namespace = stage.namespace
        self._name = name
        self._mlflow = httpx.AsyncClient(base_url=stage.mlflow_url, trust_env=False, timeout=30)

    async def close(self) -> None:
        """Close the connections."""
        await self._mlflow.aclose()

    async def apply(self, manifest: Document) -> None:
        """Apply a manifest as kubectl does; what is refused is an error with the API server's sentence."""
        resource = _BY_KIND[manifest["kind"]]
        path = resource.path(self._namespace, manifest["metadata"]["name"])
        answer = await self._stage.client.patch(
            path,
            params={"fieldManager": "kubectl", "fieldValidation": "Strict"},
            headers={"content-type": "application/apply-patch+yaml"},
            content=json.dumps(manifest),
        )
        if answer.is_error:
            raise ValueError(f"{manifest['kind']} was refused: {answer.json().get('message')}")

    async def read(self, resource: Resource) -> Document:
        """Return an object, empty when it is not there or the API server is away."""
        try:
            answer = await self._stage.client.get(resource.path(self._namespace, self._name))
        except httpx.HTTPError:
            return {}
        document: Document = answer.json() if answer.is_success else {}
        return document

    async def status(self, resource: Resource) -> Document:
        """Return an object's status."""
        status: Document = (await self.read(resource)).get("status") or {}
        return status

    async def ray_jobs(self) -> list[Document]:
        """Return all RayJobs."""
        answer = (await self._stage.client.get(RAY_JOBS.path(self._namespace))).raise_for_status()
        jobs: list[Document] = answer.json()["items"]
        return jobs

    async def weights(self) -> dict[str, int]:
        """Return the route's weights by backend."""
        route = await self.read(ROUTES)
        found: dict[str, int] = {}
        for rule in (route.get("spec") or {}).get("rules") or []:
            for backend in rule.get("backendRefs") or []:
                found[backend["name"]] = backend.get("weight", 1)
        return found

    async def set_alias(self, model: str, alias: str, version: str) -> None:
        """Give a version an alias, as a person does in the registry."""
        body = {"name": model, "alias": alias, "version": version}
        (await self._mlflow.post("/api/2.0/mlflow/registered-models/alias", json=body)).raise_for_status()

    async def registered(self, model: str) -> Document:
        """Return the registered model with its aliases."""
        answer = await self._mlflow.get("/api/2.0/mlflow/registered-models/get", params={"name": model})
        document: Document = answer.raise_for_status().json()["registered_model"]
        return document

    async def version(self, model: str, version: str) -> Document:
        """Return a version with its tags."""
        query = {"name": model, "version": version}
        answer = await self._mlflow.get("/api/2.0/mlflow/model-versions/get", params=query)
        document: Document = answer.raise_for_status().json()["model_version"]
        document["tags"] = {tag["key"]: tag["value"] for tag in document.get("tags", [])}
        return document

    async def suspend(self, resource: Resource, *, suspend: bool) -> None:
        """Suspend or resume an object, as a person does."""
        await self.merge(resource, {"spec": {"suspend": suspend}})

    async def annotate(self, resource: Resource, name: str, value: str) -> None:
        """Set an annotation, as a person does, or a command of `leeboard`."""
        await self.merge(resource, {"metadata": {"annotations": {name: value}}})

    async def merge(self, resource: Resource, patch: Document) -> None:
        """Merge a patch into the object, as a person does."""
        headers = {"content-type": "application/merge-patch+json"}
        path = resource.path(self._namespace, self._name)
        (await self._stage.client.patch(path, content=json.dumps(patch), headers=headers)).raise_for_status()

    async def seconds_of(self, run_id: str) -> float:
        """Return how long a run took."""
        answer = await self._mlflow.get("/api/2.0/mlflow/runs/get", params={"run_id": run_id})
        info = answer.raise_for_status().json()["run"]["info"]
        return (int(info["end_time"]) - int(info["start_time"])) / 1000

    async def metric(self, run_id: str, name: str) -> float:
        """Return a metric of a run."""
        answer = await self._mlflow.get("/api/2.0/mlflow/runs/get", params={"run_id": run_id})
        metrics = answer.raise_for_status().json()["run"]["data"].get("metrics", [])
        return float({entry["key"]: entry["value"] for entry in metrics}[name])

    async def answered_twice(self, experiment: str) -> list[str]:
        """Return the requests to jobs that have more than one finished run."""
        found = await self._mlflow.get(
            "/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": experiment}
        )
        query = {
            "experiment_ids": [found.raise_for_status().json()["experiment"]["experiment_id"]],
            "filter": "attributes.status = 'FINISHED'",
            "max_results": 1000,
        }
        runs = (await self._mlflow.post("/api/2.0/mlflow/runs/search", json=query)).raise_for_status().json()["runs"]
        tags = [{tag["key"]: tag["value"] for tag in run["data"].get("tags", [])} for run in runs]
        counts = Counter(tag["leeboard.request"] for tag in tags if "leeboard.request" in tag)
        return [request for request, count in counts.items() if count > 1]

    async def artifact(self, run_id: str, path: str) -> bytes:
        """Return a file of a run."""
        run = (await self._mlflow.get("/api/2.0/mlflow/runs/get", params={"run_id": run_id})).raise_for_status().json()
        root = run["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        answer = await self._mlflow.get(f"/api/2.0/mlflow-artifacts/artifacts/{root}/{path}")
        return answer.raise_for_status().content

    async def keep(self, path: str, content: bytes) -> str:
        """Keep a file in MLflow's store of artifacts, and return its URI."""
        (await self._mlflow.put(f"/api/2.0/mlflow-artifacts/artifacts/{path}", content=content)).raise_for_status()
        return f"mlflow-artifacts:/{path}"


def condition(status: Document, kind: str) -> Document:
    """Return a condition, empty when it is not there."""
    return next((c for c in status.get("conditions") or [] if c["type"] == kind), {})
