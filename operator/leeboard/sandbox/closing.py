"""The closing table: what the year was like with a frozen model and with one kept on course."""

import asyncio
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from leeboard.sandbox.flights import FEATURES, LABEL, Flights
from leeboard.sandbox.models import MODEL, first_model
from leeboard.sandbox.processes import until
from leeboard.sandbox.replay import Replay
from leeboard.sandbox.stack import Stack
from leeboard.sandbox.story import Story
from leeboard.sandbox.watch import DEPLOYMENTS, MONITORS, POLICIES, Document, Watch


class Closing:
    """Counts and compares at the end of the year."""

    def __init__(self, stack: Stack, story: Story, watch: Watch, replay: Replay, data: Flights) -> None:
        self.stack = stack
        self.story = story
        self.watch = watch
        self.replay = replay
        self.data = data

    async def tell(self, january: Path) -> None:
        """Show the table and make the last claims."""
        frozen, kept = await asyncio.to_thread(self._areas, january)
        logged = await self._logged()
        tally = self.replay.tally
        status = await self.watch.status(DEPLOYMENTS)
        monitor, policy = await self.watch.status(MONITORS), await self.watch.status(POLICIES)
        rollouts = [f"version {r['version']}: {r['outcome']}" for r in reversed(status.get("history") or [])]
        stable_failures = {v: n for v, n in tally.failed_requests.items() if v not in _rolled_back(status)}
        rows = [
            ("AUC of the frozen January model", f"{frozen:.3f}"),
            ("AUC of the model that was kept", f"{kept:.3f}"),
            ("flights answered", f"{tally.answered_rows:,}"),
            ("flights logged", f"{logged:,}"),
            ("answers lost to the log", f"{tally.answered_rows - logged:,}"),
            ("requests failed, by version", str(dict(tally.failed_requests)) if tally.failed_requests else "none"),
            ("flagged as out of distribution", f"{tally.flagged_rows:,}"),
            ("answered by version", ", ".join(f"{v}: {n:,}" for v, n in sorted(tally.rows_by_version.items()))),
            ("rollouts", "; ".join(rollouts)),
            ("windows scored", str(len(monitor.get("history") or [])) + " in the history"),
            ("retrainings", "; ".join(f"{r['outcome']}" for r in reversed(policy.get("history") or []))),
            ("seconds, all in all", f"{self.story.seconds:.0f}"),
        ]
        self.story.table("The year 2013", rows)
        self.story.claim("the kept model was better than the frozen one", holds=kept > frozen)
        self.story.claim("every answered flight is in the log, once", holds=logged == tally.answered_rows)
        self.story.claim("no version but the broken one failed a request", holds=not stable_failures)

    def _areas(self, january: Path) -> tuple[float, float]:
        """Return the areas under the ROC curve over the replayed year: frozen, kept."""
        table = pd.read_parquet(january)
        frozen = first_model().fit(table[list(FEATURES)], table[LABEL])
        year = self.data.between("2013-02-01", "2014-01-01")
        frozen_area = roc_auc_score(year[LABEL], frozen.predict_proba(year[list(FEATURES)])[:, 1])
        scores = np.concatenate([probabilities for _, _, probabilities, _ in self.replay.tally.answers])
        labels = np.concatenate([labels for _, _, _, labels in self.replay.tally.answers])
        return float(frozen_area), float(roc_auc_score(labels, scores))

    async def _logged(self) -> int:
        """Count the rows of the replay in the log once the transformers have sent them all."""
        client = self.stack.client
        last = -1

        async def settled() -> bool:
            nonlocal last
            answer = await client.get(f"{self.stack.collector_url}/v1/tables/default/{MODEL}")
            rows = int(answer.raise_for_status().json()["predictionRows"]) - self.replay.extra_rows
            calm, last = rows == last, rows
            return calm and rows >= self.replay.tally.answered_rows

        try:
            await until(settled, "the log to settle", within=20, every=1.0)
        except TimeoutError:
            self.story.say("the log did not reach the number of answers")
        return last


def _rolled_back(status: Document) -> set[str]:
    return {r["version"] for r in status.get("history") or [] if r["outcome"] == "RolledBack"}
