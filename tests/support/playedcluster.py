"""KServe's controller and a gateway, played on a real API server through the status that the real ones write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from leeboard.control.kinds import ARM_LABEL
from tests.support.bench import Bench

SERVING = "serving.kserve.io/v1beta1"
GATEWAY = "gateway.networking.k8s.io/v1"
_EVERY = 0.1
_AT_ONCE = 8


@dataclass
class PlayedCluster:
    """Rolls arms out and takes routes up, unless the test says otherwise."""

    bench: Bench
    broken: set[str] = field(default_factory=set)
    """Versions of which nothing is available."""
    splits: list[dict[str, int]] = field(default_factory=list)
    """Every split of the traffic by version that the gateway has followed, in order."""
    _played: dict[str, Any] = field(default_factory=dict)
    _versions: dict[str, str] = field(default_factory=dict)
    """The version of every arm that was ever seen: a route may outlive the arm that it names."""

    async def arms(self) -> list[dict[str, Any]]:
        return await self._list(SERVING, "inferenceservices")

    async def _list(self, group: str, plural: str) -> list[dict[str, Any]]:
        answer = await self.bench.person.get(f"/apis/{group}/namespaces/{self.bench.namespace}/{plural}")
        return list(answer.json()["items"])

    async def play(self, every: float = _EVERY) -> None:
        """Do what is to be done, again and again, after so many seconds."""
        while True:
            await self.turn()
            await asyncio.sleep(every)

    async def turn(self) -> None:
        """Do what is to be done now."""
        services = await self.arms()
        for metadata in (service["metadata"] for service in services):
            self._versions[metadata["name"]] = metadata["labels"]["leeboard.dev/version"]
        await _all(self._roll_out(service) for service in services)
        await _all(self._take_up(route) for route in await self._list(GATEWAY, "httproutes"))

    async def _roll_out(self, service: dict[str, Any]) -> None:
        metadata = service["metadata"]
        works = metadata["labels"]["leeboard.dev/version"] not in self.broken
        if self._played.get(metadata["uid"]) == works:
            return
        for part in ("predictor", "transformer"):
            name = f"{metadata['name']}-{part}"
            if metadata["uid"] not in self._played:
                await self.bench.create(_deployment(name, metadata), "deployments", "apps/v1")
            counts = {"replicas": 1, "updatedReplicas": 1} | (
                {"availableReplicas": 1, "readyReplicas": 1} if works else {}
            )
            where = f"/apis/apps/v1/namespaces/{metadata['namespace']}/deployments/{name}/status"
            status = {"observedGeneration": 1, **counts}
            await self.bench.patch(where, {"status": status if works else status | {"availableReplicas": None}})
        condition = {"type": "TransformerReady", "status": "True" if works else "False"}
        where = f"/apis/{SERVING}/namespaces/{metadata['namespace']}/inferenceservices/{metadata['name']}/status"
        await self.bench.patch(where, {"status": {"conditions": [condition]}})
        self._played[metadata["uid"]] = works

    async def _take_up(self, route: dict[str, Any]) -> None:
        metadata = route["metadata"]
        if self._played.get(metadata["uid"]) == metadata["generation"]:
            return
        conditions = [
            {
                "type": kind,
                "status": "True",
                "reason": kind,
                "message": "",
                "observedGeneration": metadata["generation"],
                "lastTransitionTime": "2026-01-05T12:00:00Z",
            }
            for kind in ("Accepted", "ResolvedRefs")
        ]
        [parent] = route["spec"]["parentRefs"]
        where = f"/apis/{GATEWAY}/namespaces/{metadata['namespace']}/httproutes/{metadata['name']}/status"
        status = {"parents": [{"parentRef": parent, "controllerName": "example.com/gateway", "conditions": conditions}]}
        await self.bench.patch(where, {"status": status})
        self._played[metadata["uid"]] = metadata["generation"]
        arms = [
            (entry["name"].removesuffix("-transformer"), entry["weight"])
            for entry in route["spec"]["rules"][0]["backendRefs"]
        ]
        split = {self._versions.get(arm, arm): weight for arm, weight in arms}
        if self.splits[-1:] != [split]:
            self.splits.append(split)


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do some of it at a time."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(coroutine: Coroutine[Any, Any, None]) -> None:
        async with limit:
            await coroutine

    await asyncio.gather(*(one(coroutine) for coroutine in work))


def _deployment(name: str, owner: dict[str, Any]) -> dict[str, Any]:
    labels = {"app": f"isvc.{name}", ARM_LABEL: owner["name"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": owner["namespace"],
            "labels": labels,
            "ownerReferences": [
                {
                    "apiVersion": SERVING,
                    "kind": "InferenceService",
                    "name": owner["name"],
                    "uid": owner["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": {
            "selector": {"matchLabels": {"app": f"isvc.{name}"}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "kserve-container", "image": "none"}]},
            },
        },
    }


@asynccontextmanager
async def played_cluster(bench: Bench) -> AsyncIterator[PlayedCluster]:
    """Play until the test is over; what goes wrong in the playing is raised then."""
    cluster = PlayedCluster(bench)
    task = asyncio.create_task(cluster.play())
    try:
        yield cluster
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
