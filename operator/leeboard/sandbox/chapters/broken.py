"""Chapter 6: a broken version is given the alias by hand, and the analysis of its canary stops it."""

import asyncio

from leeboard.sandbox.chapters.opening import january
from leeboard.sandbox.models import MODEL
from leeboard.sandbox.teller import Teller
from leeboard.sandbox.watch import DEPLOYMENTS, POLICIES, Document


class Broken:
    """A version that answers slowly, and often not at all."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._trained: asyncio.Task[str] | None = None

    def begin(self) -> None:
        """Begin its training, while other things happen."""
        self._trained = asyncio.create_task(self._teller.train("broken", january(self._teller)))

    async def tell(self) -> None:
        """Give it the alias and wait until it is stopped."""
        teller, story, watch = self._teller, self._teller.story, self._teller.watch
        story.chapter("6 · A broken version is given the alias by hand")
        assert self._trained is not None  # noqa: S101 (begun in the chapter before)
        version = await self._trained

        async def idle() -> bool:
            return "rollout" not in await watch.status(DEPLOYMENTS) and not (await watch.status(POLICIES)).get(
                "activeRun"
            )

        await teller.wait(idle, "the loop to be at rest", within=180)
        await watch.set_alias(MODEL, "challenger", version)
        story.say(f"version {version} is the challenger: it answers slowly, and often not at all")
        stable = (await watch.status(DEPLOYMENTS))["stable"]["version"]
        await tell_stopped(teller, version, "AnalysisFailed")

        async def tagged() -> bool:
            tags = (await watch.version(MODEL, version))["tags"]
            return any(name.startswith("leeboard.rejected") for name in tags)

        story.claim(
            "the reason stands on the version in MLflow",
            holds=await teller.wait(tagged, "the reason on the version in MLflow", within=30),
        )
        status = await watch.status(DEPLOYMENTS)
        weights = await watch.weights()
        story.claim(
            f"version {stable} still serves everything",
            holds=status["stable"]["version"] == stable
            and weights.get(f"{status['stable']['arm']}-transformer") == 100,  # noqa: PLR2004
        )


async def tell_stopped(teller: Teller, version: str, reason: str) -> Document:
    """Wait until the rollout of a version has ended, claim that it went back for a reason, and return how it ended."""

    async def stopped() -> Document:
        last = (await teller.watch.status(DEPLOYMENTS)).get("lastRollout") or {}
        return last if last.get("version") == version else {}

    last = await teller.wait(stopped, f"version {version} to be stopped", within=150)
    teller.story.claim(
        f"version {version}: {last['outcome']} ({last['reason']}): {last['message']}",
        holds=last["outcome"] == "RolledBack" and last["reason"] == reason,
    )
    return last
