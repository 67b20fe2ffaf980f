"""A canary followed step by step, by what the traffic shows; in one of them the operator is killed."""

import math
from collections import Counter

from leeboard.sandbox.models import MODEL
from leeboard.sandbox.teller import Teller
from leeboard.sandbox.watch import DEPLOYMENTS, Document

WHOLE = 100
LATE = 0.1
"""How far the share that was seen may be off since a step is seen to begin and end a little late."""


class Canary:
    """The canary of one version, until its rollout ends.

    Args:
        teller: Tells it.
        killing: End the operator without warning in the first step.
    """

    def __init__(self, teller: Teller, *, killing: bool) -> None:
        self._teller = teller
        self._kill_next = killing
        self._step: tuple[str, int] | None = None
        self._since: Counter[str] = Counter()
        self._weight = 0
        self._version = ""

    async def follow(self) -> None:
        """Follow it to its end, which should be the promotion."""
        teller, watch = self._teller, self._teller.watch
        before = ((await watch.status(DEPLOYMENTS)).get("lastRollout") or {}).get("finishedTime")

        async def ended() -> Document:
            status = await watch.status(DEPLOYMENTS)
            await self._look(status)
            last = status.get("lastRollout") or {}
            return last if last.get("finishedTime") != before and not status.get("rollout") else {}

        last = await teller.wait(ended, "the rollout to end", within=240)
        teller.marks.setdefault("champion", teller.story.seconds)
        teller.story.claim(
            f"version {last['version']}: {last['outcome']}: {last['message']}", holds=last["outcome"] == "Promoted"
        )
        aliases = {item["alias"]: item["version"] for item in (await watch.registered(MODEL)).get("aliases", [])}
        teller.story.claim(
            f"MLflow: champion is version {aliases.get('champion')}, challenger is "
            f"{'version ' + aliases['challenger'] if 'challenger' in aliases else 'nobody'}",
            holds=aliases.get("champion") == last["version"] and "challenger" not in aliases,
        )

    async def _look(self, status: Document) -> None:
        """Tell the step that has just ended, and remember the one that begins."""
        rollout = status.get("rollout") or {}
        in_step = rollout.get("phase") == "Stages" and rollout.get("stepStartTime") and rollout.get("weight")
        step = (rollout["stage"], rollout["step"]) if in_step else None
        if step == self._step:
            return
        if self._step is not None:
            self._tell_step()
        self._step, self._since = step, self._teller.replay.tally.requests_by_version.copy()
        if step is None:
            return
        self._weight = rollout["weight"]
        self._version = (status.get("candidate") or {}).get("version", self._version)
        self._teller.marks.setdefault("canary", self._teller.story.seconds)
        if self._kill_next:
            self._kill_next = False
            await self._kill_operator()

    def _tell_step(self) -> None:
        """Tell a step's weight and what the traffic showed."""
        tally, weight = self._teller.replay.tally, self._weight / 100
        share = tally.share(self._version, self._since)
        if share is None:
            return
        requests = sum(tally.requests_by_version.values()) - sum(self._since.values())
        deviation = math.sqrt(weight * (1 - weight) / requests)  # each request is sent by lot
        self._teller.story.claim(
            f"canary of version {self._version} at {self._weight} %: of {requests} requests it got {share:.0%}",
            holds=share > 0 and abs(share - weight) <= LATE + 3 * deviation,
        )

    async def _kill_operator(self) -> None:
        """End the operator in the middle, and start it again."""
        stage, watch, story = self._teller.stage, self._teller.watch, self._teller.story
        before = await watch.weights()
        await stage.kill_operator()
        away = await watch.weights()
        story.say(f"kill -9 of the operator; the route stays {sorted(away.values())}")
        await stage.start_operator()
        after = await watch.weights()
        candidate = min(before, key=before.__getitem__)
        # Where the start takes longer than the hold, the next step may have begun by now.
        went_on = after.keys() == before.keys() and after[candidate] >= before[candidate]
        story.claim(
            f"the operator is back and goes on from there: the route is {sorted(after.values())}",
            holds=before == away and went_on and sum(after.values()) == WHOLE,
        )
