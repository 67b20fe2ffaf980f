"""The storyteller: what every chapter has at hand, how it waits, and how quickly the year goes by meanwhile."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pandas as pd

from leeboard.sandbox.flights import Flights
from leeboard.sandbox.models import MODEL
from leeboard.sandbox.processes import Child, until
from leeboard.sandbox.replay import Replay
from leeboard.sandbox.stage import Stage
from leeboard.sandbox.story import Story
from leeboard.sandbox.watch import DEPLOYMENTS, MONITORS, POLICIES, Document, Watch, condition

REPORTS = Path("build/demo")

WATCHING, AT_WORK, SUMMER, ENDING = 0.75, 2.5, 0.5, 0.25
"""Seconds that a day takes. A retraining and a canary last minutes here too, so meanwhile the year goes slower."""
QUIET_TRAINING = 8.0
"""Seconds that training the first model takes at most on a machine that has nothing else to do."""
MOST_SLOWNESS = 3.0

T = TypeVar("T")


class Teller:
    """One telling of the demonstration."""

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
        self.slowness = stage.slowness
        """How much longer than on two quiet cores things take: waits are longer, and the year goes slower."""
        self.marks: dict[str, float] = {}
        """Seconds of the story at which the first alarm, challenger, canary step and promotion were seen."""
        self.first_retraining = ""
        """MLflow run of the first retraining whose version passed the gates."""
        self.year: asyncio.Task[None] | None = None
        """The traffic; none before the year begins."""
        self._told_windows: set[str] = set()

    async def wait(self, check: Callable[[], Awaitable[T]], what: str, *, within: float) -> T:
        """Wait until `check` says something true; the moving line goes on, and the year does not end meanwhile."""

        async def look() -> T:
            self.story.beat()
            if self.stage.trouble:
                raise RuntimeError(self.stage.trouble)
            await self._tell_windows()
            if self.year is not None and self.year.done() and self.pace != ENDING:
                self.year.result()
                raise RuntimeError(f"the year ended while the story waited for {what}")
            pace = self.pace if self.pace == ENDING else max(self.pace, slowed(self.replay.today))
            self.replay.seconds_per_day = pace * (self.slowness if self.pace in {WATCHING, AT_WORK} else 1)
            return await check()

        try:
            return await until(look, what, within=within * self.slowness, every=0.3)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; {await self._situation()}") from None

    async def train(self, kind: str, table: Path) -> str:
        """Train and register a model as a data scientist would, and return its version.

        Args:
            kind: one of `leeboard.sandbox.models`.
            table: the flights that it is to learn from.
        """
        log = self.stage.logs / f"train-{kind}.log"
        command = [sys.executable, "-m", "leeboard.sandbox.models", kind, str(table)]
        trainer = Child(f"train-{kind}", command, log, env=self.stage.environment)
        await trainer.start()
        try:
            code = await trainer.wait(within=180 * self.slowness)
        finally:
            await trainer.kill()
        if code:
            raise RuntimeError(f"training failed:\n{trainer.last_words()}")
        return trainer.last_words(1).strip()

    def bear(self, training_seconds: float) -> None:
        """Take from the first training how busy the machine is."""
        busy = min(training_seconds / QUIET_TRAINING, MOST_SLOWNESS)
        self.slowness = max(self.stage.slowness, busy)

    def table(self, name: str, start: str, end: str) -> Path:
        """Write the flights of [start, end) to a file for a data scientist, once, and return it."""
        path = self.folder / f"{name}.parquet"
        if not path.exists():
            self.data.between(start, end).to_parquet(path, index=False)
        return path

    async def keep_report(self, run_id: str, name: str) -> None:
        """Save the page of a run's report, and say where."""
        report = REPORTS / f"{name}.html"
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_bytes(await self.watch.artifact(run_id, "report.html"))
        self.story.say(f"the report: {report}")

    async def _tell_windows(self) -> None:
        """Tell each scored window once."""
        status = await self.watch.status(MONITORS) if self.year is not None else {}
        for run in reversed(status.get("history") or []):
            if run["windowEndTime"] in self._told_windows:
                continue
            self._told_windows.add(run["windowEndTime"])
            checks: list[Document] = run.get("checks") or []
            worst: list[str] = next((c["worstColumns"] for c in checks if c.get("worstColumns")), [])
            details = f": {', '.join(worst[:3])}" if worst and run["verdict"] == "Drifted" else ""
            self.story.say(
                f"window of {run.get('rows', 0)} rows up to {self.replay.today:%d %b}: {run['verdict']}{details}"
            )

    async def _situation(self) -> str:
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
