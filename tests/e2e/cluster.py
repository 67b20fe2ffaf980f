"""A real cluster as the stage of the demonstration."""

import asyncio
import copy
import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Any, Self

import httpx

from leeboard.sandbox import programs
from leeboard.sandbox.manifests import SHORT, Manifest, merged
from leeboard.sandbox.processes import Supervisor, answers, free_port, until
from tests.e2e.settings import Settings

ROOT = Path(__file__).parents[2]
MANIFESTS = Path(__file__).parent / "manifests"
PARTS, SYSTEM, MODELS = "leeboard-e2e", "leeboard-system", "air"
COLLECTOR_VALUES = ["collector.root=s3://log/leeboard", "collector.envFrom[0].secretRef.name=objectstore"]
SMALL = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}}
"""Resources of everything, so that one small node holds it all."""
OWN_CLUSTER = {
    "cluster": {"resources": {"requests": {"cpu": "200m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "3Gi"}}},
    "envFromSecret": {"name": "objectstore"},
    "activeDeadline": "10m",
    "preRunningDeadline": "8m",
}
CHANGES: dict[str, Manifest] = {
    "ModelDeployment": {
        "serving": {"replicas": {"min": 1, "max": 1}, "resources": SMALL},
        "job": OWN_CLUSTER,
        "rollout": {
            "stages": [
                {
                    "name": "canary",
                    "canary": {"steps": [{"weight": 20, "hold": "30s"}, {"weight": 50, "hold": "20s"}]},
                }
            ],
            "progressDeadline": "8m",
            "bake": "20s",
            "scaleDownDelay": "10s",
        },
    },
    "DriftMonitor": {
        "schedule": {"every": "20s"},
        "window": {"duration": "30s", "minRows": 1500},
        "job": {"clusterSelector": {"ray.io/cluster": "pool"}},
    },
    "RetrainPolicy": {"job": OWN_CLUSTER},
}
RECORDED = ("httproutes", "inferenceservices", "rayjobs")
Say = Callable[[str], None]


class RealCluster:
    """The cluster of a kubeconfig, with MLflow, Prometheus, an object store and Leeboard installed into it."""

    namespace = MODELS
    domain = "models.local"
    slowness = 1.6
    trouble = ""

    def __init__(self, settings: Settings, logs: Path, say: Say) -> None:
        self.settings = settings
        self.logs = logs
        self.say = say
        self.shortened = {kind: merged(SHORT[kind], changes) for kind, changes in copy.deepcopy(CHANGES).items()}
        self.supervisor = Supervisor(logs)
        self.gateway_url = settings.gateway_url
        self.mlflow_url = f"http://127.0.0.1:{free_port()}"
        self.collector_url = f"http://127.0.0.1:{free_port()}"
        proxy = f"http://127.0.0.1:{free_port()}"
        self.client = httpx.AsyncClient(base_url=proxy, trust_env=False, timeout=60)
        self._port = proxy.rpartition(":")[2]
        self._helm = self._kubectl = Path()
        self._operators: set[str] = set()

    @property
    def environment(self) -> dict[str, str]:
        """What a process on this machine must know to reach MLflow."""
        return {"MLFLOW_TRACKING_URI": self.mlflow_url, "NO_PROXY": "127.0.0.1", "GIT_PYTHON_REFRESH": "quiet"}

    async def __aenter__(self) -> Self:
        try:
            await self._install()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the doors; what is installed stays."""
        await self.client.aclose()
        await self.supervisor.stop(patience=2)

    async def kubectl(self, *words: str, given: str | None = None) -> str:
        """Run kubectl and return what it prints."""
        context = ["--context", self.settings.context] if self.settings.context else []
        return await asyncio.to_thread(_run, [str(self._kubectl), *context, *words], given)

    async def apply(self, *names: str) -> None:
        """Apply manifests of this folder."""
        for name in names:
            text = Template((MANIFESTS / f"{name}.yaml").read_text()).substitute(self.settings.words())
            await self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=text)

    async def rolled_out(self, name: str, namespace: str, within: int = 300) -> None:
        """Wait until a Deployment is up."""
        await self.kubectl("-n", namespace, "rollout", "status", f"deployment/{name}", f"--timeout={within}s")

    async def scale(self, name: str, namespace: str, replicas: int) -> None:
        """Scale a Deployment and wait for it."""
        await self.kubectl("-n", namespace, "scale", f"deployment/{name}", f"--replicas={replicas}")
        await self.rolled_out(name, namespace)

    async def pods(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        """Return the pods with some labels."""
        answer = await self.client.get(f"/api/v1/namespaces/{namespace}/pods", params={"labelSelector": selector})
        items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return items

    async def _install(self) -> None:
        found = await programs.ensure([programs.HELM, "kubectl"], self.say)
        self._helm, self._kubectl = found[programs.HELM], found["kubectl"]
        if not self.settings.bad_days:
            await self._install_parts()
        context = ["--context", self.settings.context] if self.settings.context else []
        await self._door("kubectl-proxy", [str(self._kubectl), *context, "proxy", "--port", self._port], "/version")
        await self._forward("mlflow", PARTS, "5000", self.mlflow_url, "/health")
        await self._forward("leeboard-collector", SYSTEM, "80", self.collector_url, "/healthz")
        for plural in RECORDED:
            await self._record(plural)
        self.gateway_url = self.gateway_url or await self._gateway_address()
        self._operators = {pod["metadata"]["uid"] for pod in await self.pods(SYSTEM, "app.kubernetes.io/name=leeboard")}

    async def _install_parts(self) -> None:
        await self._clear()
        await self.apply("namespaces", "volumes")
        await self.kubectl("-n", PARTS, "wait", "--for=condition=Complete", "job/volumes", "--timeout=180s")
        classes = await self.kubectl("get", "gatewayclasses", "-o", "name")
        if not any(line.endswith(f"/{self.settings.gateway_class}") for line in classes.split()):
            await self.apply("gatewayclass")
        await self.apply("gateway", "mlflow", "objectstore", "prometheus")
        for name in ("mlflow", "objectstore", "prometheus"):
            await self._part(name, self.rolled_out(name, PARTS))
        await self._part("Leeboard's chart", self._install_chart())
        await self.apply("raycluster")
        await self._part("a standing RayCluster", self._ray_ready())

    async def _part(self, name: str, ready: Awaitable[None]) -> None:
        await ready
        self.say(f"{name}: ready")

    async def _clear(self) -> None:
        """Take away what an earlier run has left."""
        await self.kubectl("delete", "namespace", MODELS, PARTS, "--ignore-not-found", "--timeout=180s")
        await asyncio.to_thread(self._helm_run, "uninstall", "leeboard", "--ignore-not-found", "--wait")
        await self.kubectl("delete", "clusterstoragecontainer", "leeboard-fetch", "--ignore-not-found")
        await self.kubectl("delete", "namespace", SYSTEM, "--ignore-not-found", "--timeout=180s")
        volumes = [f"leeboard-e2e-{name}" for name in ("mlflow", "journal", "more")]
        await self.kubectl("delete", "pv", *volumes, "--ignore-not-found")

    async def _install_chart(self) -> None:
        await self.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "charts/leeboard/crds"))
        images = [
            f"images.{name}.repository={self.settings.registry}/{name}" for name in ("operator", "worker", "serving")
        ]
        tags = [f"images.{name}.tag={self.settings.tag}" for name in ("operator", "worker", "serving")]
        values = [
            *images,
            *tags,
            *COLLECTOR_VALUES,
            "collector.volume.existingClaim=leeboard-collector-journal",
            f"mlflow.trackingUri=http://mlflow.{PARTS}.svc.cluster.local:5000",
            f"prometheus.url=http://prometheus.{PARTS}.svc.cluster.local:9090",
            "gateway.name=leeboard",
            f"gateway.namespace={SYSTEM}",
            f"gateway.domain={self.domain}",
            "operator.registryPollSeconds=2",
        ]
        sets = [word for value in values for word in ("--set", value)]
        chart = str(ROOT / "charts/leeboard")
        await asyncio.to_thread(self._helm_run, "upgrade", "--install", "leeboard", chart, "--skip-crds", *sets)
        for name in ("leeboard", "leeboard-collector"):
            await self.rolled_out(name, SYSTEM)

    def _helm_run(self, verb: str, *words: str) -> None:
        context = ["--kube-context", self.settings.context] if self.settings.context else []
        _run([str(self._helm), *context, verb, *words, "--namespace", SYSTEM], None)

    async def _ray_ready(self) -> None:
        condition = "--for=condition=HeadPodReady"
        await self.kubectl("-n", MODELS, "wait", condition, "raycluster/pool", "--timeout=300s")

    async def _door(self, name: str, command: list[str], probe: str, url: str = "") -> None:
        async def ready() -> bool:
            return await answers(f"{url or str(self.client.base_url).rstrip('/')}{probe}")

        await self.supervisor.start(name, command, ready=ready)

    async def _record(self, plural: str) -> None:
        """Keep every state of some objects beside the logs: what the stand-ins of the sandbox must be like."""
        context = ["--context", self.settings.context] if self.settings.context else []
        words = ["-n", MODELS, "get", plural, "--watch", "--output-watch-events", "--output=json"]
        await self.supervisor.start(f"{plural}-as-they-were", [str(self._kubectl), *context, *words])

    async def _forward(self, service: str, namespace: str, port: str, url: str, probe: str) -> None:
        """Forward a port, again whenever the pod behind it has gone."""
        context = f"--context {self.settings.context} " if self.settings.context else ""
        words = f"{context}-n {namespace} port-forward service/{service} {url.rpartition(':')[2]}:{port}"
        command = ["bash", "-c", f"while true; do {self._kubectl} {words}; sleep 0.2; done"]
        await self._door(f"port-forward-{service}", command, probe, url)

    async def _gateway_address(self) -> str:
        path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{SYSTEM}/gateways/leeboard"

        async def found() -> str:
            status = (await self.client.get(path)).raise_for_status().json().get("status") or {}
            programmed = any(c["type"] == "Programmed" and c["status"] == "True" for c in status.get("conditions", []))
            return f"http://{status['addresses'][0]['value']}" if programmed else ""

        return await until(found, "the Gateway to be programmed", within=180, every=0.5)

    async def kill_operator(self) -> None:
        """Delete the operator's pod without grace."""
        label = "app.kubernetes.io/name=leeboard"
        self._operators |= {pod["metadata"]["uid"] for pod in await self.pods(SYSTEM, label)}
        await self.kubectl("-n", SYSTEM, "delete", "pod", "-l", label, "--grace-period=0", "--force")

    async def start_operator(self) -> None:
        """Wait for the pod that the Deployment makes instead."""

        async def ready() -> bool:
            pods = await self.pods(SYSTEM, "app.kubernetes.io/name=leeboard")
            return any(pod["metadata"]["uid"] not in self._operators and is_ready(pod) for pod in pods)

        await until(ready, "the operator's new pod", within=180, every=0.5)

    async def save_logs(self) -> None:
        """Keep what the pods have said, for someone who must find out what went wrong."""
        for namespace in (SYSTEM, MODELS, PARTS):
            for pod in await self.pods(namespace, ""):
                name = pod["metadata"]["name"]
                text = await self.kubectl(
                    "-n", namespace, "logs", name, "--all-containers", "--tail=2000", "--ignore-errors"
                )
                (self.logs / f"{namespace}.{name}.log").write_text(text)
        everything = (
            "modeldeployments,driftmonitors,retrainpolicies,inferenceservices,httproutes,rayjobs,rayclusters,events"
        )
        (self.logs / "objects.yaml").write_text(await self.kubectl("-n", MODELS, "get", everything, "-o", "yaml"))


def is_ready(pod: dict[str, Any]) -> bool:
    """Say whether a pod is ready."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _run(command: list[str], given: str | None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, env=dict(os.environ))
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:6])} … failed: {done.stderr.strip()[-1500:]}")
    return done.stdout
