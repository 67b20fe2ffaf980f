"""What each part has used of the nodes, as their kubelets tell it."""

import asyncio
import contextlib
import re
from collections import defaultdict
from types import TracebackType
from typing import Any, Self

import httpx
from rich.table import Table

from tests.e2e.cluster import MODELS, PARTS, SYSTEM, RealCluster

EVERY = 10.0
"""Seconds between two looks."""
_RANDOM = re.compile(r".*\d.*|[^aeiou]{5,}")
"""Hashes, versions, and the letters that Kubernetes draws, among which there are no vowels."""


class Usage:
    """Looks at the nodes for as long as it is open."""

    def __init__(self, stage: RealCluster) -> None:
        self._stage = stage
        self._seconds: dict[str, dict[str, float]] = defaultdict(dict)
        """Processor time by part and pod."""
        self._most: dict[str, float] = defaultdict(float)
        """Most memory at once of all pods of a part, MB."""
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._looking = asyncio.create_task(self._look_on())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def table(self) -> Table:
        """Lay it out: the hungriest first."""
        table = Table("part", "pods", "processor, s", "most memory at once, MB", title="What the parts used")
        for part in sorted(self._seconds, key=lambda part: -sum(self._seconds[part].values())):
            seconds = self._seconds[part]
            table.add_row(part, str(len(seconds)), f"{sum(seconds.values()):.0f}", f"{self._most[part]:.0f}")
        return table

    async def _look_on(self) -> None:
        while True:
            with contextlib.suppress(httpx.HTTPError):  # the next look tells as much
                await self._look()
            await asyncio.sleep(EVERY)

    async def _look(self) -> None:
        nodes = (await self._stage.client.get("/api/v1/nodes")).raise_for_status().json()["items"]
        held: dict[str, float] = defaultdict(float)
        for node in nodes:
            path = f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"
            for pod in (await self._stage.client.get(path)).raise_for_status().json()["pods"]:
                if pod["podRef"]["namespace"] in {MODELS, PARTS, SYSTEM}:
                    part = part_of(pod["podRef"])
                    held[part] += _containers(pod, "memory", "workingSetBytes") / 1e6
                    used = _containers(pod, "cpu", "usageCoreNanoSeconds") / 1e9
                    self._seconds[part][pod["podRef"]["uid"]] = used
        for part, megabytes in held.items():
            self._most[part] = max(self._most[part], megabytes)


def part_of(pod: dict[str, str]) -> str:
    """Name the part that a pod is of, without what tells one pod from the next."""
    words = [word for word in pod["name"].split("-") if not _RANDOM.fullmatch(word)]
    return f"{pod['namespace']}: {'-'.join(words)}"


def _containers(pod: dict[str, Any], of: str, what: str) -> float:
    return float(sum(container.get(of, {}).get(what, 0) for container in pod.get("containers", [])))
