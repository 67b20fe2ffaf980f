"""Fills the store before the first pass, lists again every few minutes, and tells when a watch is dead.

A broken watch reports nothing of what was deleted meanwhile, so the listings are the truth and the watches only make
it quick. What the watches have not brought a few seconds after a listing, they will not bring:

    listing ── differs ── wait for the watch ── still differs ── taken up from the listing, counted ── twice: dead
"""

import asyncio
import logging
from collections import Counter

from leeboard.api.errors import TransientError
from leeboard.control.kinds import WATCHED
from leeboard.control.listing import Listing
from leeboard.control.store import Store
from leeboard.control.world import KubernetesClient
from leeboard.settings import Settings

_MISSING_KINDS_SECONDS = 30.0
"""Kinds that the API server did not know are asked for this often: a neighbour may come later."""
_WATCH_PATIENCE = 5.0
_WATCH_CHECKS = 20
_DEAD_AFTER = 2

logger = logging.getLogger(__name__)


class Relister:
    """Keeps the store honest.

    Args:
        client: The API server.
        store: What is kept.
        settings: Which namespaces, and how often.
    """

    def __init__(self, client: KubernetesClient, store: Store, settings: Settings) -> None:
        self._client = client
        self._store = store
        self._settings = settings
        self._late: Counter[str] = Counter()

    @property
    def dead(self) -> list[str]:
        """The kinds whose watch was behind the API server at two listings in a row."""
        return sorted(kind for kind, times in self._late.items() if times >= _DEAD_AFTER)

    async def fill(self) -> None:
        """List every kind once and take it up. Raises TransientError."""
        for kind in WATCHED:
            self._store.replace(kind.name, await self._list(kind.name))

    async def run(self) -> None:
        """List again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._settings.relist_seconds
        while True:
            await asyncio.sleep(min(_MISSING_KINDS_SECONDS, max(0.0, due - loop.time())))
            kinds = [kind.name for kind in WATCHED]
            if loop.time() < due:
                kinds = [kind for kind in kinds if not self._store.serves(kind)]
            else:
                due = loop.time() + self._settings.relist_seconds
            for kind in kinds:
                try:
                    await self.check(kind)
                except TransientError as error:
                    logger.warning("%s were not listed: %s", kind, error)

    async def check(self, kind: str, patience: float = _WATCH_PATIENCE) -> None:
        """List a kind, give its watch some seconds to catch up, and take up what it did not bring.

        Raises:
            TransientError: the API server is away.
        """
        known = self._store.serves(kind)
        listing = await self._list(kind)
        for _ in range(_WATCH_CHECKS):
            if not self._store.differences(kind, listing):
                break
            await asyncio.sleep(patience / _WATCH_CHECKS)
        wrong = self._store.differences(kind, listing)
        self._store.replace(kind, listing)
        if not wrong or not known:  # of a kind that is new nothing could be watched
            self._late[kind] = 0
            return
        self._late[kind] += 1
        logger.warning(
            "the watch of %s missed %d changes, first of %s/%s", kind, len(wrong), wrong[0].namespace, wrong[0].name
        )

    async def _list(self, kind: str) -> Listing | None:
        listings = [await self._client.list(kind, namespace) for namespace in self._settings.namespaces or (None,)]
        found = [listing for listing in listings if listing is not None]
        if not found:
            return None
        objects = [raw for listing in found for raw in listing.objects]
        return Listing(objects, min(listing.resource_version for listing in found))
