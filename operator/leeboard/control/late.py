"""Asks the pods of an arm or a job that is late what keeps them; they only tell more, so nothing waits for them."""

from collections.abc import Mapping, Sequence
from typing import Any

from leeboard.api.errors import TransientError
from leeboard.control.listing import Manifest
from leeboard.control.pods import read_pods
from leeboard.control.rayjobs import awaited_pods
from leeboard.control.world import World


async def late_pods(namespace: str, selector: str, world: World) -> Sequence[Manifest] | None:
    """Return some pods with these labels; None: they cannot be had."""
    try:
        return await world.client.pods(namespace, selector)
    except TransientError:
        return None


async def held_up(job: Mapping[str, Any] | None, world: World) -> str:
    """Return what keeps the pods of a RayJob from running; empty: nothing, or nobody can tell."""
    selector = awaited_pods(job, world.clock.now()) if job is not None else None
    if job is None or selector is None:
        return ""
    return read_pods(await late_pods(job["metadata"]["namespace"], selector, world) or ()).told
