"""Asks the pods of a job that does not begin what keeps them."""

from collections.abc import Mapping
from typing import Any

from leeboard.api.errors import TransientError
from leeboard.control.pods import read_pods
from leeboard.control.rayjobs import awaited_pods
from leeboard.control.world import World


async def held_up(job: Mapping[str, Any] | None, world: World) -> str:
    """Return what keeps the pods of a RayJob from running; empty: nothing, or nobody can tell."""
    selector = awaited_pods(job, world.clock.now()) if job is not None else None
    if job is None or selector is None:
        return ""
    try:
        return read_pods(await world.client.pods(job["metadata"]["namespace"], selector)).told
    except TransientError:  # they only tell more
        return ""
