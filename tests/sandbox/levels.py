"""The four levels of retraining in the sandbox, one after the other: `python -m tests.sandbox.levels`.

Prints what people see; docs/guides/four-levels.md shows one run of it.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import yaml

from leeboard.sandbox import flights
from leeboard.sandbox.models import MODEL
from leeboard.sandbox.processes import until
from leeboard.sandbox.replay import Replay
from leeboard.sandbox.stack import Stack
from leeboard.sandbox.watch import DEPLOYMENTS, POLICIES, Watch, condition

LEEBOARD = Path(sys.executable).parent / "leeboard"
STEP = {"name": "canary", "canary": {"steps": [{"weight": 50, "hold": "3s"}]}}
ROLLOUT = {"stages": [STEP], "analysis": {"metrics": []}, "bake": "2s", "scaleDownDelay": "1s"}
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "levels"
QUICK: dict[str, dict[str, Any]] = {
    "manual": {"manual": {}},
    "scheduled": {"scheduled": {"every": "1m"}},
    "stateful": {"stateful": {"every": "1m"}},
    "continual": {
        "continual": {"triggers": [{"name": "volume", "volume": {"newLabelledRows": 10_000}}], "minInterval": "10s"}
    },
}
"""The levels of the examples, so that days pass in seconds."""
DAYS = {
    "manual": ("2013-02-01", "2013-02-20"),
    "scheduled": ("2013-02-20", "2013-03-10"),
    "stateful": ("2013-03-10", "2013-03-28"),
    "continual": ("2013-03-28", "2013-04-15"),
}


def quick(level: str) -> dict[str, Any]:
    """Return the spec of a level's example with all its spans of time made short."""
    spec = yaml.safe_load((EXAMPLES / f"{level}.yaml").read_text(encoding="utf-8"))["spec"]
    data = spec["data"] | {"window": {"duration": "1h"}}
    return dict(spec | {"level": QUICK[level], "data": data, "budget": {"maxRunsPerDay": 100}})


class Guide:
    """Does what a reader would do, and shows what they would see."""

    def __init__(self, stack: Stack, watch: Watch) -> None:
        self.stack = stack
        self.watch = watch
        self.data = flights.load()

    async def type(self, *words: str) -> None:
        """Type a `leeboard` command and show it with its output."""
        environment = os.environ | {
            "KUBECONFIG": str(self.stack.plane.kubeconfig()),
            "LEEBOARD_TRACKING_URI": self.stack.mlflow_url,
            "COLUMNS": "110",
        }
        process = await asyncio.create_subprocess_exec(
            LEEBOARD, *words, "-n", Stack.namespace, env=environment, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        print(f"$ leeboard {' '.join(words)}\n{output.decode().rstrip()}\n", flush=True)

    async def begin(self) -> None:
        """Serve a model that can go on learning, trained on January."""
        environment = os.environ | self.stack.environment
        trainer = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.learner", env=environment, stdout=asyncio.subprocess.PIPE
        )
        version = (await trainer.communicate())[0].decode().split()[-1]
        await self.watch.set_alias(MODEL, "champion", version)
        await self.watch.apply(self._object("ModelDeployment", {"model": {"name": MODEL}, "rollout": ROLLOUT}))

        async def serves() -> bool:
            return condition(await self.watch.status(DEPLOYMENTS), "Ready").get("status") == "True"

        await until(serves, "the first version to serve", within=180, every=0.5)

    async def show(self, level: str) -> None:
        """Let days go by, set the level, and show the run that it starts."""
        spec = quick(level)
        print(f"## {level}\n", flush=True)
        await self.watch.apply(self._object("RetrainPolicy", spec | {"suspend": True}))

        async def rests() -> bool:
            return "activeRun" not in await self.watch.status(POLICIES)

        await until(rests, "the level before to come to its end", within=300, every=0.5)
        before = (await self.watch.status(POLICIES)).get("lastRun")
        replay = Replay(
            self.data.between(*DAYS[level]),
            gateway=self.stack.gateway_url,
            domain=self.stack.domain,
            collector=self.stack.collector_url,
            namespace=self.stack.namespace,
            deployment=MODEL,
        )
        replay.seconds_per_day = 0.3
        await replay.run()
        await replay.close()
        await asyncio.sleep(3)  # the collector writes what it has every few seconds
        await self.watch.apply(self._object("RetrainPolicy", spec | {"suspend": False}))
        if level == "manual":
            await self.type("retrain", MODEL, "--token", "first-of-march")

        async def ended() -> dict[str, Any]:
            status = await self.watch.status(POLICIES)
            return status["lastRun"] if status.get("lastRun") not in (None, before) else {}

        run = await until(ended, f"the run of the level {level}", within=300, every=0.5)
        print(f"{run['outcome']}: {[fired['message'] for fired in run['triggers']]}", flush=True)
        await self.type("status", MODEL)
        await self.type("report", MODEL, "retrain")

    def _object(self, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        metadata = {"name": MODEL, "namespace": Stack.namespace}
        return {"apiVersion": "leeboard.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


async def main() -> None:
    """Show all four."""
    async with Stack(say=print) as stack:
        watch = Watch(stack, MODEL)
        guide = Guide(stack, watch)
        await guide.begin()
        for level in QUICK:
            await guide.show(level)
        await watch.close()


if __name__ == "__main__":
    asyncio.run(main())
