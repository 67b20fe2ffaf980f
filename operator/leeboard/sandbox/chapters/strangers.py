"""Chapter 2: requests that do not belong: weather in other units, impossible distances, missing fields."""

import httpx
import pandas as pd

from leeboard.sandbox.flights import Flights
from leeboard.sandbox.replay import Replay
from leeboard.sandbox.story import Story

ORDINARY_AT_MOST = 0.15
STRANGE_AT_LEAST = 0.9


class Strangers:
    """Sends them, beside ordinary ones, and tells what the answers said."""

    def __init__(self, story: Story, replay: Replay, data: Flights) -> None:
        self.story = story
        self.replay = replay
        self.data = data

    async def tell(self) -> None:
        """Requests that do not belong are flagged or refused; ordinary ones are not."""
        self.story.chapter("2 · Requests that do not belong")
        ordinary = self.data.between("2013-01-10", "2013-01-12").iloc[::10].head(60)
        calm = await self._flagged(ordinary)
        self.story.claim(f"ordinary flights: {calm:.0%} of {len(ordinary)} flagged", holds=calm <= ORDINARY_AT_MOST)
        for what, rows in _strange(ordinary).items():
            share = await self._flagged(rows)
            self.story.claim(f"{what}: {share:.0%} flagged", holds=share >= STRANGE_AT_LEAST)
        answer = await self.replay.ask_without(ordinary.head(3), "distance")
        text = answer.json().get("error", answer.text)
        self.story.claim(
            f"a missing field: HTTP {answer.status_code}, “{text[:120]}”",
            holds=answer.status_code == httpx.codes.BAD_REQUEST and "distance" in answer.text,
        )

    async def _flagged(self, rows: pd.DataFrame) -> float:
        """Return the share of rows that the answer flags."""
        answer = (await self.replay.ask(rows)).raise_for_status()
        outputs = {tensor["name"]: tensor["data"] for tensor in answer.json()["outputs"]}
        flags = outputs["out_of_distribution"]
        return sum(map(bool, flags)) / len(flags)


def _strange(ordinary: pd.DataFrame) -> dict[str, pd.DataFrame]:
    celsius = {name: (ordinary[name] - 32) / 1.8 - 60 for name in ("temperature", "dew_point")}
    return {
        "temperatures off by a conversion": ordinary.assign(**celsius),
        "pressure in inches of mercury": ordinary.assign(pressure=ordinary["pressure"] / 33.86),
        "a distance to the moon": ordinary.assign(distance=238_900.0),
    }
