"""Compares a stored window with a stored reference on a real Ray cluster of two nodes; a process of its own.

Usage: python tworaynodes.py <reference> <window>. Prints a JSON document: the report, and how many nodes worked.
"""

import json
import os
import sys
from typing import Any

import ray
from ray.cluster_utils import Cluster as Nodes

from leeboard.api.shared import DatasetRef
from leeboard_workers.data.stored import StoredTable, all_rows
from leeboard_workers.drift import compare, comparison
from leeboard_workers.jobs.cluster import Cluster


def where(_: int) -> str:
    return str(ray.get_runtime_context().get_node_id())


def main(reference: str, window: str) -> dict[str, Any]:
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = nodes.address
    try:
        comparison.BLOCK_VALUES = 10_000  # a column for each task
        sides = [all_rows(StoredTable.of(DatasetRef(uri=uri))) for uri in (reference, window)]
        with Cluster() as cluster:
            report = compare(*sides, run=cluster.map)
            used = set(cluster.map(where, range(40)))
        return {"report": report.to_dict(), "nodes": len(used)}
    finally:
        nodes.shutdown()


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))  # noqa: T201
