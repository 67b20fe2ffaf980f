"""What goes wrong on clusters, one day after the other, while the model answers on.

Each day ends well, says in one sentence what is the matter while it is, and fails no answer of the stable version
unless that itself was hit.
"""

import asyncio
import json
from collections.abc import Awaitable

from leeboard.control.kinds import ARM_LABEL
from leeboard.sandbox.watch import DEPLOYMENTS, MONITORS, POLICIES, ROUTES, Document
from tests.e2e.cluster import MODELS, PARTS, SYSTEM
from tests.e2e.means import MODEL, Means

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


class BadDays(Means):
    """Plays them on a model that serves."""

    async def run(self, only: str = "") -> None:
        """Play all of them, or some by name; the last one takes the model away."""
        days = (
            self.registry_away,
            self.controllers_away,
            self.ray_away,
            self.namespace_full,
            self.image_missing,
            self.claim_unbound,
            self.runtime_changed,
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
                try:
                    await day()
                except Exception as error:  # noqa: BLE001 (the days after it are told all the same)
                    self.story.claim(f"{day.__name__} could be told to its end ({error!r})", holds=False)

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
        """A retraining waits for KubeRay; its RayJob is deleted, and the head of the next one."""
        self.story.chapter("A retraining without KubeRay; then its RayJob is deleted, and the Ray head of the next one")
        before = ((await self.watch.status(POLICIES)).get("lastRun") or {}).get("id")
        await self.watch.suspend(POLICIES, suspend=False)
        async with self.unharmed():
            async with self.away(*self.stage.settings.kuberay):
                await self.watch.annotate(POLICIES, "leeboard.dev/retrain", f"bad-day-{self.story.seconds:.0f}")
                job = await self.wait(self.training_job, "a retraining's RayJob")
                await self.says("Training", resource=POLICIES)
            await self.wait(lambda: self.head_of(job), "the Ray head of the retraining", within=240)
            await self.stage.kubectl("-n", MODELS, "delete", "rayjob", job, "--wait=false")
            self.story.say(f"kubectl delete rayjob {job}")
            job = await self.wait(self.training_job, "another RayJob", within=120)
            head = await self.wait(lambda: self.head_of(job), "the Ray head of the next RayJob", within=240)
            await self.stage.kubectl("-n", MODELS, "delete", "pod", head, "--grace-period=0", "--force")
            self.story.say(f"kubectl delete pod {head}")

            async def over() -> Document:
                status = await self.watch.status(POLICIES)
                run: Document = status.get("lastRun") or {}
                return run if "activeRun" not in status and run.get("id") != before else {}

            run = await self.wait(over, "the retraining to end", within=600)
            self.story.claim(
                f"the retraining ended: {run['outcome']}: {run.get('message', '')}",
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
            await asyncio.to_thread(self.mlflow.delete_registered_model_alias, MODEL, "challenger")
            await self.operator_knows("LEEBOARD_SERVING_IMAGE-")
            await self.watch.merge(DEPLOYMENTS, {"spec": {"rollout": {"progressDeadline": "8m"}}})
            await self.at_rest()

    async def claim_unbound(self) -> None:
        """The pods are to have one more volume, whose claim nobody binds; then somebody does."""
        self.story.chapter("A volume's claim that cannot be bound")
        more = {"volumes": [{"name": "more", "persistentVolumeClaim": {"claimName": "more"}}]}
        async with self.unharmed():
            version = (await self.watch.status(DEPLOYMENTS))["stable"]["version"]
            await self.stage.apply("claim")
            await self.watch.merge(DEPLOYMENTS, {"spec": {"serving": {"predictor": more}}})
            await self.says(of="PersistentVolumeClaim", within=120)
            await self.stage.apply("claimed")
            self.story.say("kubectl apply: the volume that it waits for")
            await self.ended(version, "Promoted")

    async def runtime_changed(self) -> None:
        """Somebody gives the runtime under the stable version an image that is nowhere, and then takes it back."""
        self.story.chapter("The serving runtime changes under the stable version")
        runtime = (await self.stage.kubectl("-n", MODELS, "get", "servingruntimes", "-o", "name")).split()[0]
        image = json.loads(await self.stage.kubectl("-n", MODELS, "get", runtime, "-o", "json"))
        before = image["spec"]["containers"][0]["image"]
        async with self.unharmed():
            await self.gives_image(runtime, "localhost/nobody:has")
            await self.says(of="cannot be pulled", within=120)
            await self.gives_image(runtime, before)
            await self.says("Serving", within=120)

    async def gives_image(self, runtime: str, image: str) -> None:
        """Change the image in a runtime, as a person would."""
        change = [{"op": "replace", "path": "/spec/containers/0/image", "value": image}]
        await self.stage.kubectl("-n", MODELS, "patch", runtime, "--type=json", "-p", json.dumps(change))
        self.story.say(f"kubectl patch {runtime}: image {image}")

    async def hands(self) -> None:
        """Somebody edits and deletes the route, and takes an arm's label away."""
        self.story.chapter("Somebody edits the route, deletes it, and takes an arm's label away")
        arm = (await self.watch.status(DEPLOYMENTS))["stable"]["arm"]
        route = await self.watch.read(ROUTES)
        backends = route["spec"]["rules"][-1]["backendRefs"]
        elsewhere = json.loads(json.dumps(route["spec"]["rules"]))
        elsewhere[-1]["backendRefs"] = [{**backends[0], "weight": 1}, {**backends[0], "name": "nobody", "weight": 1}]
        await self.restored(self.watch.merge(ROUTES, {"spec": {"rules": elsewhere}}), backends, "edited")
        deleting = self.stage.kubectl("-n", MODELS, "delete", "httproute", MODEL)
        await self.restored(deleting, backends, "deleted")

        async with self.unharmed():
            label = "leeboard.dev/modeldeployment"
            await self.stage.kubectl("-n", MODELS, "label", "inferenceservice", arm, f"{label}-")
            await self.stage.kubectl("-n", MODELS, "annotate", "inferenceservice", arm, "somebody=was-here")

            async def labelled() -> bool:
                found = await self.stage.kubectl("-n", MODELS, "get", "inferenceservice", arm, "-o", "json")
                labels: dict[str, str] = json.loads(found)["metadata"]["labels"]
                return label in labels

            self.story.claim("the arm has its label again", holds=await self.wait(labelled, "the label to be restored"))

    async def restored(self, what: Awaitable[object], backends: list[Document], done: str) -> None:
        """Let somebody do something to the route, and claim that it is what it was."""
        failed = sum(self.traffic.failed.values())
        await what

        async def whole() -> bool:
            answer = await self.stage.client.get(ROUTES.path(MODELS, MODEL))
            return answer.is_success and answer.json()["spec"]["rules"][-1]["backendRefs"] == backends

        undone = await self.wait(whole, "the route to be restored")
        failed = sum(self.traffic.failed.values()) - failed
        self.story.claim(f"the route was {done}, and is what it was; {failed} requests failed meanwhile", holds=undone)

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
        """Each kind is deleted in mid-rollout while the operator is away."""
        self.story.chapter("kubectl delete in mid-rollout, with the operator away")
        await self.candidate()
        await self.reached(20)
        async with self.away("leeboard", SYSTEM):
            await self.stage.kubectl("-n", MODELS, "delete", "driftmonitor", MODEL)
            await self.stage.kubectl("-n", MODELS, "delete", "modeldeployment", MODEL, "--wait=false")

            async def gone() -> bool:
                kinds = "inferenceservices,httproutes,modeldeployments"
                return not (await self.stage.kubectl("-n", MODELS, "get", kinds, "-o", "name")).strip()

            self.story.claim(
                "arms and route went with it", holds=await self.wait(gone, "everything of the model to go", within=180)
            )
        await self.says("ModelDeploymentMissing", resource=POLICIES)
        async with self.away("leeboard", SYSTEM):
            await self.stage.kubectl("-n", MODELS, "delete", "retrainpolicy", MODEL)

            async def nothing() -> bool:
                kinds = "driftmonitors,retrainpolicies,rayjobs"
                return not (await self.stage.kubectl("-n", MODELS, "get", kinds, "-o", "name")).strip()

            self.story.claim(
                "the jobs went with monitor and policy", holds=await self.wait(nothing, "the jobs to go", within=120)
            )
