"""The API server as a stand-in sees it: lists, watches, status writes over plain HTTP."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

Document = dict[str, Any]
Changed = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Resource:
    """Where a kind is served."""

    kind: str
    group: str
    version: str
    plural: str

    @property
    def api_version(self) -> str:
        """As in a manifest."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """The path of the collection or of one object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{scope}/{self.plural}" + (f"/{name}" if name else "")


INFERENCE_SERVICES = Resource("InferenceService", "serving.kserve.io", "v1beta1", "inferenceservices")
SERVING_RUNTIMES = Resource("ServingRuntime", "serving.kserve.io", "v1alpha1", "servingruntimes")
CLUSTER_RUNTIMES = Resource("ClusterServingRuntime", "serving.kserve.io", "v1alpha1", "clusterservingruntimes")
STORAGE_CONTAINERS = Resource("ClusterStorageContainer", "serving.kserve.io", "v1alpha1", "clusterstoragecontainers")
DEPLOYMENTS = Resource("Deployment", "apps", "v1", "deployments")
RAY_JOBS = Resource("RayJob", "ray.io", "v1", "rayjobs")
HTTP_ROUTES = Resource("HTTPRoute", "gateway.networking.k8s.io", "v1", "httproutes")


def timestamp() -> str:
    """The present time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Cluster:
    """A client, and for each watched kind the latest objects by (namespace, name)."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.objects: dict[str, dict[tuple[str, str], Document]] = {}

    def all(self, resource: Resource) -> list[Document]:
        """Return the latest objects of a watched kind, in order of their names."""
        return [item for _, item in sorted(self.objects.get(resource.kind, {}).items())]

    async def follow(self, resource: Resource, changed: Changed) -> None:
        """Keep the objects of a kind current for ever, and call `changed` after each change."""
        while True:
            with contextlib.suppress(httpx.HTTPError, ValueError):
                answer = (await self.client.get(resource.path())).raise_for_status().json()
                self.objects[resource.kind] = {_key(item): item for item in answer["items"]}
                await changed()
                async for kind, item in self._watch(resource, answer["metadata"]["resourceVersion"]):
                    if kind == "DELETED":
                        self.objects[resource.kind].pop(_key(item), None)
                    else:
                        self.objects[resource.kind][_key(item)] = item
                    await changed()
            await asyncio.sleep(0.2)  # the API server is away: ask again soon

    async def _watch(self, resource: Resource, version: str) -> AsyncIterator[tuple[str, Document]]:
        query = {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "false"}
        async with self.client.stream("GET", resource.path(), params=query, timeout=None) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                yield event["type"], event["object"]

    async def create(self, resource: Resource, manifest: Document) -> None:
        """Create an object; one that exists is left as it is."""
        answer = await self.client.post(resource.path(manifest["metadata"].get("namespace")), json=manifest)
        if answer.status_code != httpx.codes.CONFLICT:
            _demand(answer)

    async def patch(self, resource: Resource, namespace: str, name: str, patch: Document) -> None:
        """Merge-patch an object; one that is gone stays so."""
        await self._merge(resource.path(namespace, name), patch)

    async def write_status(self, resource: Resource, namespace: str, name: str, status: Document) -> None:
        """Merge-patch an object's status, unless it stands there already."""
        known = self.objects.get(resource.kind, {}).get((namespace, name), {})
        if not _holds(known.get("status"), status):
            await self._merge(f"{resource.path(namespace, name)}/status", {"status": status})

    async def _merge(self, path: str, patch: Document) -> None:
        headers = {"content-type": "application/merge-patch+json"}
        answer = await self.client.patch(path, content=json.dumps(patch), headers=headers)
        if answer.status_code != httpx.codes.NOT_FOUND:
            _demand(answer)


def _demand(answer: httpx.Response) -> None:
    if answer.is_client_error:
        raise ValueError(f"{answer.request.method} {answer.request.url.path} was refused: {answer.text[:1000]}")
    if answer.is_server_error:
        raise httpx.ReadError(f"the API server answered {answer.status_code}")


def _key(item: Document) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _holds(known: Any, wanted: Any) -> bool:
    """Whether a merge of `wanted` into `known` would change nothing."""
    if isinstance(wanted, dict):
        return isinstance(known, dict) and all(
            (key not in known) if value is None else _holds(known.get(key), value) for key, value in wanted.items()
        )
    return bool(known == wanted)


def merged_conditions(old: list[Document], new: list[Document]) -> list[Document]:
    """Give each condition the time at which its status last changed."""
    before = {condition["type"]: condition for condition in old}
    now = timestamp()
    return [
        condition
        | {
            "lastTransitionTime": before[condition["type"]]["lastTransitionTime"]
            if condition["type"] in before and before[condition["type"]]["status"] == condition["status"]
            else now
        }
        for condition in new
    ]
