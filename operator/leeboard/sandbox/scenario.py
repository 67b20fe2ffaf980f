"""The demonstration: a year of flights, three manifests, and a model that is kept on course.

Every claim is observed in Kubernetes, in MLflow or in the traffic itself; the exit status says whether all held.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from leeboard.sandbox import manifests
from leeboard.sandbox.closing import Closing
from leeboard.sandbox.flights import Flights
from leeboard.sandbox.processes import Child, until
from leeboard.sandbox.replay import Replay
from leeboard.sandbox.stage import Stage
from leeboard.sandbox.story import Story
from leeboard.sandbox.strangers import Strangers
from leeboard.sandbox.watch import DEPLOYMENTS, MONITORS, POLICIES, Document, Watch, condition

MODEL = "flights"
REPORTS = Path("build/demo")

WATCHING, AT_WORK, SUMMER, ENDING = 0.75, 2.5, 0.5, 0.25
"""Seconds that a day takes. A retraining and a canary last minutes here too, so meanwhile the year goes slower."""
RETRAININGS = 4
"""So many runs may be refused by the gates before the story gives up."""
AUTUMN = pd.Timestamp("2013-08-01")
"""The second retraining is not earlier: it is to learn from the summer."""

T = TypeVar("T")


class Scenario:
    """One run of the demonstration."""

    def __init__(self, stage: Stage, story: Story, watch: Watch, data: Flights, folder: Path) -> None:
        self.stage = stage
        self.story = story
        self.watch = watch
        self.data = data
        self.folder = folder
        year = data.between("2013-02-01", "2014-01-01")
        self.replay = Replay(
            year,
            gateway=stage.gateway_url,
            domain=stage.domain,
            collector=stage.collector_url,
            namespace=stage.namespace,
            deployment=MODEL,
        )
        self.pace = WATCHING
        self.marks: dict[str, float] = {}
        """Seconds of the story at which the first alarm, challenger, canary step and promotion were seen."""
        self.retraining_run = ""
        self.told_runs: set[str] = set()
        self.broken: asyncio.Task[str]
        self._year: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Tell the whole story."""
        await self.first_deployment()
        await Strangers(self.story, self.replay, self.data).tell()
        self._year = asyncio.create_task(self.replay.run())
        try:
            await self.drift()
            await self.retraining()
            await self.canary(killing=False)
            await self.second_canary()
            await self.broken_candidate()
            await self.rest_of_the_year()
        finally:
            self._year.cancel()
            await asyncio.gather(self._year, return_exceptions=True)
            await self.replay.close()

    async def first_deployment(self) -> None:
        """A model trained on January becomes champion, and three manifests are applied."""
        self.story.chapter("1 · A model trained on January, three manifests")
        version = await self.train("first")
        await self.watch.set_alias(MODEL, "champion", version)
        self.story.say(f"MLflow: version {version} of {MODEL!r}, trained on January, is the champion")
        for manifest in manifests.manifests(self.stage.namespace, self.stage.shortened):
            await self.watch.apply(manifest)
            self.story.say(f"kubectl apply: {manifest['kind']} {manifest['metadata']['name']}")
        status = await self.wait(self._ready, "the model to answer", within=180)
        self.story.claim(
            f"version {status['stable']['version']} answers at {status['url']} (through {self.stage.gateway_url})",
            holds=condition(status, "Available").get("status") == "True",
        )

    async def train(self, kind: str) -> str:
        """Train and register a model as a data scientist would, and return its version."""
        table = self.folder / "january.parquet"
        if not table.exists():
            self.data.between("2013-01-01", "2013-02-01").to_parquet(table, index=False)
        log = self.stage.logs / f"train-{kind}.log"
        command = [sys.executable, "-m", "leeboard.sandbox.models", kind, str(table)]
        trainer = Child(f"train-{kind}", command, log, env=self.stage.environment)
        await trainer.start()
        try:
            code = await trainer.wait(within=180)
        finally:
            await trainer.kill()
        if code:
            raise RuntimeError(f"training failed:\n{trainer.last_words()}")
        return trainer.last_words(1).strip()

    async def drift(self) -> None:
        """Quiet windows stay quiet; then drift is found."""
        self.story.chapter("3 · The year goes by; the monitor watches")

        async def found() -> Document:
            status = await self.watch.status(MONITORS)
            return status if condition(status, "DriftDetected").get("status") == "True" else {}

        status = await self.wait(found, "drift to be found", within=240)
        self.marks["alarm"] = self.story.seconds
        run = status["lastRun"]
        self.story.claim(f"drift found: {condition(status, 'DriftDetected')['message']}", holds=True)
        quiet = [item for item in status["history"] if item["verdict"] == "Stable"]
        self.story.claim(f"{len(quiet)} quiet window(s) before it raised no alarm", holds=bool(quiet))
        report = REPORTS / "drift.html"
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_bytes(await self.watch.artifact(run["runId"], "report.html"))
        self.story.say(f"the report: {report}")

    async def tell_windows(self) -> None:
        """Tell each scored window once."""
        status = await self.watch.status(MONITORS) if self._year is not None else {}
        for run in reversed(status.get("history") or []):
            if run["windowEndTime"] in self.told_runs:
                continue
            self.told_runs.add(run["windowEndTime"])
            checks: list[Document] = run.get("checks") or []
            worst: list[str] = next((c["worstColumns"] for c in checks if c.get("worstColumns")), [])
            details = f": {', '.join(worst[:3])}" if worst and run["verdict"] == "Drifted" else ""
            self.story.say(
                f"window of {run.get('rows', 0)} rows up to {self.replay.today:%d %b}: {run['verdict']}{details}"
            )

    async def retraining(self) -> None:
        """The policy retrains on Ray, backtests and gates; versions that the gates refuse are part of the story."""
        self.story.chapter("4 · The policy retrains")
        for _ in range(RETRAININGS):
            self.pace = AT_WORK
            run = await self.one_retraining()
            if run.get("challengerSet"):
                break
            if run["outcome"] != "GateFailed":
                raise RuntimeError(f"the retraining ended without a version: {run['outcome']}: {run.get('message')}")
            self.story.say(f"refused by the gates: {run['message']}; the drift lasts: it tries again, with newer rows")
            self.pace = WATCHING
        else:
            raise RuntimeError(f"{RETRAININGS} retrainings were refused by the gates")
        self.marks["challenger"] = self.story.seconds
        self.retraining_run = run["runId"]
        pairs = [
            f"{name} {value:.3f} (champion {run['championMetrics'][name]:.3f})"
            for name, value in sorted(run["metrics"].items())
            if name in run["championMetrics"]
        ]
        self.story.claim(f"version {run['version']} passed the gates: {', '.join(pairs)}", holds=bool(pairs))
        report = REPORTS / "retraining.html"
        report.write_bytes(await self.watch.artifact(run["runId"], "report.html"))
        self.story.say(f"the report: {report}")

    async def one_retraining(self) -> Document:
        """Follow the next run until its version is the challenger, or until it ends without one."""

        async def started() -> Document:
            return (await self.watch.status(POLICIES)).get("activeRun") or {}

        run = await self.wait(started, "a retraining to start", within=150)
        self.marks["retraining"] = now = self.story.seconds
        self.marks.setdefault("first retraining", now)
        self.story.say(f"started by {', '.join(t['name'] + ': ' + t['message'] for t in run['triggers'])}")

        async def decided() -> Document:
            status = await self.watch.status(POLICIES)
            active, last = status.get("activeRun") or {}, status.get("lastRun") or {}
            return active if active.get("challengerSet") else last if last.get("id") == run["id"] else {}

        return await self.wait(decided, "the verdict of the gates", within=150)

    async def canary(self, *, killing: bool) -> None:
        """Follow a canary step by step to its promotion; `killing`: end the operator in the middle of it."""
        if not killing:
            self.story.chapter("5 · The new version comes in by canary")
        step_key: tuple[Any, ...] | None = None
        since: Counter[str] = Counter()
        weight, version = 0, ""
        last_finished = ((await self.watch.status(DEPLOYMENTS)).get("lastRollout") or {}).get("finishedTime")
        killed = False

        async def observe() -> Document:
            nonlocal step_key, since, weight, version, killed
            status = await self.watch.status(DEPLOYMENTS)
            rollout = status.get("rollout") or {}
            key = (rollout.get("stage"), rollout.get("step")) if rollout.get("stepStartTime") else None
            if rollout.get("phase") != "Stages":
                key = None
            if key != step_key:
                if step_key is not None:
                    self.tell_step(version, weight, since)
                step_key, since = key, self.replay.tally.requests_by_version.copy()
                weight = rollout.get("weight", 0)
                version = (status.get("candidate") or {}).get("version", version)
                self.marks.setdefault("canary", self.story.seconds)
                if key is not None and killing and not killed:
                    killed = True
                    await self.kill_operator()
            last = status.get("lastRollout") or {}
            return last if last.get("finishedTime") != last_finished and not status.get("rollout") else {}

        last = await self.wait(observe, "the rollout to end", within=240)
        self.marks.setdefault("champion", self.story.seconds)
        self.story.claim(
            f"version {last['version']}: {last['outcome']}: {last['message']}", holds=last["outcome"] == "Promoted"
        )
        aliases = {item["alias"]: item["version"] for item in (await self.watch.registered(MODEL)).get("aliases", [])}
        self.story.claim(
            f"MLflow: champion is version {aliases.get('champion')}, challenger is "
            f"{'version ' + aliases['challenger'] if 'challenger' in aliases else 'nobody'}",
            holds=aliases.get("champion") == last["version"] and "challenger" not in aliases,
        )

    def tell_step(self, version: str, weight: int, since: Counter[str]) -> None:
        """Tell a step's weight and what the traffic showed."""
        share = self.replay.tally.share(version, since)
        if share is None:
            return
        self.story.claim(
            f"canary of version {version} at {weight} %: the traffic showed {share:.0%}",
            holds=abs(share - weight / 100) <= 0.12,  # noqa: PLR2004 (about a hundred requests a step)
        )

    async def kill_operator(self) -> None:
        """End the operator in the middle, and start it again."""
        before = await self.watch.weights()
        await self.stage.kill_operator()
        self.story.say(f"kill -9 of the operator; the route stays {sorted(before.values())}")
        await self.stage.start_operator()
        after = await self.watch.weights()
        self.story.claim("the operator is back; the route is what it was", holds=before == after)

    async def broken_candidate(self) -> None:
        """A broken version is given the alias by hand, and is stopped."""
        self.story.chapter("7 · A broken version is given the alias by hand")
        version = await self.broken

        async def idle() -> bool:
            return "rollout" not in await self.watch.status(DEPLOYMENTS) and not (
                await self.watch.status(POLICIES)
            ).get("activeRun")

        await self.wait(idle, "the loop to be at rest", within=180)
        await self.watch.set_alias(MODEL, "challenger", version)
        self.story.say(f"version {version} is the challenger: it answers slowly, and often not at all")
        stable = (await self.watch.status(DEPLOYMENTS))["stable"]["version"]

        async def stopped() -> Document:
            last = (await self.watch.status(DEPLOYMENTS)).get("lastRollout") or {}
            return last if last.get("version") == version else {}

        last = await self.wait(stopped, "the broken version to be stopped", within=150)
        self.story.claim(
            f"version {version}: {last['outcome']} ({last['reason']}): {last['message']}",
            holds=last["outcome"] == "RolledBack",
        )

        async def tagged() -> bool:
            tags = (await self.watch.version(MODEL, version))["tags"]
            return any(name.startswith("leeboard.rejected") for name in tags)

        self.story.claim(
            "the reason stands on the version in MLflow",
            holds=await self.wait(tagged, "the reason on the version in MLflow", within=30),
        )
        status = await self.watch.status(DEPLOYMENTS)
        weights = await self.watch.weights()
        self.story.claim(
            f"version {stable} still serves everything",
            holds=status["stable"]["version"] == stable
            and weights.get(f"{status['stable']['arm']}-transformer") == 100,  # noqa: PLR2004
        )
        await self.watch.suspend(POLICIES, suspend=False)

    async def second_canary(self) -> None:
        """Drift goes on; in the middle of the next canary the operator is killed."""
        self.story.chapter("6 · The season goes on; the operator is killed in the middle of a canary")
        self.broken = asyncio.create_task(self.train("broken"))
        self.pace = SUMMER

        async def autumn() -> bool:
            return self.replay.today >= AUTUMN or bool((await self.watch.status(DEPLOYMENTS)).get("candidate"))

        await self.wait(autumn, "autumn, or the next version", within=150)
        self.pace = AT_WORK
        await self.retraining_quietly()
        await self.watch.suspend(POLICIES, suspend=True)
        self.story.say("leeboard suspend flights --only policy: no further retraining until the end of chapter 7")
        await self.canary(killing=True)
        twice = await self.watch.answered_twice(f"leeboard/{self.stage.namespace}/{MODEL}")
        self.story.claim("nothing was done twice: every request to Ray has one finished run in MLflow", holds=not twice)

    async def retraining_quietly(self) -> None:
        """Wait for the next version of the policy; a person asks for it if no drift brings it soon."""

        async def coming() -> bool:
            return bool((await self.watch.status(DEPLOYMENTS)).get("candidate"))

        try:
            await self.wait(coming, "the next version", within=25)
        except TimeoutError:
            await self.ask_to_retrain()
            await self.wait(coming, "the next version", within=240)

    async def ask_to_retrain(self) -> None:
        """Do what `leeboard retrain` does."""
        patch = {"metadata": {"annotations": {"leeboard.dev/retrain": f"demo-{int(self.story.seconds)}"}}}
        headers = {"content-type": "application/merge-patch+json"}
        path = POLICIES.path(self.stage.namespace, MODEL)
        (await self.stage.client.patch(path, json=patch, headers=headers)).raise_for_status()
        self.story.say("leeboard retrain: a person asks for a retraining")

    async def rest_of_the_year(self) -> None:
        """Play what is left of the year, and close."""
        self.story.chapter("8 · The rest of the year")
        self.pace = ENDING
        assert self._year is not None  # noqa: S101 (set by run)
        year = self._year

        async def over() -> bool:
            return year.done()

        await self.wait(over, "the end of the year", within=300)
        year.result()
        computed = await self.watch.seconds_of(self.retraining_run)
        closing = Closing(self.stage, self.story, self.watch, self.replay)
        await closing.tell(self.folder / "january.parquet", loop_seconds(self.marks, computed, self._held()))

    def _held(self) -> int:
        return manifests.held_seconds(self.stage.shortened["ModelDeployment"]["rollout"])

    async def _ready(self) -> Document:
        status = await self.watch.status(DEPLOYMENTS)
        return status if condition(status, "Ready").get("status") == "True" else {}

    async def wait(self, check: Callable[[], Awaitable[T]], what: str, *, within: float) -> T:
        """Wait until `check` says something true; the moving line goes on, and the year does not end meanwhile."""

        async def look() -> T:
            self.story.beat()
            if self.stage.trouble:
                raise RuntimeError(self.stage.trouble)
            await self.tell_windows()
            if self._year is not None and self._year.done() and what != "the end of the year":
                self._year.result()
                raise RuntimeError(f"the year ended while the story waited for {what}")
            at_work = self.pace == AT_WORK
            pace = self.pace if self.pace == ENDING else max(self.pace, slowed(self.replay.today))
            self.replay.seconds_per_day = pace * (self.stage.slowness if at_work else 1)
            return await check()

        try:
            return await until(look, what, within=within * self.stage.slowness, every=0.3)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; {await self.situation()}") from None

    async def situation(self) -> str:
        """Say what the three objects wait for."""
        parts = []
        for resource in (DEPLOYMENTS, MONITORS, POLICIES):
            ready = condition(await self.watch.status(resource), "Ready")
            parts.append(f"{resource.kind}: {ready.get('reason')}: {ready.get('message')}")
        return "; ".join(parts)


def slowed(today: pd.Timestamp) -> float:
    """Return the least seconds that a day takes: towards the end of the year time goes slower, so the story can end."""
    if today < pd.Timestamp("2013-11-01"):
        return 0.0
    return AT_WORK if today < pd.Timestamp("2013-12-15") else 6.0


def loop_seconds(marks: dict[str, float], computed: float, held: int) -> str:
    """Split the seconds from the first alarm to the new champion into computing, waiting and overhead."""
    total = marks["champion"] - marks["alarm"]
    starting = marks["canary"] - marks["challenger"]
    refused = marks["retraining"] - marks["first retraining"]
    rest = total - computed - held - starting - refused
    before = f"{refused:.0f} until a version passed the gates, " if refused else ""
    return (
        f"{total:.0f} s: {before}{computed:.0f} retraining, {starting:.0f} detector and arm, {held} holds and bake, "
        f"{rest:.0f} overhead"
    )
