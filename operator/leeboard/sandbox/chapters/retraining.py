"""Chapter 4: the policy retrains on Ray, backtests and gates; versions that the gates refuse are part of the story."""

import pandas as pd

from leeboard.sandbox.teller import AT_WORK, WATCHING, Teller
from leeboard.sandbox.watch import POLICIES, Document

ATTEMPTS = 4
"""So many runs may be refused by the gates before the story gives up."""
BEGINS = pd.Timestamp("2013-04-12")
"""The first retraining is not earlier: its model serves until August, and is to have seen more than winter."""


async def tell_retraining(teller: Teller) -> None:
    """Follow runs until a version has passed the gates."""
    story = teller.story
    story.chapter("4 · The policy retrains")

    async def spring() -> bool:
        return bool(teller.replay.today >= BEGINS)

    await teller.wait(spring, "spring", within=150)
    await teller.watch.suspend(POLICIES, suspend=False)
    story.say("leeboard resume flights --only policy")
    teller.marks["alarm"] = story.seconds
    for _ in range(ATTEMPTS):
        teller.pace = AT_WORK
        run = await _one_run(teller)
        if run.get("challengerSet"):
            break
        if run["outcome"] != "GateFailed":
            raise RuntimeError(f"the retraining ended without a version: {run['outcome']}: {run.get('message')}")
        story.say(f"refused by the gates: {run['message']}; the drift lasts: it tries again, with newer rows")
        teller.pace = WATCHING
    else:
        raise RuntimeError(f"{ATTEMPTS} retrainings were refused by the gates")
    teller.marks["challenger"] = story.seconds
    teller.first_retraining = run["runId"]
    pairs = [
        f"{name} {value:.3f} (champion {run['championMetrics'][name]:.3f})"
        for name, value in sorted(run["metrics"].items())
        if name in run["championMetrics"]
    ]
    story.claim(f"version {run['version']} passed the gates: {', '.join(pairs)}", holds=bool(pairs))
    await teller.keep_report(run["runId"], "retraining")


async def _one_run(teller: Teller) -> Document:
    """Follow the next run until its version is the challenger, or until it ends without one."""

    async def started() -> Document:
        return (await teller.watch.status(POLICIES)).get("activeRun") or {}

    run = await teller.wait(started, "a retraining to start", within=150)
    teller.marks["retraining"] = now = teller.story.seconds
    teller.marks.setdefault("first retraining", now)
    teller.story.say(f"started by {', '.join(t['name'] + ': ' + t['message'] for t in run['triggers'])}")

    async def decided() -> Document:
        status = await teller.watch.status(POLICIES)
        active, last = status.get("activeRun") or {}, status.get("lastRun") or {}
        return active if active.get("challengerSet") else last if last.get("id") == run["id"] else {}

    return await teller.wait(decided, "the verdict of the gates", within=150)
