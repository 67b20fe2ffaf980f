"""Namespaces beside each other: how fast one is answered while a thousand objects of another fail again and again."""

import asyncio
from collections.abc import Iterator

from tests.benchmarks.figures import Figure
from tests.benchmarks.operator import ships_of
from tests.support.fleet import quantile

EACH, REFUSED = 50, 1000
PATIENCE = 300.0


def figures() -> Iterator[Figure]:
    """React alone, while a thousand objects appear in the other namespace, and while they are tried again."""
    yield from asyncio.run(_beside())


async def _beside() -> list[Figure]:
    async with ships_of(EACH, "full") as ships:
        await ships.make()
        await ships.operator.start()
        await ships.settle(PATIENCE)
        alone = await ships.react(EACH)
        making = asyncio.create_task(ships.make_refused(REFUSED, "full"))
        appearing = await ships.react(EACH)
        await making
        failing = await ships.react(EACH)
        refused = await ships.refused("full")
    seen = {f"while {REFUSED:,} objects of another appear": appearing, f"beside {refused:,} that fail": failing}
    return [
        Figure(f"a namespace's spec changed to child written, {when}, p{share * 100:.0f}", "alone", *pair)
        for when, seconds in seen.items()
        for share in (0.5, 0.9)
        for pair in [(quantile(seconds, share), quantile(alone, share))]
    ]
