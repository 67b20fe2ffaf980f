"""What a status tells Prometheus: conditions, traffic, drift scores, and outcomes that are new."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import Gauge

from leeboard.control.ref import Ref
from leeboard.telemetry import Telemetry

_OUTCOMES = (
    ("lastRun", ("outcome", "verdict"), "finishedTime"),
    ("lastRollout", ("outcome",), "finishedTime"),
)


def tell(telemetry: Telemetry, ref: Ref, before: dict[str, Any], status: dict[str, Any]) -> None:
    """Write all metrics of one object as its status says, and count outcomes that were not there before."""
    telemetry.set_gauges((ref.kind, ref.namespace, ref.name), _gauges(telemetry, ref, status))
    for member, names, time in _OUTCOMES:
        now, then = status.get(member) or {}, before.get(member) or {}
        outcome = next((now[name] for name in names if name in now), None)
        if outcome is not None and now.get(time) != then.get(time):
            telemetry.runs.labels(ref.kind, ref.namespace, ref.name, outcome).inc()


def forget(telemetry: Telemetry, ref: Ref) -> None:
    """Remove the gauges of an object that is gone."""
    telemetry.set_gauges((ref.kind, ref.namespace, ref.name), ())


def _gauges(telemetry: Telemetry, ref: Ref, status: dict[str, Any]) -> Iterator[tuple[Gauge, tuple[str, ...], float]]:
    for condition in status.get("conditions") or ():
        labels = (ref.kind, ref.namespace, ref.name, condition["type"])
        yield telemetry.condition, labels, float(condition["status"] == "True")
    for entry in status.get("traffic") or ():
        yield telemetry.weight, (ref.namespace, ref.name, entry["version"], entry["arm"]), float(entry["percent"])
    for check in _newest_checks(status):
        of_check = (ref.namespace, ref.name, check["name"])
        yield telemetry.drift_score, of_check, float(check["statistic"])
        if check.get("threshold") is not None:
            yield telemetry.drift_threshold, of_check, float(check["threshold"])
        yield telemetry.check_drifted, of_check, float(bool(check.get("drifted")))


def _newest_checks(status: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each check of the last run as it was last measured: labels may be late, and a window may be short."""
    runs = status.get("history") or [status.get("lastRun") or {}]
    for name in [check["name"] for check in (status.get("lastRun") or {}).get("checks") or ()]:
        found = (check for run in runs for check in run.get("checks") or () if check["name"] == name)
        measured = next((check for check in found if check.get("statistic") is not None), None)
        if measured is not None:
            yield measured
