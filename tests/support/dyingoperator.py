# ruff: noqa: ARG002 -- what is played need not look at every argument of the Protocol
"""An operator that dies just before or just after a write that the test names, and is started again.

Passes, client, store and API server are the real ones; only the watches are left out (the store is listed anew), so
that a life takes seconds. Registry, collector, Prometheus and arms are played.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from leeboard.api.modeldeployment import RegistryWrite
from leeboard.contract import tags
from leeboard.contract.jobs import JobReport
from leeboard.contract.registry import ModelVersion, RegisteredModel, ReportedRun
from leeboard.contract.serving import TableState
from leeboard.control.client import Client
from leeboard.control.events import EventWriter
from leeboard.control.passes import one_pass
from leeboard.control.ref import Ref
from leeboard.control.relist import Relister
from leeboard.control.store import Store
from leeboard.control.world import World
from leeboard.settings import Settings
from leeboard.telemetry import Telemetry

T = TypeVar("T")


class DeathError(BaseException):
    """The operator is gone: nothing in it may catch this."""


@dataclass
class Fate:
    """Counts writes, and says around which of them the operator dies."""

    at: int | None = None
    """Number of the write, from 0; None: it lives."""
    before: bool = False
    """Die before the write is made, not after."""
    writes: list[str] = field(default_factory=list)
    """What was written, or was about to be."""
    routes: list[dict[str, Any]] = field(default_factory=list)
    """Every HTTPRoute that was applied."""
    rival: Callable[[dict[str, Any]], Awaitable[None]] | None = None
    """Writes the object just before every other try to write its status, so that each write meets a conflict first."""
    conflicts: int = 0
    _disturbed: bool = False

    async def disturb(self, raw: dict[str, Any]) -> None:
        """Let the rival write, unless it did the last time."""
        self._disturbed = self.rival is not None and not self._disturbed
        if self.rival is not None and self._disturbed:
            self.conflicts += 1
            await self.rival(raw)

    async def write(self, what: str, act: Callable[[], Awaitable[T]]) -> T:
        fatal = len(self.writes) == self.at
        self.writes.append(what)
        if fatal and self.before:
            raise DeathError
        done = await act()
        if fatal:
            raise DeathError
        return done


@dataclass
class DyingClient:
    """The real client, with a fate."""

    client: Client
    fate: Fate

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    async def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if manifest["kind"] == "HTTPRoute":
            self.fate.routes.append(manifest)
        return await self.fate.write(f"apply {manifest['kind']}", lambda: self.client.apply(manifest))

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        return await self.fate.write(f"create {manifest['kind']}", lambda: self.client.create(manifest))

    async def patch(self, kind: str, namespace: str, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        return await self.fate.write(f"patch {kind}", lambda: self.client.patch(kind, namespace, name, patch))

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        await self.fate.write(f"delete {kind}", lambda: self.client.delete(kind, namespace, name, uid))

    async def replace_status(self, raw: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        await self.fate.disturb(raw)
        return await self.fate.write("status", lambda: self.client.replace_status(raw, status))


@dataclass
class PlayedNeighbours:
    """Registry, collector, Prometheus and arms; they outlive the operator."""

    fate: Fate
    model_: RegisteredModel
    reports: dict[str, ReportedRun] = field(default_factory=dict)
    ledger: list[Any] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    """Arms that have answered a real prediction."""
    time: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def now(self) -> datetime:
        return self.time

    def register(self, version: str, alias: str) -> None:
        versions = {**self.model_.versions, version: ModelVersion(version)}
        self.model_ = replace(self.model_, versions=versions, aliases={**self.model_.aliases, alias: version})

    def answer(self, request_hash: str, report: JobReport) -> None:
        self.reports[request_hash] = ReportedRun("run-1", report, "mlflow-artifacts:/1/run-1/report.html")

    async def model(self, name: str) -> RegisteredModel | None:
        return self.model_

    async def refresh(self, name: str) -> RegisteredModel | None:
        return self.model_

    async def download_uri(self, name: str, version: str) -> str:
        return f"mlflow-artifacts:/1/m-{version}/artifacts"

    async def input_example(self, name: str, version: str) -> list[Any]:
        return [{"distance": 1.0}]

    async def write(self, name: str, write: RegistryWrite) -> RegisteredModel | None:
        async def act() -> RegisteredModel:
            self._write(write)
            return self.model_

        return await self.fate.write("registry", act)

    async def claim(self, name: str, alias: str, owner: str) -> RegisteredModel | None:
        async def act() -> RegisteredModel:
            self.model_ = replace(self.model_, tags={**self.model_.tags, tags.owner(alias): owner})
            return self.model_

        return await self.fate.write("claim", act)

    async def report(self, experiment: str, request_hash: str, kind: str) -> ReportedRun | None:
        return self.reports.get(request_hash)

    async def fired(self, experiment: str, policy: str) -> list[Any]:
        return list(self.ledger)

    async def table_state(self, namespace: str, model_deployment: str) -> TableState | None:
        return TableState(predictions="/log/predictions", labels="/log/labels", prediction_rows=9, label_rows=9)

    async def query(self, promql: str) -> float | None:
        return 500.0

    async def predict(self, address: str, model: str, protocol: str, rows: Sequence[Any]) -> str | None:
        self.answered.add(address.removeprefix("http://").partition(".")[0])
        return None

    def _write(self, write: RegistryWrite) -> None:
        aliases, versions = dict(self.model_.aliases), dict(self.model_.versions)
        if write.set_alias is not None:
            aliases[write.set_alias] = write.version
        if write.delete_alias is not None and aliases.get(write.delete_alias) == write.version:
            del aliases[write.delete_alias]
        if write.tag is not None and write.version in versions:
            kept = {name: value for name, value in versions[write.version].tags.items() if name != write.tag}
            fresh = {write.tag: write.tag_value} if write.tag_value is not None else {}
            versions[write.version] = replace(versions[write.version], tags=kept | fresh)
        self.model_ = replace(self.model_, aliases=aliases, versions=versions)


@dataclass
class MortalOperator:
    """Makes passes over one object; after its death another one begins with an empty memory."""

    client: Client
    neighbours: PlayedNeighbours
    fate: Fate
    settings: Settings
    deaths: int = 0
    _world: World | None = None

    async def turn(self, loop: Any, ref: Ref, **later: float) -> None:
        """Make one pass on what stands now, some time later."""
        self.neighbours.time += timedelta(**later)
        world = self._world or self._born()
        self._world = world
        store: Any = world.store
        await Relister(self.client, store, self.settings).fill()
        try:
            await one_pass(loop, ref, world)
        except DeathError:
            self.deaths += 1
            self._world = None

    def _born(self) -> World:
        client: Any = DyingClient(self.client, self.fate)
        played: Any = self.neighbours
        return World(
            client=client,
            store=Store(lambda _: None),
            registry=played,
            metrics=played,
            collector=played,
            arms=played,
            clock=played,
            settings=self.settings,
            telemetry=Telemetry(),
            events=EventWriter(client, played),
        )
