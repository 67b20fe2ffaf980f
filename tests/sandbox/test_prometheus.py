"""Prometheus is real: it finds its targets in files, answers queries about them, and evaluates the chart's alerts."""

import json
from pathlib import Path

import httpx

from leeboard.sandbox.processes import Supervisor, until
from leeboard.sandbox.prometheus import start_prometheus
from tests.support.web import web

ALERTS = Path(__file__).parents[2] / "charts" / "leeboard" / "alerts.yaml"
TOLD = b"""
leeboard_condition{kind="ModelDeployment",model_namespace="air",name="new",type="Available"} 0
leeboard_condition{kind="ModelDeployment",model_namespace="air",name="gone",type="Available"} 0
leeboard_traffic_weight{model_namespace="air",modeldeployment="gone",version="1",arm="gone-v1-abc"} 100
leeboard_condition{kind="ModelDeployment",model_namespace="air",name="well",type="Available"} 1
leeboard_traffic_weight{model_namespace="air",modeldeployment="well",version="1",arm="well-v1-abc"} 100
leeboard_condition{kind="DriftMonitor",model_namespace="air",name="well",type="DriftDetected"} 1
"""
"""A model whose first version starts, one that fails, one that serves; and no operator's queue."""


async def test_scrapes_what_a_file_names(tmp_path: Path):
    targets = tmp_path / "targets"
    targets.mkdir()
    async with Supervisor(tmp_path / "logs") as processes, httpx.AsyncClient() as client:
        url = await start_prometheus(processes, tmp_path / "prometheus", targets, say=print)
        itself = [{"targets": [url.removeprefix("http://")], "labels": {"arm": "stable"}}]
        (targets / "itself.json").write_text(json.dumps(itself))

        async def seen() -> bool:
            answer = await client.get(f"{url}/api/v1/query", params={"query": 'up{arm="stable"} == 1'})
            return bool(answer.json()["data"]["result"])

        await until(seen, "the target to be scraped", within=30, every=0.2)


async def test_evaluates_the_alerts_of_the_chart(tmp_path: Path):
    targets = tmp_path / "targets"
    targets.mkdir()
    with web() as told:
        told.body, told.kind = TOLD, "text/plain; version=0.0.4"
        (targets / "played.json").write_text(json.dumps([{"targets": [told.url.removeprefix("http://")]}]))
        async with Supervisor(tmp_path / "logs") as processes, httpx.AsyncClient() as client:
            url = await start_prometheus(processes, tmp_path / "prometheus", targets, rules=[ALERTS], say=print)
            raised: dict[str, list[str | None]] = {}

            async def seen() -> bool:
                alerts = (await client.get(f"{url}/api/v1/alerts")).json()["data"]["alerts"]
                raised.clear()
                for alert in alerts:
                    raised.setdefault(alert["labels"]["alertname"], []).append(alert["labels"].get("name"))
                return len(raised) == 3

            await until(seen, "three alerts", within=30, every=0.2)
            rules = (await client.get(f"{url}/api/v1/rules")).json()["data"]["groups"][0]["rules"]

    assert raised == {
        "LeeboardModelUnavailable": ["gone"],
        "LeeboardOperatorAbsent": [None],
        "LeeboardDrift": ["well"],
    }
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] == "err"] == []
