"""`make e2e`: the demonstration and then bad days, on the cluster of the kubeconfig; status 0 if every claim held."""

import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from leeboard.sandbox import flights
from leeboard.sandbox.story import Story
from leeboard.sandbox.watch import Watch
from tests.e2e.baddays import MODEL, BadDays
from tests.e2e.cluster import RealCluster
from tests.e2e.pods import PodStory
from tests.e2e.settings import Settings
from tests.e2e.traffic import Traffic
from tests.e2e.usage import Usage

KEPT = Path("build/e2e")
BAD_DAYS_ROWS = ("2013-12-01", "2013-12-08")


async def main() -> int:
    """Play it; what was told is kept as a page."""
    settings = Settings()
    console = Console(soft_wrap=True, record=True)
    data = await asyncio.to_thread(flights.load)
    told: list[PodStory] = []

    def moving() -> str:
        return told[0].moving() if told else "waiting"

    (KEPT / "logs").mkdir(parents=True, exist_ok=True)
    with Story(console, moving) as story, tempfile.TemporaryDirectory(prefix="leeboard-e2e-") as folder:
        story.chapter("0 · What stands")
        async with RealCluster(settings, KEPT / "logs", story.say) as stage:
            watch, usage = Watch(stage, MODEL), Usage(stage)
            try:
                async with usage:
                    if not settings.bad_days:
                        told.append(PodStory(stage, story, watch, data, Path(folder)))
                        await told[0].run()
                        told.clear()
                    async with Traffic(stage, MODEL, data.between(*BAD_DAYS_ROWS)) as traffic:
                        await BadDays(stage, story, watch, traffic).run(settings.bad_days)
            except Exception as error:  # noqa: BLE001 (whatever it is, what was told so far is kept)
                story.claim(f"it could be told to its end ({error!r})", holds=False)
            finally:
                await watch.close()
                await stage.save_logs()
    console.print(usage.table())
    failed = [what for what, holds in story.claims if not holds]
    console.print(f"\n{len(story.claims) - len(failed)} of {len(story.claims)} claims observed")
    console.save_html(str(KEPT / "story.html"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
