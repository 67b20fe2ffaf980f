"""The RayJobs of an object, and the one that it waits for, whatever somebody has done to its labels."""

from collections.abc import Collection

from leeboard.api.shared import ObjectMeta
from leeboard.control.children import owner_uid
from leeboard.control.listing import Manifest
from leeboard.control.world import World


async def own_jobs(owner: ObjectMeta, awaited: Collection[str], world: World) -> tuple[Manifest, ...]:
    """Return the RayJobs that an object owns.

    The store sees only what is labelled as ours. A job that loses the label goes on working, so before it is taken for
    lost, the API server is asked.

    Args:
        owner: Metadata of the object.
        awaited: RayJobs that were seen before, and whose outcome is waited for.
        world: Where to look.

    Raises:
        TransientError: the API server is away.
    """
    held = world.store.owned(owner.uid, "RayJob")
    unseen = sorted({*awaited} - {job["metadata"]["name"] for job in held})
    asked = [await world.client.get("RayJob", owner.namespace, name) for name in unseen]
    return (*held, *(job for job in asked if job is not None and owner_uid(job) == owner.uid))
