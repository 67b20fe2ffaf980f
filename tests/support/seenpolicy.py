"""What a RetrainPolicy's decision is made from, made by hand: the policy, its model and monitor, all at rest."""

from datetime import UTC, datetime
from typing import Any

from leeboard.api.driftmonitor import DriftMonitor
from leeboard.api.modeldeployment import ModelDeployment
from leeboard.api.retrainpolicy import FiredTrigger, RetrainPolicy
from leeboard.contract.serving import TableState
from leeboard.retrainpolicy.seen import Seen
from leeboard.retrainpolicy.triggers import Asking
from leeboard.settings import Settings
from tests.support.playedpolicy import SPEC

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LOG = TableState(predictions="/p", labels="/l", prediction_rows=9, label_rows=150)
FIRED = FiredTrigger(name="drift", id="drift/watch/e1", count=1, message="the monitor sees drift", generation=1)
BY_HAND = FiredTrigger(name="manual", id="manual/t1", count=1, message="asked for with the token t1", generation=1)
ASKED = Asking(firing=(FIRED,))
PERSON = Asking(firing=(FIRED, BY_HAND))


def policy(*, annotations: dict[str, str] | None = None, status: dict[str, Any] | None = None, **spec: Any):
    return RetrainPolicy.model_validate(
        {
            "metadata": {
                "name": "keep",
                "namespace": "default",
                "uid": "u-1",
                "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "annotations": annotations or {},
            },
            "spec": SPEC | spec,
            "status": status or {},
        }
    )


def deployment(*, logging: dict[str, Any] | None = None, **status: Any):
    stable = {"version": "1", "arm": "flights-v1", "sinceTime": "2026-01-01T00:00:00Z"}
    spec = {"model": {"name": "flights"}} | ({"logging": logging} if logging else {})
    return ModelDeployment.model_validate(
        {"metadata": {"name": "flights", "namespace": "default"}, "spec": spec, "status": {"stable": stable} | status}
    )


def watch(model: str = "flights", episode: dict[str, Any] | None = None, checks: list[dict[str, Any]] | None = None):
    checked = {"checks": checks} if checks else {}
    schedule, window = {"every": "1h"}, {"duration": "6h"}
    return DriftMonitor.model_validate(
        {
            "metadata": {"name": "watch", "namespace": "default"},
            "spec": {"modelDeploymentRef": {"name": model}, "schedule": schedule, "window": window, **checked},
            "status": {"episode": {"startedTime": "2026-01-05T09:00:00Z"} | episode} if episode else {},
        }
    )


def seen(**more: Any) -> Seen:
    known: dict[str, Any] = {
        "policy": policy(),
        "now": NOW,
        "settings": Settings(collector_url="http://collector"),
        "model": deployment(),
        "monitors": {"watch": watch()},
        "tables": LOG,
    }
    return Seen(**(known | more))
