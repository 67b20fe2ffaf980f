"""The operator's own cost: one decision, and a fleet of 3,000 objects on a real API server.

`LEEBOARD_OPERATOR_PYTHON` names the Python of an environment with the extra `operator` alone, as `make image-contents`
makes one: the operator then costs what it does in its image.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from leeboard.sandbox import crds
from leeboard.sandbox.controlplane import ControlPlane
from tests.benchmarks.figures import Figure, median_seconds
from tests.support.bench import USER, Bench, now
from tests.support.controlplane import OWN_CRDS
from tests.support.fleet import Fleet, fleet, quantile
from tests.support.mlflow import serve_mlflow
from tests.support.playeddeployment import PlayedDeployment

EACH = int(os.environ.get("LEEBOARD_BENCH_EACH", "1000"))
"""Objects of each of the three kinds."""
IDLE_SECONDS = int(os.environ.get("LEEBOARD_BENCH_IDLE_SECONDS", "600"))
REACTIONS = 100
PATIENCE = 1800.0


def figures() -> Iterator[Figure]:
    """One pass at rest without its I/O; then settling, resting, reacting and restarting; the peers are goals."""
    world = PlayedDeployment()
    world.serve()
    text = json.dumps(world.seen().subject.status.document())
    ours, floor = median_seconds(world.step, 200), median_seconds(lambda: json.loads(text), 200)
    yield Figure("deciding, one ModelDeployment at rest", "parsing its status", ours, floor)
    yield from asyncio.run(_fleet())


async def _fleet() -> list[Figure]:
    objects = f"{3 * EACH:,} objects"
    async with ships_of(EACH) as ships:
        await ships.make()
        await ships.operator.start()
        settled = await ships.settle(PATIENCE)
        written, memory = ships.writes_by_kind(), ships.resident_mb
        per = ", ".join(f"{count / EACH:.1f} per {kind}" for kind, count in sorted(written.items()))
        settled_at = now()
        await asyncio.sleep(IDLE_SECONDS)  # this is about time going by
        idle = len(ships.bench.writes(settled_at))
        reactions = await ships.react(min(REACTIONS, EACH))
        works, looked = await ships.restart(PATIENCE)
        listing = await ships.list_seconds()
    return [
        Figure(
            f"{objects} settle, KServe played; writes: {per}", "8 writes each at 5 ms", settled, 0.04 * EACH, memory
        ),
        Figure(f"{objects} rest for {IDLE_SECONDS} s: {idle} writes", "", IDLE_SECONDS, IDLE_SECONDS, memory, 400),
        Figure(f"{objects}, spec changed to child written, p50", "the goal", quantile(reactions, 0.5), 1.0),
        Figure(f"{objects}, spec changed to child written, p99", "the goal", quantile(reactions, 0.99), 1.0),
        Figure(f"{objects}, killed to the first pass", "5 s and listing them", works, 5.0 + listing),
        Figure(f"{objects}, killed to all looked at again", "5 s and listing them", looked, 5.0 + listing),
    ]


@asynccontextmanager
async def ships_of(each: int, *more_namespaces: str) -> AsyncIterator[Fleet]:
    """Have a fleet of so many objects of each kind on a cluster of its own, and perhaps other namespaces beside it."""
    plane = ControlPlane(say=print)
    with tempfile.TemporaryDirectory(prefix="leeboard-bench-") as folder, serve_mlflow(Path(folder)) as mlflow:
        try:
            await plane.start()
            await plane.install_crds([*await crds.neighbours(print), *crds.read(OWN_CRDS)])
            for name in ("fleet", *more_namespaces):
                await plane.make_namespace(name)
            os.environ["KUBECONFIG"] = str(plane.kubeconfig(USER, ["system:masters"]))
            async with plane.client() as person:
                log = Path(folder) / "operator.log"
                async with fleet(Bench(plane, "fleet", person), mlflow, each, log) as ships:
                    ships.operator.variables["LEEBOARD_NAMESPACES"] = ",".join(("fleet", *more_namespaces))
                    yield ships
        finally:
            await plane.stop()
