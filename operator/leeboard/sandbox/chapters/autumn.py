"""Chapter 8: the next version passes the test pack and a shadow, and the operator is killed in its canary."""

import asyncio
import json
from collections.abc import Awaitable
from datetime import timedelta
from typing import Protocol

import httpx
import pandas as pd

from leeboard.contract.serving import HEADER_VERSION
from leeboard.sandbox.manifests import SHADOW_ROWS
from leeboard.sandbox.models import MODEL
from leeboard.sandbox.teller import AT_WORK, SUMMER, Teller
from leeboard.sandbox.watch import DEPLOYMENTS, POLICIES, Document

BEGINS = pd.Timestamp("2013-08-01")
"""The second retraining is not earlier: it is to learn from the summer."""
ROWS_A_REQUEST = 20


class FollowsCanary(Protocol):
    """Follows a canary to its promotion."""

    def __call__(self, *, killing: bool) -> Awaitable[None]:
        """Follow it; `killing`: end the operator in the middle."""


class Autumn:
    """The second version of the policy."""

    def __init__(self, teller: Teller, canary: FollowsCanary) -> None:
        self._teller = teller
        self._canary = canary

    async def tell(self) -> None:
        """Let the summer go by, and follow the next version to its promotion."""
        teller, story, watch = self._teller, self._teller.story, self._teller.watch
        story.chapter("8 · The next version: a test pack, a shadow, and an operator that is killed in the canary")
        teller.pace = SUMMER

        async def autumn() -> bool:
            return bool(teller.replay.today >= BEGINS)

        await teller.wait(autumn, "autumn", within=150)
        teller.pace = AT_WORK
        await watch.suspend(POLICIES, suspend=False)
        story.say("leeboard resume flights --only policy")
        await self._next_version()
        await watch.suspend(POLICIES, suspend=True)
        await self._shadow()
        await self._canary(killing=True)
        twice = await watch.answered_twice(f"leeboard/{teller.stage.namespace}/{MODEL}")
        story.claim("nothing was done twice: every request to Ray has one finished run in MLflow", holds=not twice)

    async def _next_version(self) -> None:
        """Wait for the next version of the policy; a person asks for it if no drift brings it soon."""
        teller = self._teller

        async def coming() -> bool:
            return bool((await teller.watch.status(DEPLOYMENTS)).get("candidate"))

        try:
            await teller.wait(coming, "the next version", within=25)
        except TimeoutError:
            await teller.watch.annotate(POLICIES, "leeboard.dev/retrain", f"demo-{int(teller.story.seconds)}")
            teller.story.say("leeboard retrain: a person asks for a retraining")
            await teller.wait(coming, "the next version", within=240)

    async def _shadow(self) -> None:
        """Wait for the test pack, then ask while requests are copied; the year stands still, so they can be counted."""
        teller, story, watch = self._teller, self._teller.story, self._teller.watch

        async def verifying() -> bool:
            rollout = await self._rollout()
            return "verification" in rollout or "-verify-" in (rollout.get("job") or {}).get("rayJob", "")

        await teller.wait(verifying, "the test pack", within=150)
        await teller.replay.pause()

        async def copied() -> Document:
            status = await watch.status(DEPLOYMENTS)
            rollout = status.get("rollout") or {}
            return status if rollout.get("stage") == "shadow" and rollout.get("stepStartTime") else {}

        status = await teller.wait(copied, "the shadow", within=150)
        version, stable = status["candidate"]["version"], status["stable"]["version"]
        story.claim(
            f"version {version} passed: {status['rollout']['verification']['message']}",
            holds=bool(status["rollout"]["verification"]["runId"]),
        )
        rows, versions = await self._ask()
        story.claim(
            f"in the shadow of version {stable}: {rows} flights were asked, and version {', '.join(sorted(versions))} "
            "answered them all",
            holds=versions == {stable},
        )

        async def compared() -> Document:
            return (await self._rollout()).get("comparison") or {}

        found = await teller.wait(compared, "the comparison", within=150)
        report = json.loads(await watch.artifact(found["runId"], "report.json"))
        teller.replay.extra_rows += rows  # each was copied, and the copy is in the log, too
        story.claim(
            f"row by row from the log: {report['message']}", holds=report["passed"] and report["rows"] >= SHADOW_ROWS
        )
        story.grid(
            "Where they differ",
            [f"version {stable} said", f"version {version} said", "flights"],
            [[_word(pair["stable"]), _word(pair["candidate"]), str(pair["rows"])] for pair in report["pairs"]],
        )
        await teller.keep_report(found["runId"], "shadow")
        teller.replay.resume()

    async def _rollout(self) -> Document:
        rollout: Document = (await self._teller.watch.status(DEPLOYMENTS)).get("rollout") or {}
        return rollout

    async def _ask(self) -> tuple[int, set[str]]:
        """Ask for the flights of the coming days; return how many rows were answered, and by which versions."""
        replay = self._teller.replay
        days = self._teller.data.between(f"{replay.today:%Y-%m-%d}", f"{replay.today + timedelta(days=4):%Y-%m-%d}")
        rows = days.sample(min(SHADOW_ROWS + 100, len(days)), random_state=0)
        answers: list[httpx.Response] = []
        for start in range(0, len(rows), ROWS_A_REQUEST):
            answers.append((await replay.ask(rows.iloc[start : start + ROWS_A_REQUEST])).raise_for_status())
            await asyncio.sleep(0.05)  # the pace of this traffic
        return len(rows), {answer.headers.get(HEADER_VERSION, "?") for answer in answers}


def _word(answer: str) -> str:
    return {"0": "on time", "1": "late"}.get(answer, answer)
