"""The processes of one InferenceService: fetch the model, run predictor and transformer, restart what ends."""

import asyncio
import contextlib
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from leeboard.sandbox.processes import Child, ChildFailedError, Supervisor, free_port
from leeboard.sandbox.standins.cluster import Document

MODEL_FOLDER = "/mnt/models"
_CONTAINER_PORT = "8080"
_LOOK_EVERY = 0.25
_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")
_RESTART_AFTER = (1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass
class Component:
    """Predictor or transformer."""

    name: str
    deployment: str
    port: int
    command: list[str]
    environment: dict[str, str]
    probe_path: str | None
    ready: bool = False
    restarts: int = 0


class Arm:
    """One InferenceService's processes; `components` tells how they are."""

    def __init__(
        self,
        service: Document,
        *,
        runtime_container: Document,
        storage_container: Document | None,
        folder: Path,
        supervisor: Supervisor,
        environment: dict[str, str],
    ) -> None:
        self.namespace: str = service["metadata"]["namespace"]
        self.name: str = service["metadata"]["name"]
        self.failure = ""
        self._fingerprint = fingerprint(service)
        self._folder = folder / self.namespace / self.name
        self._supervisor = supervisor
        self._environment = environment
        self._model = service["spec"]["predictor"]["model"]
        self._storage = storage_container
        self._task: asyncio.Task[None] | None = None
        self.components = {"predictor": self._predictor(service, runtime_container)}
        if "transformer" in service["spec"]:
            self.components["transformer"] = self._transformer(service)

    def outdated(self, service: Document) -> bool:
        """Whether the service now asks for other containers."""
        return fingerprint(service) != self._fingerprint

    def start(self) -> None:
        """Begin; the processes are looked after until `stop`."""
        self._task = asyncio.create_task(self._run(), name=f"arm {self.name}")

    async def stop(self) -> None:
        """Stop the processes and forget the model."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for component in reversed(list(self.components.values())):
            await self._supervisor.forget(component.deployment, patience=5)
            component.ready = False
        shutil.rmtree(self._folder, ignore_errors=True)

    def _predictor(self, service: Document, container: Document) -> Component:
        model = service["spec"]["predictor"]["model"]
        arguments = [*(container.get("command") or []), *(container.get("args") or []), *(model.get("args") or [])]
        folder = str(self._folder / "model")
        variables = {"env": [*(container.get("env") or []), *(model.get("env") or [])]}
        return self._component("predictor", [a.replace(MODEL_FOLDER, folder) for a in arguments], container | variables)

    def _transformer(self, service: Document) -> Component:
        container = service["spec"]["transformer"]["containers"][0]
        arguments = [*(container.get("command") or []), *(container.get("args") or [])]
        for flag, value in (("--model_name", self.name), ("--predictor_host", ""), ("--http_port", _CONTAINER_PORT)):
            if not any(argument.startswith(flag) for argument in arguments):
                arguments += [flag, value]
        arguments[arguments.index("--predictor_host") + 1] = f"127.0.0.1:{self.components['predictor'].port}"
        return self._component("transformer", arguments, container)

    def _component(self, name: str, arguments: Sequence[str], container: Document) -> Component:
        port = free_port()
        probe = (container.get("readinessProbe") or {}).get("httpGet") or {}
        variables = variables_of(container)
        return Component(
            name=name,
            deployment=f"{self.name}-{name}",
            port=port,
            command=_with_port(arguments, port),
            environment=self._environment | variables | {"INFERENCE_SERVICE_NAME": self.name},
            probe_path=probe.get("path"),
        )

    async def _run(self) -> None:
        await self._fetch()
        await asyncio.gather(*(self._keep(component) for component in self.components.values()))

    async def _fetch(self) -> None:
        """Run the storage initializer until it succeeds, as an init container is."""
        uri = self._model.get("storageUri")
        if uri is None:
            return
        if self._storage is None:
            self.failure = f"no ClusterStorageContainer for {uri}"
            await asyncio.Event().wait()
        assert self._storage is not None  # noqa: S101 (the wait above never ends)
        command = [*self._storage["command"], *(self._storage.get("args") or []), uri, str(self._folder / "model")]
        variables = variables_of(self._storage)
        log = self._supervisor.logs / f"{self.name}-storage.log"
        for pause in (*_RESTART_AFTER, *[_RESTART_AFTER[-1]] * 1000):
            child = Child(f"{self.name}-storage", command, log, env=self._environment | variables)
            try:
                await child.start()
                if await child.wait(within=300) == 0:
                    self.failure = ""
                    return
                self.failure = child.last_words(1)
            except (ChildFailedError, TimeoutError) as error:
                self.failure = str(error)
            finally:
                await child.kill()
            await asyncio.sleep(pause)  # as kubelet backs off

    async def _keep(self, component: Component) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            while True:
                words = ""
                try:
                    child = await self._supervisor.start(
                        component.deployment, component.command, env=component.environment
                    )
                    while child.running:
                        component.ready = await _probe(client, component)
                        if component.ready and component.name == "predictor":
                            self.failure = ""  # it came back
                        await asyncio.sleep(_LOOK_EVERY if not component.ready else 4 * _LOOK_EVERY)
                    words = child.last_words(1)
                except ChildFailedError as error:
                    words = str(error)
                component.ready = False
                if component.name == "predictor":
                    self.failure = words
                pause = _RESTART_AFTER[min(component.restarts, len(_RESTART_AFTER) - 1)]
                component.restarts += 1
                await asyncio.sleep(pause)  # as kubelet backs off
                await self._supervisor.forget(component.deployment)


def variables_of(container: Document) -> dict[str, str]:
    """Return a container's environment as the kubelet makes it: `$$` is `$`, `$(NAME)` a variable that came before."""
    found: dict[str, str] = {}
    for item in container.get("env") or []:
        found[item["name"]] = _REFERENCE.sub(
            lambda match: "$" if match[1] is None else found.get(match[1], match[0]), item.get("value", "")
        )
    return found


async def _probe(client: httpx.AsyncClient, component: Component) -> bool:
    if component.probe_path is None:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", component.port)
            writer.close()
            return True
        return False
    with contextlib.suppress(httpx.HTTPError):
        return (await client.get(f"http://127.0.0.1:{component.port}{component.probe_path}")).is_success
    return False


def _with_port(arguments: Sequence[str], port: int) -> list[str]:
    """Replace the container's port: the processes share one address, as containers do not."""
    replaced: list[str] = []
    for argument in arguments:
        if argument == f"--http_port={_CONTAINER_PORT}":
            replaced.append(f"--http_port={port}")
        elif replaced and replaced[-1] == "--http_port":
            replaced.append(str(port))
        else:
            replaced.append(argument)
    return replaced


def fingerprint(service: Document) -> str:
    """What of the spec needs new processes: all but the replicas."""
    spec = {
        name: {key: value for key, value in part.items() if key not in {"minReplicas", "maxReplicas"}}
        for name, part in service["spec"].items()
        if isinstance(part, dict)
    }
    return json.dumps(spec, sort_keys=True)
