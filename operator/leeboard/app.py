"""The operator's process: kopf's watches feed the store, the store feeds the queue, workers make passes.

The only place that knows kopf. kopf watches, lists and reconnects; it owns none of our state, puts nothing on the
objects and writes nothing.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import kopf
from prometheus_client import start_http_server

from leeboard import driftmonitor, modeldeployment, retrainpolicy
from leeboard.api.base import ApiModel
from leeboard.api.driftmonitor import DriftMonitorStatus
from leeboard.api.errors import TransientError
from leeboard.api.modeldeployment import ModelDeploymentStatus
from leeboard.api.retrainpolicy import RetrainPolicyStatus
from leeboard.control.backoff import Backoff
from leeboard.control.client import Client
from leeboard.control.clock import SystemClock
from leeboard.control.events import EventWriter
from leeboard.control.kinds import OWN_KINDS, WATCHED, Kind
from leeboard.control.listing import Manifest
from leeboard.control.passes import Loop, one_pass
from leeboard.control.queue import WorkQueue
from leeboard.control.ref import Ref
from leeboard.control.refusals import RefusedError
from leeboard.control.relist import Relister
from leeboard.control.served import missing_fields
from leeboard.control.steps import Finished
from leeboard.control.store import Store
from leeboard.control.world import World
from leeboard.services.arms import HttpArms
from leeboard.services.collector import HttpCollector
from leeboard.services.metrics import PrometheusMetrics
from leeboard.services.registry import MlflowRegistry
from leeboard.settings import Settings
from leeboard.telemetry import Telemetry, configure_logging, log_subject

LOOPS: tuple[Loop[Any, Any], ...] = (modeldeployment.LOOP, driftmonitor.LOOP, retrainpolicy.LOOP)
"""One loop per kind."""

STATUSES: Mapping[str, type[ApiModel]] = {
    "ModelDeployment": ModelDeploymentStatus,
    "DriftMonitor": DriftMonitorStatus,
    "RetrainPolicy": RetrainPolicyStatus,
}

_PATIENCE = 10.0
"""Seconds that passes under way get to end at a stop."""
_SCHEMA_TRIES = 15
"""The API server publishes the schema of a new CRD after some seconds."""

T = TypeVar("T")
AnyLoop = Loop[Any, Any]

logger = logging.getLogger(__name__)


class CannotStartError(Exception):
    """The operator must not run like this; the message says what to do."""


def run(settings: Settings, loops: Iterable[AnyLoop] = LOOPS) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        CannotStartError: the CRDs are missing or too old, or a port is taken.
    """
    configure_logging(settings.log_level)
    asyncio.run(Operator(settings, loops).run())


