"""Alerts and dashboard: what they ask for exists, and every alert has its runbook."""

import json
import re

import yaml

from tests.repo.test_documentation import ROOT, SOURCE

CHART = ROOT / "charts" / "leeboard"
RUNBOOK = ROOT / "docs" / "operations" / "alerts.md"
METRIC = re.compile(r"\bleeboard_\w+")


def _rules() -> list[dict[str, str]]:
    groups = yaml.safe_load((CHART / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _dashboard() -> list[str]:
    dashboard = json.loads((CHART / "dashboards" / "leeboard.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return asked + [v["query"]["query"] for v in dashboard["templating"]["list"] if isinstance(v["query"], dict)]


def _exists(metric: str) -> bool:
    """Say whether the code has a metric; clients add the endings of counters and histograms."""
    names = {metric, *(metric.removesuffix(end) for end in ("_total", "_bucket", "_count", "_sum"))}
    return any(f'"{name}"' in SOURCE for name in names)


def test_ask_only_for_metrics_that_there_are():
    asked = {name for text in [*(rule["expr"] for rule in _rules()), *_dashboard()] for name in METRIC.findall(text)}

    assert len(asked) > 10
    assert [name for name in sorted(asked) if not _exists(name)] == []


def test_every_alert_has_its_runbook_and_no_other_is_there():
    headings = re.findall(r"^## (Leeboard\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(headings) == sorted(rule["alert"] for rule in _rules())


def test_every_runbook_says_what_it_means_where_to_look_and_what_to_do():
    parts = re.split(r"^## ", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    runbooks = [part for part in parts if part.startswith("Leeboard")]

    lacking = [
        part.splitlines()[0] for part in runbooks for word in ("Means", "Look", "Do") if f"\n**{word}" not in part
    ]
    assert lacking == []


def test_panels_of_drift_ask_for_the_chosen_monitors():
    drift = [text for text in _dashboard() if text.startswith(("leeboard_drift", "leeboard_check"))]

    assert drift
    assert [text for text in drift if 'driftmonitor=~"$monitor"' not in text] == []
