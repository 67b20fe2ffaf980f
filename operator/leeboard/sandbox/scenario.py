"""The demonstration: a year of flights, three manifests, and a model that is kept on course.

Every claim is observed in Kubernetes, in MLflow or in the traffic itself; the exit status says whether all held.
"""

import asyncio

from leeboard.sandbox.chapters.autumn import Autumn
from leeboard.sandbox.chapters.broken import Broken
from leeboard.sandbox.chapters.canary import Canary
from leeboard.sandbox.chapters.closing import Closing, loop_seconds
from leeboard.sandbox.chapters.drift import tell_drift
from leeboard.sandbox.chapters.opening import january, tell_opening
from leeboard.sandbox.chapters.retraining import tell_retraining
from leeboard.sandbox.chapters.strangers import Strangers
from leeboard.sandbox.chapters.units import Units
from leeboard.sandbox.manifests import held_seconds
from leeboard.sandbox.teller import ENDING, Teller
from leeboard.sandbox.watch import POLICIES


class Scenario(Teller):
    """The chapters in their order."""

    async def run(self) -> None:
        """Tell the whole story."""
        await tell_opening(self)
        await Strangers(self.story, self.replay, self.data).tell()
        self.year = asyncio.create_task(self.replay.run())
        broken, units = Broken(self), Units(self)
        try:
            await tell_drift(self)
            await tell_retraining(self)
            await self.first_canary(broken)
            units.begin()
            await broken.tell()
            await units.tell()
            await Autumn(self, self.canary).tell()
            await self.rest_of_the_year()
        finally:
            self.year.cancel()
            await asyncio.gather(self.year, return_exceptions=True)
            await self.replay.close()

    async def first_canary(self, broken: Broken) -> None:
        """The first retrained version comes in; meanwhile someone trains the one that will be broken."""
        self.story.chapter("5 · The new version comes in by canary")
        await self.watch.suspend(POLICIES, suspend=True)
        self.story.say("leeboard suspend flights --only policy: no further retraining until chapter 8")
        broken.begin()
        await self.canary(killing=False)

    async def canary(self, *, killing: bool) -> None:
        """Follow a canary step by step to its promotion; `killing`: end the operator in the middle of it."""
        await Canary(self, killing=killing).follow()

    async def rest_of_the_year(self) -> None:
        """Play what is left of the year, and close."""
        self.story.chapter("9 · The rest of the year")
        self.pace = ENDING
        assert self.year is not None  # noqa: S101 (set by run)
        year = self.year

        async def over() -> bool:
            return year.done()

        await self.wait(over, "the end of the year", within=300)
        year.result()
        computed = await self.watch.seconds_of(self.first_retraining)
        held = held_seconds(self.stage.shortened["ModelDeployment"]["rollout"])
        closing = Closing(self.stage, self.story, self.watch, self.replay)
        await closing.tell(january(self), loop_seconds(self.marks, computed, held))
