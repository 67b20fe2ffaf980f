"""What goes wrong on clusters, one day after the other, while the model answers on.

Each day ends well, says in one sentence what is the matter while it is, and fails no answer of the stable version
unless that itself was hit.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from mlflow import MlflowClient

from leeboard.contract import tags
from leeboard.control.kinds import ARM_LABEL
from leeboard.sandbox.processes import until
from leeboard.sandbox.standins.cluster import Resource
from leeboard.sandbox.story import Story
from leeboard.sandbox.watch import DEPLOYMENTS, MONITORS, POLICIES, ROUTES, Document, Watch, condition
from tests.e2e.cluster import MODELS, PARTS, SYSTEM, RealCluster
from tests.e2e.traffic import Traffic

MODEL = "flights"
ARMS = Resource("InferenceService", "serving.kserve.io", "v1beta1", "inferenceservices")
LINEAGE = (tags.TRAINING_DATA, tags.TRAINING_CUTOFF)
HOG = """
import os, time
while True:
    if os.fork() == 0:
        held = b"x" * (64 << 20)
        time.sleep(60)
        os._exit(0)
    time.sleep(0.02)
"""
"""Many small processes fill the container's memory, so the largest, which is ended, is the server."""

T = TypeVar("T")


class BadDays:
    """Plays them on a model that serves."""

    def __init__(self, stage: RealCluster, story: Story, watch: Watch, traffic: Traffic) -> None:
        self.stage = stage
        self.story = story
        self.watch = watch
        self.traffic = traffic
        self._mlflow = MlflowClient(stage.mlflow_url)

    async def run(self, only: str = "") -> None:
        """Play all of them, or some by name; the last one takes the model away."""
        days = (
            self.registry_away,
            self.controllers_away,
            self.ray_away,
            self.namespace_full,
            self.image_missing,
            self.hands,
            self.arm_deleted,
            self.memory,
            self.deleted_unseen,
        )
        for resource in (POLICIES, MONITORS):  # a retraining of its own would come in between
            await self.watch.suspend(resource, suspend=True)
        await self.at_rest()
        for day in days:
            if not only or day.__name__ in only.split(","):
                await day()

    async def registry_away(self) -> None:
        """MLflow goes, and comes back."""
        self.story.chapter("MLflow is scaled to zero")
        async with self.unharmed(), self.away("mlflow", PARTS):
            await self.says("RegistryUnavailable")
        await self.says("Serving")

    async def controllers_away(self) -> None:
        """In one rollout the controllers of KServe and of the gateway, Prometheus and the operator are away in turn."""
        self.story.chapter(
            "A version comes in while KServe, Prometheus, the gateway's controller and we are away in turn"
        )
        async with self.unharmed():
            async with self.away(*self.stage.settings.kserve):
                version = await self.candidate()
                await self.says("StepFailed", "WaitingForArm", within=240)  # KServe's webhook is away, too
            await self.reached(20)
            async with self.away("prometheus", PARTS):
                await self.says(of="Prometheus", within=180)
                self.story.claim("the weight stays at 20 %", holds=await self.weight() == 20)
            async with self.away(*self.stage.settings.gateway_controller):
                await self.says("NotTakenUp", kind="RouteReady", within=240)
                await self.keeps_its_share(version, 20)
            await self.reached(50)
            async with self.away("leeboard", SYSTEM):
                await self.keeps_its_share(version, 50)
            await self.ended(version, "Promoted")

    async def ray_away(self) -> None:
        """A retraining waits for KubeRay, and its head is deleted in mid-run."""
        self.story.chapter("A retraining without KubeRay; then its Ray head is deleted in mid-run")
        before = ((await self.watch.status(POLICIES)).get("lastRun") or {}).get("id")
        await self.watch.suspend(POLICIES, suspend=False)
        async with self.unharmed():
            async with self.away(*self.stage.settings.kuberay):
                await self.watch.annotate(POLICIES, "leeboard.dev/retrain", f"bad-day-{self.story.seconds:.0f}")
                job = await self.wait(self._training_job, "a retraining's RayJob")
                await self.says("Training", resource=POLICIES)
            head = await self.wait(lambda: self._head(job), "the Ray head of the retraining", within=240)
            await self.stage.kubectl("-n", MODELS, "delete", "pod", head, "--grace-period=0", "--force")
            self.story.say(f"kubectl delete pod {head}")

            async def over() -> Document:
                status = await self.watch.status(POLICIES)
                run: Document = status.get("lastRun") or {}
                return run if "activeRun" not in status and run.get("id") != before else {}

            run = await self.wait(over, "the retraining to end", within=600)
            finished = [job for job in await self.watch.ray_jobs() if _owner(job) == "RetrainPolicy"]
            self.story.claim(
                f"the retraining ended: {run['outcome']}: {run.get('message', '')} ({len(finished)} RayJobs there)",
                holds=run["outcome"] in {"GateFailed", "Inconclusive", "Promoted", "RolledBack"},
            )
            await self.watch.suspend(POLICIES, suspend=True)
            await self.at_rest()

    async def namespace_full(self) -> None:
        """A quota leaves no room for a candidate."""
        self.story.chapter("The namespace is full")
        async with self.unharmed():
            version = await self.candidate()
            await self.says("WaitingForArm", within=240)
            arm = (await self.watch.status(DEPLOYMENTS))["candidate"]["arm"]
            await self.stage.kubectl("-n", MODELS, "create", "quota", "full", "--hard=pods=1")
            try:
                await self.stage.kubectl("-n", MODELS, "delete", "pods", "-l", f"{ARM_LABEL}={arm}", "--grace-period=1")
                await self.says(of="quota", within=180)
            finally:
                await self.stage.kubectl("-n", MODELS, "delete", "quota", "full")
            await self.ended(version, "Promoted")

    async def image_missing(self) -> None:
        """A candidate is given an image that nobody has; it goes back, and the next one comes in."""
        self.story.chapter("An image that cannot be pulled")
        async with self.unharmed():
            await self.watch.merge(DEPLOYMENTS, {"spec": {"rollout": {"progressDeadline": "75s"}}})
            await self.operator_knows("LEEBOARD_SERVING_IMAGE=localhost/nobody:has")
            version = await self.candidate()
            await self.says(of="cannot be pulled")
            await self.ended(version, "RolledBack")
            await asyncio.to_thread(self._mlflow.delete_registered_model_alias, MODEL, "challenger")
            await self.operator_knows("LEEBOARD_SERVING_IMAGE-")
            await self.watch.merge(DEPLOYMENTS, {"spec": {"rollout": {"progressDeadline": "8m"}}})
            await self.at_rest()

    async def hands(self) -> None:
        """Somebody edits, labels and deletes what is ours."""
        self.story.chapter("Somebody edits the route, and takes an arm's labels away")
        arm = (await self.watch.status(DEPLOYMENTS))["stable"]["arm"]
        route = await self.watch.read(ROUTES)
        backends = route["spec"]["rules"][-1]["backendRefs"]
        elsewhere = json.loads(json.dumps(route["spec"]["rules"]))
        elsewhere[-1]["backendRefs"] = [{**backends[0], "weight": 1}, {**backends[0], "name": "nobody", "weight": 1}]
        failed = sum(self.traffic.failed.values())
        await self.watch.merge(ROUTES, {"spec": {"rules": elsewhere}})

        async def restored() -> bool:
            found: list[Document] = (await self.watch.read(ROUTES))["spec"]["rules"][-1]["backendRefs"]
            return found == backends

        undone = await self.wait(restored, "the route to be restored")
        failed = sum(self.traffic.failed.values()) - failed
        self.story.claim(f"the route is what it was; {failed} requests went to nobody meanwhile", holds=undone)
        async with self.unharmed():
            label = "leeboard.dev/modeldeployment"
            await self.stage.kubectl("-n", MODELS, "label", "inferenceservice", arm, f"{label}-")
            await self.stage.kubectl("-n", MODELS, "annotate", "inferenceservice", arm, "somebody=was-here")

            async def labelled() -> bool:
                found = await self.stage.kubectl("-n", MODELS, "get", "inferenceservice", arm, "-o", "json")
                labels: dict[str, str] = json.loads(found)["metadata"]["labels"]
                return label in labels

            self.story.claim("the arm has its label again", holds=await self.wait(labelled, "the label to be restored"))

    async def arm_deleted(self) -> None:
        """The stable arm itself is deleted: the same version comes back."""
        self.story.chapter("Somebody deletes the stable version's InferenceService")
        stable = (await self.watch.status(DEPLOYMENTS))["stable"]
        await self.stage.kubectl("-n", MODELS, "delete", "inferenceservice", stable["arm"])
        await self.answers_again(stable["version"])

    async def memory(self) -> None:
        """The predictor of the stable version runs out of memory."""
        self.story.chapter("The stable version's predictor runs out of memory")
        stable = (await self.watch.status(DEPLOYMENTS))["stable"]
        pods = await self.stage.pods(MODELS, f"{ARM_LABEL}={stable['arm']},component=predictor")
        name = pods[0]["metadata"]["name"]
        hog = asyncio.create_task(
            self.stage.kubectl("-n", MODELS, "exec", name, "-c", "kserve-container", "--", "python", "-c", HOG)
        )

        async def restarted() -> bool:
            found = await self.stage.pods(MODELS, f"{ARM_LABEL}={stable['arm']},component=predictor")
            return any(s["restartCount"] for pod in found for s in pod["status"].get("containerStatuses") or [])

        await self.wait(restarted, "the predictor to be ended", within=120)
        await asyncio.gather(hog, return_exceptions=True)
        await self.answers_again(stable["version"])

    async def deleted_unseen(self) -> None:
        """The ModelDeployment is deleted in mid-rollout while the operator is away."""
        self.story.chapter("kubectl delete in mid-rollout, with the operator away")
        await self.candidate()
        await self.reached(20)
        async with self.away("leeboard", SYSTEM):
            await self.stage.kubectl("-n", MODELS, "delete", "modeldeployment", MODEL, "--wait=false")

            async def gone() -> bool:
                kinds = "inferenceservices,httproutes,modeldeployments"
                return not (await self.stage.kubectl("-n", MODELS, "get", kinds, "-o", "name")).strip()

            self.story.claim(
                "arms and route went with it", holds=await self.wait(gone, "everything of the model to go", within=180)
            )
        await self.says("ModelDeploymentMissing", "Waiting", resource=POLICIES)

    # What the days are made of.

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
        model = await asyncio.to_thread(self._mlflow.get_model_version, MODEL, stable)
        lineage = {name: value for name, value in model.tags.items() if name in LINEAGE}
        made = await asyncio.to_thread(
            self._mlflow.create_model_version,
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

    async def _training_job(self) -> str:
        jobs = [job for job in await self.watch.ray_jobs() if _owner(job) == "RetrainPolicy"]
        active = [job["metadata"]["name"] for job in jobs if not _ended(job)]
        return str(active[-1]) if active else ""

    async def _head(self, job: str) -> str:
        found = json.loads(await self.stage.kubectl("-n", MODELS, "get", "rayjob", job, "-o", "json"))
        cluster = (found.get("status") or {}).get("rayClusterName", "none")
        pods = await self.stage.pods(MODELS, f"ray.io/node-type=head,ray.io/cluster={cluster}")
        return next((str(pod["metadata"]["name"]) for pod in pods if pod["status"]["phase"] == "Running"), "")


def _owner(job: dict[str, Any]) -> str:
    return next((owner["kind"] for owner in job["metadata"].get("ownerReferences", [])), "")


def _ended(job: dict[str, Any]) -> bool:
    return (job.get("status") or {}).get("jobDeploymentStatus") in {"Complete", "Failed"}
