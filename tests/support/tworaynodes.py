"""Compares a stored window with a stored reference on a real Ray cluster of two nodes; a process of its own.

Usage: python tworaynodes.py <reference> <window>. Prints a JSON document: the report, and how many nodes worked.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster as Nodes

from leeboard.api.shared import DatasetRef
from leeboard_workers.data.stored import StoredTable, all_rows
from leeboard_workers.drift import compare, weighing
from leeboard_workers.jobs.cluster import Cluster
from tests.support.dataplane import until


def where(present: tuple[str, str]) -> str:
    """The node of this task, once the task that it names has begun too: nodes of one core each hold one of them."""
    mine, other = map(Path, present)
    mine.touch()
    until(other.exists, "the other task")
    return str(ray.get_runtime_context().get_node_id())


def main(reference: str, window: str) -> dict[str, Any]:
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = nodes.address
    try:
        weighing.BLOCK_VALUES = 10_000  # a column for each task
        sides = [all_rows(StoredTable.of(DatasetRef(uri=uri))) for uri in (reference, window)]
        with Cluster() as cluster:
            report = compare(*sides, run=cluster.map)
            with tempfile.TemporaryDirectory() as folder:
                first, second = f"{folder}/first", f"{folder}/second"
                used = set(cluster.map(where, [(first, second), (second, first)]))
        return {"report": report.to_dict(), "nodes": len(used)}
    finally:
        nodes.shutdown()


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))  # noqa: T201
