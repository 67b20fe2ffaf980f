"""The demonstration's story with what only pods can show: none of them was restarted on the way to promotion."""

import asyncio
from collections import defaultdict
from typing import Any

from leeboard.control.kinds import ARM_LABEL
from leeboard.sandbox.scenario import Scenario
from leeboard.sandbox.watch import DEPLOYMENTS
from tests.e2e.cluster import MODELS, RealCluster


class PodStory(Scenario):
    """Tells the story on pods."""

    stage: RealCluster

    def moving(self) -> str:
        """What the moving line says."""
        tally = self.replay.tally
        versions = ", ".join(f"{rows:,} by version {version}" for version, rows in tally.rows_by_version.items())
        return f"{self.replay.today:%d %b %Y}  {tally.answered_rows:,} flights answered: {versions}"

    async def canary(self, *, killing: bool) -> None:
        """Follow the canary, and the pods meanwhile."""
        seen: dict[str, set[tuple[str, str]]] = defaultdict(set)
        looking = asyncio.create_task(self._look(seen))
        try:
            await super().canary(killing=killing)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        arm = (await self.watch.status(DEPLOYMENTS))["stable"]["arm"]
        pods = seen[arm]
        restarts = sum(_restarts(pod) for pod in await self.stage.pods(MODELS, f"{ARM_LABEL}={arm}"))
        self.story.claim(
            f"the pods of {arm} are those that the canary began with ({len(pods)}, {restarts} restarts)",
            holds=sorted(component for component, _ in pods) == ["predictor", "transformer"] and not restarts,
        )

    async def _look(self, seen: dict[str, set[tuple[str, str]]]) -> None:
        while True:
            for pod in await self.stage.pods(MODELS, ARM_LABEL):
                labels = pod["metadata"]["labels"]
                seen[labels[ARM_LABEL]].add((labels["component"], pod["metadata"]["uid"]))
            await asyncio.sleep(1)  # pods are looked at once a second


def _restarts(pod: dict[str, Any]) -> int:
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses") or [])
