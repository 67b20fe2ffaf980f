"""Chapter 9: the closing table: what the year was like with a frozen model and with one kept on course."""

import asyncio
from calendar import month_abbr
from pathlib import Path

import pandas as pd
from sklearn.metrics import roc_auc_score

from leeboard.sandbox.flights import FEATURES, LABEL, TIME
from leeboard.sandbox.models import MODEL, first_model
from leeboard.sandbox.processes import until
from leeboard.sandbox.replay import Replay
from leeboard.sandbox.stage import Stage
from leeboard.sandbox.story import Story
from leeboard.sandbox.watch import DEPLOYMENTS, POLICIES, Document, Watch

_BREAKS = 3
"""So many connections of many thousand may break on the way to the gateway, for reasons of the machine."""


class Closing:
    """Counts and compares at the end of the year."""

    def __init__(self, stage: Stage, story: Story, watch: Watch, replay: Replay) -> None:
        self.stage = stage
        self.story = story
        self.watch = watch
        self.replay = replay

    async def tell(self, january: Path, loop: str) -> None:
        """Show the table and make the last claims; `loop` says what the first turn of the loop took."""
        areas = await asyncio.to_thread(self._areas, january)
        frozen, kept = areas["frozen"].mean(), areas["kept"].mean()
        changed = areas[areas["kept"] != areas["frozen"]]
        better = int((changed["kept"] > changed["frozen"]).sum())
        logged = await self._logged()
        tally = self.replay.tally
        status = await self.watch.status(DEPLOYMENTS)
        policy = await self.watch.status(POLICIES)
        rollouts = [f"version {r['version']}: {r['outcome']}" for r in reversed(status.get("history") or [])]
        stable_failures = {v: n for v, n in tally.failed_requests.items() if v not in _rolled_back(status)}
        rows = [
            ("AUC of the frozen January model", f"{frozen:.3f} (mean of the months)"),
            (
                "AUC of the model that was kept",
                f"{kept:.3f}, better in {better} of {len(changed)} months with another version",
            ),
            ("flights answered", f"{tally.answered_rows:,}"),
            ("flights logged", f"{logged:,}"),
            ("answers lost to the log", f"{tally.answered_rows - logged:,}"),
            ("requests failed, by version", str(dict(tally.failed_requests)) if tally.failed_requests else "none"),
            ("connections that broke, asked again", f"{tally.broken_connections:,}"),
            ("flagged as out of distribution", f"{tally.flagged_rows:,}"),
            ("answered by version", ", ".join(f"{v}: {n:,}" for v, n in sorted(tally.rows_by_version.items()))),
            ("rollouts", "; ".join(rollouts)),
            ("retrainings", "; ".join(f"{r['outcome']}" for r in reversed(policy.get("history") or []))),
            ("from alarm and leave to retrain to the new champion", loop),
            ("seconds, all in all", f"{self.story.seconds:.0f}"),
        ]
        self.story.table("The year 2013", rows)
        self.story.grid(
            "AUC by month",
            ["", "frozen", "kept", "gain"],
            [
                [month_abbr[month], f"{then:.3f}", f"{now:.3f}", "" if now == then else f"{now - then:+.3f}"]
                for month, then, now in zip(areas.index, areas["frozen"], areas["kept"], strict=True)
            ],
        )
        self.story.claim("the kept model was better than the frozen one", holds=kept > frozen)
        self.story.claim("every answered flight is in the log, once", holds=logged == tally.answered_rows)
        self.story.claim(
            "no version but the broken one failed a request",
            holds=not stable_failures and tally.broken_connections <= _BREAKS,
        )

    def _areas(self, january: Path) -> pd.DataFrame:
        """Return the area under the ROC curve by month, columns `frozen` and `kept`, on the same answered flights.

        By month, since a pooled area would mix months with different shares of late flights.
        """
        table = pd.read_parquet(january)
        frozen = first_model().fit(table[list(FEATURES)], table[LABEL])
        rows = pd.concat(batch.assign(kept=probabilities) for batch, probabilities in self.replay.tally.answers)
        rows["frozen"] = frozen.predict_proba(rows[list(FEATURES)])[:, 1]
        return rows.groupby(rows[TIME].dt.month).apply(
            lambda month: pd.Series({name: roc_auc_score(month[LABEL], month[name]) for name in ("frozen", "kept")}),
            include_groups=False,
        )

    async def _logged(self) -> int:
        """Count the rows of the replay in the log once the transformers have sent them all."""
        client = self.stage.client
        last = -1

        async def settled() -> bool:
            nonlocal last
            answer = await client.get(f"{self.stage.collector_url}/v1/tables/{self.stage.namespace}/{MODEL}")
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


def loop_seconds(marks: dict[str, float], computed: float, held: int) -> str:
    """Split the seconds from alarm and leave to retrain to the new champion into computing, waiting and overhead."""
    total = marks["champion"] - marks["alarm"]
    starting = marks["canary"] - marks["challenger"]
    refused = marks["retraining"] - marks["first retraining"]
    rest = total - computed - held - starting - refused
    before = f"{refused:.0f} until a version passed the gates, " if refused else ""
    return (
        f"{total:.0f} s: {before}{computed:.0f} retraining, {starting:.0f} detector and arm, {held} holds and bake, "
        f"{rest:.0f} overhead"
    )
