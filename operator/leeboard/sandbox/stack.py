"""Everything that the loop needs, on one machine: started together, stopped together."""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from leeboard.sandbox import crds, rights
from leeboard.sandbox.controlplane import ControlPlane
from leeboard.sandbox.gateway import Endpoints, Gateway
from leeboard.sandbox.manifests import SHORT
from leeboard.sandbox.processes import Child, Supervisor, answers, end_strays, free_port
from leeboard.sandbox.prometheus import start_prometheus
from leeboard.sandbox.standins.cluster import (
    CLUSTER_RUNTIMES,
    DEPLOYMENTS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    RAY_JOBS,
    SERVING_RUNTIMES,
    STORAGE_CONTAINERS,
    Cluster,
    Resource,
)
from leeboard.sandbox.standins.httproutes import HttpRoutes
from leeboard.sandbox.standins.inferenceservices import InferenceServices, Node
from leeboard.sandbox.standins.rayjobs import RayJobs

Say = Callable[[str], None]

GATEWAY_CLASS = Resource("GatewayClass", "gateway.networking.k8s.io", "v1", "gatewayclasses")
GATEWAYS = Resource("Gateway", "gateway.networking.k8s.io", "v1", "gateways")
RAY_CLUSTERS = Resource("RayCluster", "ray.io", "v1", "rayclusters")
DOMAIN = "models.example"
RAY_CLUSTER = "sandbox"
OPERATOR = "leeboard-operator"
"""The operator's own name at the API server, by which the audit log tells its writes."""
SANDBOX_VARIABLE = "LEEBOARD_SANDBOX_FOLDER"
"""In the environment of every process of a sandbox, by which strays are found."""


