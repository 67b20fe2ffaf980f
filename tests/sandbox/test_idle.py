"""An idle system writes nothing: the API server's own audit log says so, with all three kinds present."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from leeboard.sandbox import flights
from leeboard.sandbox.manifests import example_folder
from leeboard.sandbox.models import MODEL
from leeboard.sandbox.processes import until
from leeboard.sandbox.stack import OPERATOR, Stack
from leeboard.sandbox.watch import DEPLOYMENTS, MONITORS, POLICIES, Watch, condition

IDLE_SECONDS = int(os.environ.get("LEEBOARD_TEST_IDLE_SECONDS", "60"))


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with Stack(folder=tmp_path / "sandbox") as started:
        yield started


@pytest.mark.timeout(IDLE_SECONDS + 300)
async def test_nothing_is_written_while_nothing_happens(stack: Stack, tmp_path: Path):
    table = tmp_path / "january.parquet"
    flights.load().between("2013-01-01", "2013-01-15").to_parquet(table, index=False)
    train = [sys.executable, "-m", "leeboard.sandbox.models", "first", str(table)]
    await asyncio.to_thread(subprocess.run, train, check=True, env=os.environ | stack.environment)
    watch = Watch(stack, MODEL)
    await watch.set_alias(MODEL, "champion", "1")
    for path in sorted(example_folder().glob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        document["metadata"]["namespace"] = stack.namespace
        await watch.apply(document)

    async def at_rest() -> bool:
        ready = [condition(await watch.status(kind), "Ready") for kind in (DEPLOYMENTS, MONITORS, POLICIES)]
        return all(item.get("status") == "True" for item in ready)

    await until(at_rest, "all three kinds to be ready", within=150, every=0.5)
    before = await _calm(stack)
    deadline = time.monotonic() + IDLE_SECONDS
    while time.monotonic() < deadline:
        assert stack.plane.writes(OPERATOR)[before:] == []
        await asyncio.sleep(1)  # this test is about time going by
    await watch.close()


async def _calm(stack: Stack) -> int:
    """Return the number of writes once it has not grown for ten seconds."""
    count, since = -1, time.monotonic()

    async def settled() -> bool:
        nonlocal count, since
        if (now := len(stack.plane.writes(OPERATOR))) != count:
            count, since = now, time.monotonic()
        return time.monotonic() - since > 10

    with contextlib.suppress(TimeoutError):
        await until(settled, "the operator to come to rest", within=60, every=0.5)
    return count
