"""Chapter 7: a version that was measured in other units is stopped by a test pack, before it gets any traffic."""

import asyncio
from datetime import timedelta

import pandas as pd

from leeboard.sandbox.chapters.broken import tell_stopped
from leeboard.sandbox.flights import FEATURES, LABEL
from leeboard.sandbox.manifests import careful, manifests
from leeboard.sandbox.models import METRIC, MODEL
from leeboard.sandbox.teller import Teller

PACK_DAYS = 14
PACK_ROWS = 2000
FINE_OFFLINE = 0.62
"""What the author's own metric must reach to look fine: the champion reaches about as much on newer flights."""


class Units:
    """A version that knows the hour as a fraction of the day: asked in hours, it takes every flight for a late one."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._trained: asyncio.Task[str] | None = None
        self._pack = pd.DataFrame()

    def begin(self) -> None:
        """Set the newest flights aside as a test pack, and begin the training on those before."""
        today = self._teller.replay.today
        begins = today - timedelta(days=PACK_DAYS)
        newest = self._teller.data.between(f"{begins:%Y-%m-%d}", f"{today:%Y-%m-%d}")
        self._pack = newest.sample(min(PACK_ROWS, len(newest)), random_state=0)[[*FEATURES, LABEL]]
        table = self._teller.table("spring", "2013-02-01", f"{begins:%Y-%m-%d}")
        self._trained = asyncio.create_task(self._teller.train("fraction", table))

    async def tell(self) -> None:
        """Apply a test pack, give the version the alias, and wait until it is stopped."""
        teller, story, watch = self._teller, self._teller.story, self._teller.watch
        story.chapter("7 · A version that looks fine to its author")
        assert self._trained is not None  # noqa: S101 (begun in the chapter before)
        version = await self._trained
        offline = await watch.metric((await watch.version(MODEL, version))["run_id"], METRIC)
        story.claim(
            f"version {version} learned the hour as a fraction of the day; measured so by its author, its {METRIC} is "
            f"{offline:.3f}",
            holds=offline >= FINE_OFFLINE,
        )
        uri = await watch.keep("test-packs/flights.parquet", self._pack.to_parquet(index=False))
        changes = {"ModelDeployment": careful(teller.stage.shortened["ModelDeployment"], uri)}
        (manifest,) = manifests(teller.stage.namespace, changes)
        await watch.apply(manifest)
        story.say(
            f"kubectl apply: {manifest['kind']} {MODEL}, now with a test pack of {len(self._pack)} flights, and a "
            "shadow before the canary"
        )
        await watch.set_alias(MODEL, "challenger", version)
        last = await tell_stopped(teller, version, "VerificationFailed")
        asked = teller.replay.tally.requests_by_version[version]
        story.claim(f"version {version} answered {asked} requests of the year", holds=not asked)
        await teller.keep_report(last["runIds"][0], "verification")
