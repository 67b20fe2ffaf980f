"""Runs the demonstration from beginning to end: brings the sandbox up, tells the story, takes everything down."""

import asyncio
import tempfile
from pathlib import Path

import httpx
from rich.console import Console

from leeboard.sandbox import flights, rights
from leeboard.sandbox.models import MODEL
from leeboard.sandbox.replay import Replay
from leeboard.sandbox.scenario import Scenario
from leeboard.sandbox.stack import OPERATOR, Stack
from leeboard.sandbox.story import Story
from leeboard.sandbox.teller import REPORTS
from leeboard.sandbox.watch import Watch


async def demo(*, keep: bool) -> int:
    """Run the demonstration and return its exit status."""
    console = Console(soft_wrap=True)
    console.print("[bold]Leeboard[/]: a year of real flights, three manifests, one machine")
    data = await asyncio.to_thread(flights.load)
    replay: list[Replay] = []

    def moving() -> str:
        if not replay or not replay[0].tally.answered_rows:
            return "starting"
        tally = replay[0].tally
        return (
            f"{replay[0].today:%d %b %Y}  {tally.answered_rows:,} flights answered, {tally.flagged_rows:,} flagged, "
            f"by version {dict(tally.rows_by_version.most_common())}"
        )

    with Story(console, moving) as story, tempfile.TemporaryDirectory(prefix="leeboard-demo-") as folder:
        story.chapter("0 · What stands")
        async with Stack(say=story.say) as stack:
            watch = Watch(stack, MODEL)
            try:
                scenario = Scenario(stack, story, watch, data, Path(folder))
                replay.append(scenario.replay)
                await scenario.run()
                _claim_rights(stack, story)
            except (RuntimeError, TimeoutError, ValueError, httpx.HTTPError) as error:
                story.claim(f"the story could be told to its end ({error})", holds=False)
                stack.save_logs(REPORTS / "logs")
                story.say(f"the logs: {REPORTS / 'logs'}")
            finally:
                await watch.close()
            if keep:
                await _linger(stack, story)
    failed = [what for what, holds in story.claims if not holds]
    console.print(f"\n{len(story.claims) - len(failed)} of {len(story.claims)} claims observed")
    return 1 if failed else 0


def _claim_rights(stack: Stack, story: Story) -> None:
    asked = rights.asked(stack.plane.requests(OPERATOR))
    denied = [str(right) for right, codes in asked.items() if httpx.codes.FORBIDDEN in codes]
    unused = [str(right) for right in rights.granted() - asked.keys() - rights.NOT_IN_THE_STORY.keys()]
    story.claim(
        f"the operator was denied nothing{_listed(denied)}, and used each right of its ClusterRole that the "
        f"story needs{_listed(unused)}",
        holds=not denied and not unused,
    )


def _listed(rights_missed: list[str]) -> str:
    return f" (but {', '.join(sorted(rights_missed))})" if rights_missed else ""


async def _linger(stack: Stack, story: Story) -> None:
    story.chapter("Everything goes on until Ctrl-C")
    story.say(f"export KUBECONFIG={stack.plane.kubeconfig()}")
    story.say(f"export LEEBOARD_TRACKING_URI={stack.mlflow_url}")
    story.say("kubectl get leeboard; kubectl leeboard status flights")
    await asyncio.Event().wait()
