"""What the bad days are made of: taking things away, bringing versions in, and claims about traffic and status."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from mlflow import MlflowClient

from leeboard.contract import tags
from leeboard.sandbox.processes import until
from leeboard.sandbox.standins.cluster import Resource
from leeboard.sandbox.story import Story
from leeboard.sandbox.watch import DEPLOYMENTS, POLICIES, Document, Watch, condition
from tests.e2e.cluster import MODELS, SYSTEM, RealCluster
from tests.e2e.traffic import Traffic

MODEL = "flights"
LINEAGE = (tags.TRAINING_DATA, tags.TRAINING_CUTOFF)

T = TypeVar("T")


class Means:
    """A model that serves on a real cluster, with traffic, and what can be done to it."""

    def __init__(self, stage: RealCluster, story: Story, watch: Watch, traffic: Traffic) -> None:
        self.stage = stage
        self.story = story
        self.watch = watch
        self.traffic = traffic
        self.mlflow = MlflowClient(stage.mlflow_url)

    @asynccontextmanager
    async def away(self, name: str, namespace: str) -> AsyncIterator[None]:
        """Scale a Deployment to zero for a while."""
        await self.stage.scale(name, namespace, 0)
        self.story.say(f"kubectl -n {namespace} scale deployment/{name} --replicas=0")
        try:
            yield
        finally:
            await self.stage.scale(name, namespace, 1)
            self.story.say(f"{name} is back")

    @asynccontextmanager
    async def unharmed(self) -> AsyncIterator[None]:
        """Claim that no request fails meanwhile."""
        before, answered = self.traffic.failed.copy(), sum(self.traffic.answered.values())
        yield
        failed = Counter(self.traffic.failed)
        failed.subtract(before)
        failures = {who: count for who, count in failed.items() if count}
        answered = sum(self.traffic.answered.values()) - answered
        told = f": {', '.join(self.traffic.sentences)}" if failures else ""
        self.story.claim(f"{answered} requests answered, {sum(failures.values())} failed{told}", holds=not failures)

    async def operator_knows(self, variable: str) -> None:
        """Set or remove a variable of the operator, as `kubectl set env` does; it starts anew."""
        await self.stage.kubectl("-n", SYSTEM, "set", "env", "deployment/leeboard", variable)
        await self.stage.rolled_out("leeboard", SYSTEM)

    async def candidate(self) -> str:
        """Register the stable version's model once more, as the challenger."""
        stable = (await self.watch.status(DEPLOYMENTS))["stable"]["version"]
        model = await asyncio.to_thread(self.mlflow.get_model_version, MODEL, stable)
        lineage = {name: value for name, value in model.tags.items() if name in LINEAGE}
        made = await asyncio.to_thread(
            self.mlflow.create_model_version,
            MODEL,
            model.source,
            model.run_id,
            lineage,
            model_id=model.source.removeprefix("models:/"),
        )
        version = str(made.version)
        await self.watch.set_alias(MODEL, "challenger", version)
        self.story.say(f"version {version} is the challenger")
        return version

    async def says(
        self,
        *reasons: str,
        of: str = "",
        kind: str = "Ready",
        resource: Resource = DEPLOYMENTS,
        within: float = 90,
    ) -> None:
        """Claim that an object says one of some reasons, or names something in its sentence."""

        async def said() -> Document:
            found = condition(await self.watch.status(resource), kind)
            fits = found.get("reason") in reasons if reasons else of in found.get("message", "")
            return found if fits else {}

        what = " or ".join(reasons) or f"something of {of}"
        found = await self.wait(said, f"{resource.kind} to say {what}", within=within)
        self.story.claim(f"{resource.kind}: {found['reason']}: {found['message']}", holds=True)

    async def weight(self) -> int:
        """Return the candidate's weight by the status."""
        return int(((await self.watch.status(DEPLOYMENTS)).get("rollout") or {}).get("weight", 0))

    async def reached(self, weight: int) -> None:
        """Wait until the candidate has a weight, and the gateway has taken it up."""

        async def there() -> bool:
            rollout = (await self.watch.status(DEPLOYMENTS)).get("rollout") or {}
            return rollout.get("weight") == weight and "stepStartTime" in rollout

        await self.wait(there, f"{weight} %", within=300)
        self.story.say(f"the candidate has {weight} %")

    async def keeps_its_share(self, version: str, weight: int) -> None:
        """Claim that the traffic shows a version's weight over some hundred requests."""
        before = self.traffic.answered.copy()

        async def enough() -> bool:
            return sum(self.traffic.answered.values()) - sum(before.values()) >= 150

        await self.wait(enough, "150 answers", within=120)
        all_of_them = sum(self.traffic.answered.values()) - sum(before.values())
        share = (self.traffic.answered[version] - before[version]) / all_of_them
        self.story.claim(f"the traffic shows {share:.0%} for {weight} %", holds=abs(share - weight / 100) <= 0.14)

    async def ended(self, version: str, outcome: str) -> None:
        """Claim how the rollout of a version ends."""

        async def over() -> Document:
            status = await self.watch.status(DEPLOYMENTS)
            last = status.get("lastRollout") or {}
            return last if last.get("version") == version and not status.get("rollout") else {}

        last = await self.wait(over, f"the rollout of version {version} to end", within=600)
        self.story.claim(f"version {version}: {last['outcome']}: {last['message']}", holds=last["outcome"] == outcome)

    async def at_rest(self) -> None:
        """Wait until no rollout is under way."""

        async def idle() -> bool:
            status = await self.watch.status(DEPLOYMENTS)
            return "rollout" not in status and "activeRun" not in await self.watch.status(POLICIES)

        await self.wait(idle, "the model to be at rest", within=400)

    async def answers_again(self, version: str) -> None:
        """Claim that the stable version answers again after it was hit itself."""
        failed = sum(self.traffic.failed.values())
        before = self.traffic.answered[version]

        async def answering() -> bool:
            return self.traffic.answered[version] >= before + 20

        ready = await self.wait(answering, f"version {version} to answer again", within=240)
        failed = sum(self.traffic.failed.values()) - failed
        self.story.claim(f"version {version} answers again; {failed} requests failed meanwhile", holds=ready)
        await self.says("Serving", within=240)

    async def wait(self, check: Callable[[], Awaitable[T]], what: str, *, within: float = 60) -> T:
        """Wait until something is so."""

        async def look() -> T:
            self.story.beat()
            return await check()

        return await until(look, what, within=within, every=0.3)

    async def trainings(self) -> list[Document]:
        """Return the RayJobs of retrainings, the oldest first."""
        jobs = [job for job in await self.watch.ray_jobs() if _owner(job) == "RetrainPolicy"]
        return sorted(jobs, key=lambda job: str(job["metadata"]["creationTimestamp"]))

    async def training_job(self) -> str:
        """Return the name of the retraining's RayJob that is under way; empty: there is none."""
        active = [job["metadata"]["name"] for job in await self.trainings() if not _ended(job)]
        return str(active[-1]) if active else ""

    async def head_of(self, job: str) -> str:
        """Return the name of the pod of a RayJob's head, once it runs; empty: it does not."""
        found = json.loads(await self.stage.kubectl("-n", MODELS, "get", "rayjob", job, "-o", "json"))
        cluster = (found.get("status") or {}).get("rayClusterName", "none")
        pods = await self.stage.pods(MODELS, f"ray.io/node-type=head,ray.io/cluster={cluster}")
        return next((str(pod["metadata"]["name"]) for pod in pods if pod["status"]["phase"] == "Running"), "")


def _owner(job: dict[str, Any]) -> str:
    return next((owner["kind"] for owner in job["metadata"].get("ownerReferences", [])), "")


def _ended(job: dict[str, Any]) -> bool:
    return "deletionTimestamp" in job["metadata"] or (job.get("status") or {}).get("jobDeploymentStatus") in {
        "Complete",
        "Failed",
    }
