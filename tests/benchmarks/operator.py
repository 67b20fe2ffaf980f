"""The operator's own cost."""

import json
from collections.abc import Iterator

from tests.benchmarks.figures import Figure, median_seconds
from tests.support.playeddeployment import PlayedDeployment


def figures() -> Iterator[Figure]:
    """One pass of a ModelDeployment at rest, without its I/O; the floor is reading its status from JSON."""
    world = PlayedDeployment()
    world.serve()
    text = json.dumps(world.seen().subject.status.document())
    ours, floor = median_seconds(world.step, 200), median_seconds(lambda: json.loads(text), 200)
    yield Figure("deciding, one ModelDeployment at rest", "parsing its status", ours, floor)
