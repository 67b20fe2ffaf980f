"""A model's loop in mid-flight, as the command line reads it."""

from typing import Any

from leeboard.api.driftmonitor import DriftMonitor
from leeboard.api.modeldeployment import ModelDeployment
from leeboard.api.retrainpolicy import RetrainPolicy
from leeboard.cli.cluster import Loop
from tests.support.manifests import DRIFT_MONITOR, MODEL_DEPLOYMENT, RETRAIN_POLICY

NOW = "2026-01-31T12:00:00Z"


def condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-31T11:00:00Z",
        "reason": reason,
        "message": message,
    }


DEPLOYMENT_STATUS: dict[str, Any] = {
    "observedGeneration": 1,
    "url": "http://flights.default.models.local",
    "stable": {"version": "7", "arm": "flights-v7-aaaaaa", "sinceTime": "2026-01-28T12:00:00Z"},
    "candidate": {"version": "9", "arm": "flights-v9-bbbbbb"},
    "rollout": {
        "attempt": 3,
        "phase": "Stages",
        "hash": "abc",
        "startTime": "2026-01-31T10:00:00Z",
        "stage": "canary",
        "step": 1,
        "stepStartTime": "2026-01-31T11:55:00Z",
        "lastAdvanceTime": "2026-01-31T11:55:00Z",
        "weight": 25,
        "analysis": [
            {"name": "errors", "verdict": "Successful", "value": 0.0021, "bound": 0.01, "samples": 12044},
            {"name": "strangers", "verdict": "Inconclusive", "samples": 12, "message": "12 requests are too few"},
        ],
    },
    "traffic": [
        {"version": "7", "arm": "flights-v7-aaaaaa", "percent": 75, "routedSinceTime": "2026-01-28T12:00:00Z"},
        {"version": "9", "arm": "flights-v9-bbbbbb", "percent": 25, "routedSinceTime": "2026-01-31T10:00:00Z"},
    ],
    "rejectedVersions": [{"version": "8", "reason": "ErrorRate"}],
    "conditions": [
        condition("Ready", "False", "RollingOut", "held for another 5 min"),
        condition("Reconciling", "True", "RollingOut", "held for another 5 min"),
    ],
}
MONITOR_STATUS: dict[str, Any] = {
    "lastRun": {
        "windowStartTime": "2026-01-31T05:30:00Z",
        "windowEndTime": "2026-01-31T11:30:00Z",
        "verdict": "Drifted",
        "rows": 18230,
        "checks": [
            {"name": "columns", "statistic": 0.42, "threshold": 0.3, "drifted": True, "worstColumns": ["dep_delay"]},
            {"name": "answers", "statistic": 0.04, "threshold": 0.15},
        ],
        "runId": "0123abcd",
        "finishedTime": "2026-01-31T11:40:00Z",
    },
    "episode": {"id": "e1", "startedTime": "2026-01-31T11:40:00Z", "checks": ["columns"]},
    "nextRunTime": "2026-01-31T12:30:00Z",
    "conditions": [condition("Ready", "True", "Scored", ""), condition("DriftDetected", "True", "Drifted", "moved")],
}
POLICY_STATUS: dict[str, Any] = {
    "activeRun": {
        "id": "r2",
        "attempt": 0,
        "triggers": [{"name": "drift", "id": "e1", "count": 1}],
        "startedTime": "2026-01-31T11:41:00Z",
        "cutoffTime": "2026-01-31T11:41:00Z",
        "rayJob": "flights-retrain-0123456789",
        "requestHash": "ff",
        "version": "9",
        "metrics": {"roc_auc": 0.7312},
        "championMetrics": {"roc_auc": 0.7021},
    },
    "lastRun": {
        "id": "r1",
        "outcome": "RolledBack",
        "version": "8",
        "message": "too many errors",
        "runId": "4567abcd",
        "finishedTime": "2026-01-30T12:00:00Z",
    },
    "conditions": [condition("Ready", "False", "WaitsForRollout", "version 9 comes in")],
}


def loop(**deployment_status: Any) -> Loop:
    """Return the loop; named fields of the deployment's status are replaced."""
    metadata = {"name": "flights", "namespace": "default"}
    return Loop(
        ModelDeployment.model_validate(
            {"metadata": metadata, "spec": MODEL_DEPLOYMENT, "status": {**DEPLOYMENT_STATUS, **deployment_status}}
        ),
        (DriftMonitor.model_validate({"metadata": metadata, "spec": DRIFT_MONITOR, "status": MONITOR_STATUS}),),
        (RetrainPolicy.model_validate({"metadata": metadata, "spec": RETRAIN_POLICY, "status": POLICY_STATUS}),),
    )
