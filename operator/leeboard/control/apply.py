"""Carries out a plan's steps in order: stops at the first failure, never raises, writes nothing that already stands."""

from typing import Any

from leeboard.api.errors import TransientError
from leeboard.api.modeldeployment import RegistryWrite
from leeboard.contract.documents import short_hash
from leeboard.control.children import is_being_deleted, owner_uid
from leeboard.control.conditions import cut
from leeboard.control.listing import Manifest
from leeboard.control.rayjobs import is_running
from leeboard.control.ref import Ref
from leeboard.control.refusals import AlreadyExistsError, ConflictError, RefusedError
from leeboard.control.steps import (
    Adjust,
    Apply,
    ClaimAlias,
    Create,
    Delete,
    EmitEvent,
    KeepRuns,
    Outcomes,
    Step,
    StepFailure,
    WriteRegistry,
)
from leeboard.control.world import World

ANNOTATION_APPLIED = "leeboard.dev/applied"
"""Hash of the manifest that was applied: what was taken out of it shows only here."""

_FAILURES = (TransientError, ConflictError, RefusedError)


async def apply(steps: tuple[Step, ...], subject: Manifest, world: World) -> Outcomes:
    """Carry out steps for an object.

    Args:
        steps: In this order; the first that fails ends it, except writes to the registry, which hold back nothing.
        subject: The object whose pass this is.
        world: Where to.
    """
    metadata = subject["metadata"]
    hand = _Hand(Ref(subject["kind"], metadata["namespace"], metadata["name"]), subject, world)
    for step in steps:
        try:
            await hand.take(step)
        except _FAILURES as error:
            transient = not isinstance(error, RefusedError)
            failure = StepFailure(step, cut(str(error)), transient=transient)
            return Outcomes(failure, tuple(hand.unwritten), hand.registry_message)
    return Outcomes(None, tuple(hand.unwritten), hand.registry_message)


class _Hand:
    """Carries out the steps of one pass."""

    def __init__(self, ref: Ref, subject: Manifest, world: World) -> None:
        self._ref = ref
        self._subject = subject
        self._world = world
        self.unwritten: list[RegistryWrite] = []
        self.registry_message = ""

    async def take(self, step: Step) -> None:
        match step:
            case Apply():
                await self._apply(step.manifest)
            case Create():
                await self._create(step.manifest)
            case Adjust():
                await self._adjust(step)
            case Delete():
                await self._world.client.delete(step.kind, self._ref.namespace, step.name, step.uid)
                self._mark_deleted(step)
            case EmitEvent():
                await self._world.events.emit(self._subject, step.type, step.reason, step.message)
            case WriteRegistry():
                await self._write_registry(step)
            case ClaimAlias():
                await self._world.registry.claim(step.model, step.alias, step.owner)
            case KeepRuns():
                await self._world.registry.keep_runs(step.experiment, step.subject, step.keep, dict(step.episodes))

    async def _apply(self, manifest: Manifest) -> None:
        desired = _with_hash(manifest)
        live = self._held(manifest)
        if live is None:  # the store sees only what is labelled as ours
            live = await self._world.client.get(manifest["kind"], self._ref.namespace, manifest["metadata"]["name"])
        if live is not None:
            _demand_ours(live, manifest)
            if contains(live, desired):
                return
        self._world.store.put(await self._world.client.apply(desired), by=self._ref)

    async def _create(self, manifest: Manifest) -> None:
        live = self._held(manifest)
        if live is not None:
            _demand_ours(live, manifest)
            return
        if manifest["kind"] == "RayJob":
            self._demand_room_for_job()
        try:
            made = await self._world.client.create(manifest)
        except AlreadyExistsError:
            found = await self._world.client.get(manifest["kind"], self._ref.namespace, manifest["metadata"]["name"])
            if found is None:
                raise TransientError(f"{_title(manifest)} was there and is gone: it is made again") from None
            _demand_ours(found, manifest)
            made = await self._relabelled(found, manifest)
        self._world.store.put(made, by=self._ref)

    async def _relabelled(self, found: Manifest, manifest: Manifest) -> Manifest:
        """Give a child of ours back the labels by which the store sees it. RayJobs are never edited."""
        patch = {"metadata": {"labels": manifest["metadata"].get("labels", {})}}
        if manifest["kind"] == "RayJob" or contains(found, patch):
            return found
        return await self._world.client.patch(
            manifest["kind"], self._ref.namespace, manifest["metadata"]["name"], patch
        )

    async def _adjust(self, step: Adjust) -> None:
        size = {"minReplicas": step.min_replicas, "maxReplicas": step.max_replicas}
        patch = {"metadata": {"labels": dict(step.labels)}, "spec": {"predictor": size, "transformer": size}}
        live = self._world.store.get("InferenceService", self._ref.namespace, step.name)
        if live is None or not contains(live, patch):
            answer = await self._world.client.patch("InferenceService", self._ref.namespace, step.name, patch)
            self._world.store.put(answer, by=self._ref)

    async def _write_registry(self, step: WriteRegistry) -> None:
        for write in step.writes:
            try:
                await self._world.registry.write(step.model, write)
            except TransientError as error:
                self.unwritten.append(write)
                self.registry_message = cut(str(error))

    def _held(self, manifest: Manifest) -> Manifest | None:
        return self._world.store.get(manifest["kind"], self._ref.namespace, manifest["metadata"]["name"])

    def _mark_deleted(self, step: Delete) -> None:
        held = self._world.store.get(step.kind, self._ref.namespace, step.name)
        if held is not None and held["metadata"].get("uid") == step.uid and not held["metadata"].get("finalizers"):
            self._world.store.drop(held, by=self._ref)

    def _demand_room_for_job(self) -> None:
        most, now = self._world.settings.max_jobs_at_once, self._world.clock.now()
        running = sum(is_running(job, now) for job in self._world.store.list("RayJob"))
        if running >= most:
            raise TransientError(
                f"{running} jobs of Leeboard run, and LEEBOARD_MAX_JOBS_AT_ONCE allows {most}: this one waits",
                "JobsFull",
            )


def contains(live: Any, desired: Any) -> bool:
    """Say whether everything desired stands in the live document; the API server may have added more.

    Lists are compared element by element: none may be missing, none may have been added.
    """
    if isinstance(desired, dict):
        return isinstance(live, dict) and all(
            name in live and contains(live[name], value) for name, value in desired.items()
        )
    if isinstance(desired, list):
        return (
            isinstance(live, list)
            and len(live) == len(desired)
            and all(contains(mine, wanted) for mine, wanted in zip(live, desired, strict=True))
        )
    return bool(live == desired)


def _with_hash(manifest: Manifest) -> Manifest:
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), ANNOTATION_APPLIED: short_hash(manifest, length=16)}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def _demand_ours(live: Manifest, manifest: Manifest) -> None:
    """Refuse to touch what is being deleted, or is somebody else's. Raises TransientError."""
    if is_being_deleted(live):
        raise TransientError(
            f"{_title(manifest)} is being deleted: it is made again when it is gone", "ChildTerminating"
        )
    if owner_uid(live) != owner_uid(manifest):
        raise TransientError(
            f"{_title(manifest)} belongs to another object, or to an older one of the same name: "
            "it is made when that one is gone; delete it if it stays",
            "ChildNotOurs",
        )


def _title(manifest: Manifest) -> str:
    return f"the {manifest['kind']} {manifest['metadata']['name']}"
