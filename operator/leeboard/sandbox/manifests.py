"""The flights example's three manifests, with days made seconds so that a year passes in minutes."""

from pathlib import Path
from typing import Any

import yaml

from leeboard.api.base import seconds

Manifest = dict[str, Any]

SHORT: dict[str, Manifest] = {
    "ModelDeployment": {
        "rollout": {
            "stages": [
                {
                    "name": "canary",
                    "canary": {"steps": [{"weight": 20, "hold": "6s"}, {"weight": 50, "hold": "6s"}]},
                }
            ],
            "analysis": {
                "interval": "2s",
                "metrics": [
                    {"name": "errors", "errorRate": {"max": 0.02}, "minSamples": 8},
                    {"name": "latency", "latency": {"quantile": 0.5, "maxRatioToStable": 10}, "minSamples": 8},
                    # A day of rain is strange from beginning to end, and here a step is a day or two, a bake another:
                    # neither a bound nor a ratio means anything. It is measured and told, and stops nobody.
                    {"name": "strangers", "outOfDistributionRate": {"max": 1.0}, "minSamples": 8},
                ],
            },
            "progressDeadline": "3m",
            "bake": "6s",
            "scaleDownDelay": "2s",
        },
    },
    "DriftMonitor": {
        "schedule": {"every": "10s"},
        "window": {"duration": "10s", "lag": "2s", "minRows": 2500, "maxRows": 200_000},
        "alerting": {"raiseAfter": {"breaches": 2, "of": 3}, "clearAfter": 2, "cooldown": "30s"},
        "job": {"activeDeadline": "3m", "preRunningDeadline": "2m"},
    },
    "RetrainPolicy": {
        "level": {
            "continual": {
                "triggers": [
                    {"name": "drift", "drift": {"driftMonitorRef": {"name": "flights"}}},
                    {"name": "volume", "volume": {"newLabelledRows": 250_000}},
                    {"name": "age", "time": {"maxAge": "10m"}},
                ],
                "minInterval": "45s",
            }
        },
        "data": {"window": {"duration": "10m"}},
        "evaluation": {"backtest": {"folds": 2, "horizon": "6s", "scheme": "Expanding"}},
        "budget": {"maxRunsPerDay": 20, "stopAfterRejections": 5},
        "job": {"activeDeadline": "3m", "preRunningDeadline": "2m"},
    },
}

SHADOW_ROWS = 400
"""Rows that must be compared in the shadow."""


def careful(changes: Manifest, test_pack: str) -> Manifest:
    """Return the changes of a ModelDeployment with a test pack before any traffic and a shadow before the canary.

    Args:
        changes: of the example's spec, by member.
        test_pack: URI of the labelled flights.
    """
    shadow = {"percent": 100, "duration": "8s", "minSamples": SHADOW_ROWS, "minAgreement": 0.7}
    stages = [{"name": "shadow", "shadow": shadow}, *changes["rollout"]["stages"]]
    verification = {
        "dataset": {"uri": test_pack, "format": "Parquet", "labelColumn": "late"},
        "metrics": [{"name": name, "maxDropFromStable": 0.05} for name in ("roc_auc", "log_loss")],
    }
    return changes | {"verification": verification, "rollout": changes["rollout"] | {"stages": stages}}


def example_folder() -> Path:
    """Find the flights example: in the checkout, or in the installed package."""
    for folder in (Path(__file__).parents[3] / "docs" / "examples" / "flights", Path(__file__).parent / "flights"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError("the flights example is missing: install Leeboard anew")


def manifests(namespace: str, changes: dict[str, Manifest]) -> list[Manifest]:
    """Read the example's manifests of the kinds that have changes, for a namespace, with these changes of the specs."""
    documents = [
        document
        for path in sorted(example_folder().glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
        if document
    ]
    return [
        {
            **document,
            "metadata": {**document["metadata"], "namespace": namespace},
            "spec": merged(document["spec"], changes[document["kind"]]),
        }
        for document in documents
        if document["kind"] in changes
    ]


def held_seconds(rollout: Manifest) -> int:
    """Return how long a rollout is held by its steps and its bake."""
    steps = [step for stage in rollout["stages"] for step in stage["canary"]["steps"]]
    return sum(seconds(step["hold"]) for step in steps) + seconds(rollout["bake"])


def merged(base: Manifest, changes: Manifest) -> Manifest:
    """Merge nested mappings; lists and values are replaced."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(value, dict) and isinstance(old, dict) else value
    return result