class Operator:
    """One operator: everything that lives as long as its process.

    Args:
        settings: What it is told.
        loops: What it works on: one loop per kind.
    """

    def __init__(self, settings: Settings, loops: Iterable[AnyLoop]) -> None:
        self._settings = settings
        self._loops = {loop.kind: loop for loop in loops}
        self._stop = asyncio.Event()
        self.telemetry = Telemetry()
        self.queue = WorkQueue(share=max(1, settings.max_passes * 3 // 4))
        self.store = Store(self._look_at)

    def stop(self) -> None:
        """Let the passes under way end, and then everything."""
        self._stop.set()

    async def run(self) -> None:
        """Run until `stop`, SIGTERM or SIGINT. Raises CannotStartError."""
        self._obey_signals()
        async with contextlib.AsyncExitStack() as stack:
            self._serve_metrics(stack)
            client = await self._patiently(lambda: Client.connect(self.telemetry))
            if client is None:
                return
            stack.push_async_callback(client.close)
            relister = Relister(client, self.store, self._settings)
            if await self._patiently(lambda: check_served(client)) and await self._patiently(lambda: _filled(relister)):
                world = self._world(client, stack)
                await self._work(world, relister)

    def _look_at(self, ref: Ref) -> None:
        if ref.kind in self._loops:
            self.queue.add(ref)

    def _obey_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    def _serve_metrics(self, stack: contextlib.AsyncExitStack) -> None:
        port = self._settings.metrics_port
        try:
            server, thread = start_http_server(port, registry=self.telemetry.registry)
        except OSError as error:
            raise CannotStartError(
                f"the metrics port {port} cannot be opened ({error.strerror}): set LEEBOARD_METRICS_PORT to a free one"
            ) from None
        stack.callback(thread.join)
        stack.callback(server.shutdown)

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T | None:
        """Try until it succeeds; None: the operator is to stop."""
        backoff = Backoff[str](longest=30.0)
        while not self._stop.is_set():
            try:
                return await attempt()
            except TransientError as error:
                logger.warning("%s; trying again", error)
            except RefusedError as error:
                raise CannotStartError(str(error)) from None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff.failed("start")):
                    await self._stop.wait()
        return None

    def _world(self, client: Client, stack: contextlib.AsyncExitStack) -> World:
        settings, clock = self._settings, SystemClock()
        registry = MlflowRegistry(
            settings.tracking_uri, settings.registry_poll_seconds, settings.service_timeout_seconds
        )
        metrics = PrometheusMetrics(settings.prometheus_url, settings.service_timeout_seconds)
        collector = HttpCollector(settings.collector_url, settings.service_timeout_seconds)
        arms = HttpArms(settings.service_timeout_seconds)
        stack.callback(registry.close)
        stack.callback(metrics.close)
        stack.push_async_callback(collector.close)
        stack.push_async_callback(arms.close)
        return World(
            client=client,
            store=self.store,
            registry=registry,
            metrics=metrics,
            collector=collector,
            arms=arms,
            clock=clock,
            settings=settings,
            telemetry=self.telemetry,
            events=EventWriter(client, clock),
        )

    async def _work(self, world: World, relister: Relister) -> None:
        """Let everything run until the operator is to stop, or something that must not end does.

        kopf cancels at its end whatever tasks came after it, so ours come first, and end first.
        """

        async def make_pass(ref: Ref) -> Finished:
            with log_subject(ref.kind, ref.namespace, ref.name):
                finished = await one_pass(self._loops[ref.kind], ref, world)
            self.telemetry.queue_length.set(self.queue.backlog())
            return finished

        workers = [asyncio.create_task(self.queue.work(make_pass)) for _ in range(self._settings.max_passes)]
        listing, stopping = asyncio.create_task(relister.run()), asyncio.create_task(self._stop.wait())
        ours = asyncio.all_tasks()
        kopf_stops = asyncio.Event()
        binding = _Binding(self.store, relister)
        kopf_tasks = await kopf.spawn_tasks(**binding.arguments(self._settings), stop_flag=kopf_stops)
        self._obey_signals()  # kopf has just taken them
        watching = asyncio.create_task(kopf.run_tasks(kopf_tasks, ignored=ours))
        logger.info("the operator works on %s", ", ".join(sorted(self._loops)))
        try:
            await asyncio.wait({stopping, listing, watching, *workers}, return_when=asyncio.FIRST_COMPLETED)
            if not stopping.done():
                logger.error("a part of the operator ended; stopping")
        finally:
            self.queue.close()
            await asyncio.wait(workers, timeout=_PATIENCE)
            for task in (*workers, listing, stopping):
                task.cancel()
            kopf_stops.set()
            ended = await asyncio.gather(watching, listing, *workers, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error


@dataclass(frozen=True)
class _Binding:
    """What kopf is told: which kinds to watch, and to leave everything else alone."""

    store: Store
    relister: Relister

    def arguments(self, settings: Settings) -> dict[str, Any]:
        """Return the arguments of `kopf.spawn_tasks`."""
        registry, knobs = kopf.OperatorRegistry(), kopf.OperatorSettings()
        knobs.posting.enabled = False
        knobs.persistence.diffbase_storage = _NoDifferences()
        kopf.on.login(registry=registry)(_login)
        kopf.on.probe(registry=registry, id="watches")(self._probe)
        for kind in WATCHED:
            kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id="store", param=kind)(self._take)
            if kind.selector:
                knobs.watching.label_selectors[kind.group, kind.version, kind.plural] = kind.selector
        where = {"namespaces": list(settings.namespaces)} if settings.namespaces else {"clusterwide": True}
        endpoint = f"http://0.0.0.0:{settings.health_port}/healthz"
        return {
            "registry": registry,
            "settings": knobs,
            "standalone": True,
            # kopf would ask who the user is, and in a pod nobody knows.
            "identity": "leeboard",
            "liveness_endpoint": endpoint,
            **where,
        }

    async def _take(self, *, event: kopf.RawEvent, param: Any = None, **_: Any) -> None:
        kind: Kind = param
        raw: Manifest = {**event["object"], "apiVersion": kind.api_version, "kind": kind.name}
        if event["type"] == "DELETED":
            self.store.drop(raw)
        else:
            self.store.put(raw)

    async def _probe(self, **_: Any) -> str:
        if dead := self.relister.dead:
            raise kopf.PermanentError(f"the watches of {', '.join(dead)} are behind the API server")
        return "alive"


class _NoDifferences(kopf.DiffBaseStorage):
    """Spares kopf a deep copy of each object that it sees: nothing here asks what has changed."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        """Put nothing on the object."""


async def _login(**arguments: Any) -> kopf.ConnectionInfo | None:
    if os.environ.get("KUBECONFIG"):
        return kopf.login_with_kubeconfig(**arguments)
    return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)


async def _filled(relister: Relister) -> bool:
    await relister.fill()
    return True


async def check_served(client: Client) -> bool:
    """Return True when the CRDs are served with every field that the operator writes.

    Raises:
        CannotStartError: they are not.
        TransientError: the API server is away.
    """
    for kind in OWN_KINDS:
        missing: list[str] = []
        for _ in range(_SCHEMA_TRIES):
            schema = await client.schema(kind.name)
            status = (schema or {}).get("properties", {}).get("status", {})
            missing = missing_fields(STATUSES[kind.name], status)
            if not missing:
                break
            await asyncio.sleep(1)
        if missing:
            raise CannotStartError(
                f"the API server's CRD of {kind.name} lacks {', '.join(missing[:3])}"
                f"{' and more' if len(missing) > 3 else ''}: apply the CRDs of this version (leeboard crds)"  # noqa: PLR2004
            )
    return True