class Stack:
    """The sandbox: control plane, MLflow, Prometheus, Ray, Envoy, collector, stand-ins and the operator.

    Args:
        folder: where everything lives; without it a temporary folder, removed at the end.
        say: is told what stands.
    """

    namespace = "default"
    domain = DOMAIN
    shortened = SHORT
    slowness = 1.0

    def __init__(self, *, folder: Path | None = None, say: Say = lambda _: None) -> None:
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="leeboard-sandbox-"))
        self.plane = ControlPlane(folder=self.folder / "kubernetes", keep=True, audited=[OPERATOR], say=say)
        self.supervisor = Supervisor(self.folder / "logs")
        self.gateway = Gateway(self.folder / "envoy", self.supervisor)
        self.endpoints = Endpoints()
        self.targets = self.folder / "targets"
        self.mlflow_url = f"http://127.0.0.1:{free_port()}"
        self.collector_url = f"http://127.0.0.1:{free_port()}"
        self.ray_url = f"http://127.0.0.1:{free_port()}"
        self.prometheus_url = ""
        self.operator_metrics_port = free_port()
        self._health_port = free_port()
        self._say = say
        self.trouble = ""
        """Why the sandbox itself cannot go on; empty while it can."""
        self._tasks: list[asyncio.Task[None]] = []
        self._operator_starts = 0
        self._services: InferenceServices | None = None
        self._jobs: RayJobs | None = None
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def client(self) -> httpx.AsyncClient:
        """The administrator's client of the API server."""
        assert self._client is not None, "the stack is not started"  # noqa: S101 (a mistake of the caller)
        return self._client

    @property
    def gateway_url(self) -> str:
        """Where requests of all models go in."""
        return self.gateway.url

    @property
    def logs(self) -> Path:
        """Folder of the logs of all processes."""
        return self.supervisor.logs

    @property
    def environment(self) -> dict[str, str]:
        """What every process of the sandbox knows about its neighbours."""
        return {
            SANDBOX_VARIABLE: str(self.folder),
            "LEEBOARD_HOST": "127.0.0.1",
            "MLFLOW_TRACKING_URI": self.mlflow_url,
            "HTTP_PROXY": self.gateway.proxy,
            "http_proxy": self.gateway.proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "OMP_NUM_THREADS": "1",  # two cores for everything
            "OPENBLAS_NUM_THREADS": "1",
            "GIT_PYTHON_REFRESH": "quiet",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }

    async def _start(self) -> None:
        self.targets.mkdir(parents=True, exist_ok=True)
        await asyncio.gather(
            self._part("Kubernetes API server", self._start_control_plane(), lambda: self.plane.url),
            self._part("MLflow", self._start_mlflow(), lambda: self.mlflow_url),
            self._part("Ray", self._start_ray(), lambda: self.ray_url),
            self._part("Prometheus", self._start_prometheus(), lambda: self.prometheus_url),
            self._part("Envoy", self.gateway.start(), lambda: self.gateway.url),
            self._part("collector", self._start_collector(), lambda: self.collector_url),
        )
        await self._start_standins()
        await self._part("operator", self.start_operator(), lambda: f"process {self.operator.pid}")

    async def _part(self, name: str, start: Awaitable[None], address: Callable[[], str]) -> None:
        await start
        self._say(f"{name}: {address()}")

    async def _start_control_plane(self) -> None:
        await self.plane.start()
        own, neighbours = await asyncio.gather(asyncio.to_thread(_own_crds), crds.neighbours(self._say))
        await self.plane.install_crds([*neighbours, *own])
        self._client = self.plane.client()
        for plural, manifest in rights.grants("leeboard", OPERATOR):
            path = f"/apis/rbac.authorization.k8s.io/v1/{plural}"
            (await self._client.post(path, json=manifest)).raise_for_status()
        await self._create_neighbours()

    async def _create_neighbours(self) -> None:
        """Create what a platform team has before Leeboard comes: a gateway, a Ray cluster, the storage container."""
        cluster = Cluster(self.client)
        spec: dict[str, Any] = {"controllerName": "leeboard.dev/sandbox-gateway"}
        await cluster.create(
            GATEWAY_CLASS,
            {
                "apiVersion": GATEWAY_CLASS.api_version,
                "kind": "GatewayClass",
                "metadata": {"name": "sandbox"},
                "spec": spec,
            },
        )
        listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
        await cluster.create(
            GATEWAYS,
            {
                "apiVersion": GATEWAYS.api_version,
                "kind": "Gateway",
                "metadata": {"name": "sandbox", "namespace": "default"},
                "spec": {"gatewayClassName": "sandbox", "listeners": [listener]},
            },
        )
        container = {"name": "storage-initializer", "image": "leeboard/serving", "command": ["leeboard-fetch"]}
        prefixes = [{"prefix": "mlflow-artifacts:/"}, {"prefix": "models:/"}]
        await cluster.create(
            STORAGE_CONTAINERS,
            {
                "apiVersion": STORAGE_CONTAINERS.api_version,
                "kind": "ClusterStorageContainer",
                "metadata": {"name": "leeboard-fetch"},
                "spec": {"container": container, "supportedUriFormats": prefixes},
            },
        )
        head = {"containers": [{"name": "ray-head", "image": "leeboard/worker"}]}
        await cluster.create(
            RAY_CLUSTERS,
            {
                "apiVersion": RAY_CLUSTERS.api_version,
                "kind": "RayCluster",
                "metadata": {"name": RAY_CLUSTER, "namespace": "default"},
                "spec": {"headGroupSpec": {"rayStartParams": {}, "template": {"spec": head}}},
            },
        )

    async def _start_mlflow(self) -> None:
        folder = self.folder / "mlflow"
        folder.mkdir()
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            *("--host", "127.0.0.1", "--port", self.mlflow_url.rsplit(":", 1)[1], "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
            *("--artifacts-destination", str(folder / "artifacts")),
        ]
        environment = self.environment | {
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "1",
        }

        async def ready() -> bool:
            return await answers(f"{self.mlflow_url}/health")

        await self.supervisor.start("mlflow", command, env=environment, ready=ready, within=120)

    async def _start_ray(self) -> None:
        folder = Path(tempfile.gettempdir()) / f"leeboard-ray-{os.getpid()}"  # short: socket paths are limited
        ports = {name: str(free_port()) for name in ("port", "ray-client-server-port", "dashboard-agent-listen-port")}
        command = [
            str(Path(sys.executable).parent / "ray"),
            "start",
            "--head",
            "--block",
            "--disable-usage-stats",
            "--node-ip-address=127.0.0.1",
            f"--temp-dir={folder}",
            "--include-dashboard=true",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={self.ray_url.rsplit(':', 1)[1]}",
            f"--num-cpus={os.cpu_count() or 2}",
            "--object-store-memory=300000000",
            "--min-worker-port=0",  # any free one, not a range in which the other parts have theirs
            "--max-worker-port=0",
            *(f"--{name}={port}" for name, port in ports.items()),
        ]
        environment = self.environment | {
            "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
            "RAY_AUTH_MODE": "disabled",  # loopback only; else it depends on a token file in the home folder
            "RAY_enable_open_telemetry": "0",
            "RAY_prestart_worker_first_driver": "0",
        }

        async def ready() -> bool:
            return await answers(f"{self.ray_url}/api/jobs/")

        await self.supervisor.start("ray", command, env=environment, ready=ready, within=120)

    async def _start_prometheus(self) -> None:
        self.prometheus_url = await start_prometheus(
            self.supervisor, self.folder / "prometheus", self.targets, say=self._say
        )

    async def _start_collector(self) -> None:
        command = [
            str(Path(sys.executable).parent / "leeboard-collector"),
            *("--root", str(self.folder / "log"), "--port", self.collector_url.rsplit(":", 1)[1]),
            *("--flush_seconds", "2"),
        ]

        async def ready() -> bool:
            return await answers(f"{self.collector_url}/healthz")

        await self.supervisor.start("collector", command, env=self.environment, ready=ready, within=60)

    async def _start_standins(self) -> None:
        cluster = Cluster(self.client)
        routes = HttpRoutes(cluster, self.gateway, self.endpoints)
        node = Node(self.folder / "node", self.targets, self.supervisor, self.environment)
        self._services = InferenceServices(cluster, node, self.endpoints, routes.reconcile)
        self._jobs = RayJobs(cluster, self.ray_url)
        services, jobs = _Serial(self._services.reconcile), _Serial(self._jobs.reconcile)
        route = _Serial(routes.reconcile)
        watched: list[tuple[Resource, _Serial]] = [
            (SERVING_RUNTIMES, services),
            (CLUSTER_RUNTIMES, services),
            (STORAGE_CONTAINERS, services),
            (DEPLOYMENTS, services),
            (INFERENCE_SERVICES, services),
            (RAY_JOBS, jobs),
            (HTTP_ROUTES, route),
        ]
        for resource, serial in watched:
            self._look_after(cluster.follow(resource, serial.poke), f"watch of {resource.kind}")
        for name, serial in (("InferenceServices", services), ("RayJobs", jobs), ("HTTPRoutes", route)):
            self._look_after(serial.work(), f"stand-in for {name}")

    def _look_after(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run work that never ends; if it does end, by a mistake of ours, say so and remember it."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self.trouble = f"the {name} ended: {error!r}"
                lines = traceback.format_exception(error)
                (self.supervisor.logs / "standins.log").write_text("".join(lines))

        task = asyncio.create_task(work, name=name)
        task.add_done_callback(ended)
        self._tasks.append(task)

    async def start_operator(self) -> None:
        """Start the operator, or start it again."""
        environment = self.environment | {
            "KUBECONFIG": str(self.plane.kubeconfig(OPERATOR)),
            "LEEBOARD_TRACKING_URI": self.mlflow_url,
            "LEEBOARD_PROMETHEUS_URL": self.prometheus_url,
            "LEEBOARD_COLLECTOR_URL": self.collector_url,
            "LEEBOARD_GATEWAY_NAME": "sandbox",
            "LEEBOARD_GATEWAY_NAMESPACE": "default",
            "LEEBOARD_DOMAIN": DOMAIN,
            "LEEBOARD_CLUSTER_SELECTOR": f"ray.io/cluster={RAY_CLUSTER}",
            "LEEBOARD_REGISTRY_POLL_SECONDS": "2",
            "LEEBOARD_METRICS_PORT": str(self.operator_metrics_port),
            "LEEBOARD_HEALTH_PORT": str(self._health_port),
        }

        async def ready() -> bool:
            return await answers(f"http://127.0.0.1:{self._health_port}/healthz")

        self._operator_starts += 1
        await self.supervisor.start(
            f"operator-{self._operator_starts}", [sys.executable, "-m", "leeboard"], env=environment, ready=ready
        )

    @property
    def operator(self) -> Child:
        """The operator's process."""
        return self.supervisor.children[f"operator-{self._operator_starts}"]

    async def kill_operator(self) -> None:
        """End the operator as kill -9 does."""
        await self.operator.kill()

    def save_logs(self, folder: Path) -> None:
        """Copy all logs, for someone who must find out what went wrong."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.supervisor.logs, folder)
        shutil.copytree(self.plane.folder / "logs", folder, dirs_exist_ok=True)

    async def stop(self) -> None:
        """Stop everything; nothing is left behind but the logs of a folder that was given."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._services is not None:
            await self._services.stop()
        if self._jobs is not None:
            await self._jobs.close()
        await self.supervisor.stop(patience=5)
        end_strays(SANDBOX_VARIABLE, str(self.folder))
        if self._client is not None:
            await self._client.aclose()
        await self.plane.stop()
        shutil.rmtree(Path(tempfile.gettempdir()) / f"leeboard-ray-{os.getpid()}", ignore_errors=True)
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)


class _Serial:
    """Runs one reconciler at a time: after each change, and twice a second while processes come and go."""

    def __init__(self, reconcile: Callable[[], Awaitable[None]]) -> None:
        self._reconcile = reconcile
        self._changed = asyncio.Event()

    async def poke(self) -> None:
        self._changed.set()

    async def work(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 0.5)
            self._changed.clear()
            with contextlib.suppress(httpx.TransportError):  # the API server is away: the next round tries again
                await self._reconcile()


def _own_crds() -> list[dict[str, Any]]:
    from leeboard.crdgen.kinds import KINDS, crd  # noqa: PLC0415 (generating takes a moment: only when it is needed)

    return [crd(kind) for kind in KINDS]
