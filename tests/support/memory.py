"""An API server and neighbours in memory, for tests of the machinery that need no real one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from leeboard.api.errors import TransientError
from leeboard.api.modeldeployment import RegistryWrite
from leeboard.control.events import EventWriter
from leeboard.control.listing import Listing, Manifest
from leeboard.control.ref import Ref
from leeboard.control.refusals import AlreadyExistsError, ConflictError
from leeboard.control.store import Store
from leeboard.control.world import World
from leeboard.settings import Settings
from leeboard.telemetry import Telemetry

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    time: datetime = NOON

    def now(self) -> datetime:
        return self.time

    def move(self, **length: float) -> None:
        self.time += timedelta(**length)


@dataclass
class MemoryClient:
    """Objects in memory under resource versions, and a list of the calls that write."""

    objects: dict[tuple[str, str, str], Manifest] = field(default_factory=dict)
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    refuse: dict[str, Exception] = field(default_factory=dict)
    """By verb: what is raised instead."""
    _versions: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def put(self, raw: Manifest) -> Manifest:
        """Be somebody else who writes."""
        metadata = raw["metadata"]
        kept = deepcopy(raw)
        kept["metadata"] |= {"resourceVersion": str(next(self._versions))}
        kept["metadata"].setdefault("uid", f"uid-{raw['kind']}-{metadata['name']}")
        self.objects[raw["kind"], metadata["namespace"], metadata["name"]] = kept
        return deepcopy(kept)

    def _write(self, verb: str, raw: Manifest) -> None:
        self.calls.append((verb, raw["kind"], raw["metadata"]["name"]))
        if verb in self.refuse:
            raise self.refuse[verb]

    async def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        if "get" in self.refuse:
            raise self.refuse["get"]
        return deepcopy(self.objects.get((kind, namespace, name)))

    async def list(self, kind: str, namespace: str | None = None) -> Listing | None:
        found = [raw for key, raw in self.objects.items() if key[0] == kind and namespace in {None, key[1]}]
        return Listing(deepcopy(found), next(self._versions))

    async def apply(self, manifest: Manifest) -> Manifest:
        self._write("apply", manifest)
        return self.put(manifest)

    async def create(self, manifest: Manifest) -> Manifest:
        self._write("create", manifest)
        if (manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"]) in self.objects:
            raise AlreadyExistsError(f"{manifest['metadata']['name']} already exists")
        return self.put(manifest)

    async def patch(self, kind: str, namespace: str, name: str, patch: Manifest) -> Manifest:
        raw = self.objects[kind, namespace, name]
        self._write("patch", raw)
        return self.put(_merged(raw, patch))

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        self._write("delete", {"kind": kind, "metadata": {"name": name}})
        raw = self.objects.get((kind, namespace, name))
        if raw is not None and raw["metadata"]["uid"] == uid:
            del self.objects[kind, namespace, name]

    async def replace_status(self, raw: Manifest, status: Manifest) -> Manifest:
        self._write("status", raw)
        live = self.objects[raw["kind"], raw["metadata"]["namespace"], raw["metadata"]["name"]]
        if live["metadata"]["resourceVersion"] != raw["metadata"]["resourceVersion"]:
            raise ConflictError("someone else wrote it")
        return self.put({**live, "status": deepcopy(status)})


@dataclass
class MemoryRegistry:
    """A registry that takes writes, or is away."""

    writes: list[RegistryWrite] = field(default_factory=list)
    claims: list[tuple[str, str, str]] = field(default_factory=list)
    away: bool = False

    async def write(self, name: str, write: RegistryWrite) -> None:
        if self.away:
            raise TransientError(f"MLflow is away, nothing was written about {name}")
        self.writes.append(write)

    async def claim(self, name: str, alias: str, owner: str) -> None:
        self.claims.append((name, alias, owner))


@dataclass
class Memory:
    """A world in memory."""

    client: MemoryClient = field(default_factory=MemoryClient)
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    clock: Clock = field(default_factory=Clock)
    looked_at: list[Ref] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    telemetry: Telemetry = field(default_factory=Telemetry)

    def __post_init__(self) -> None:
        self.store = Store(self.looked_at.append)

    @property
    def world(self) -> World:
        nobody: Any = SimpleNamespace()
        registry: Any = self.registry
        return World(
            client=self.client,
            store=self.store,
            registry=registry,
            metrics=nobody,
            collector=nobody,
            arms=nobody,
            clock=self.clock,
            settings=self.settings,
            telemetry=self.telemetry,
            events=EventWriter(self.client, self.clock),
        )


def _merged(raw: Any, patch: Any) -> Any:
    if not isinstance(raw, Mapping) or not isinstance(patch, Mapping):
        return deepcopy(patch)
    return {**raw, **{name: _merged(raw.get(name), value) for name, value in patch.items()}}
