"""`leeboard report` against a real API server and a real MLflow."""

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.support.loops import MONITOR_STATUS, POLICY_STATUS
from tests.support.shell import Shell

DRIFT: dict[str, Any] = {
    "kind": "drift",
    "requestHash": "ff",
    "outcome": "Measured",
    "drifted": True,
    "rows": 1200,
    "version": "7",
    "windowStartTime": "2026-01-01T00:00:00Z",
    "windowEndTime": "2026-01-02T00:00:00Z",
    "checks": [{"name": "columns", "kind": "univariateTest", "statistic": 0.5, "threshold": 0.3, "drifted": True}],
}
RETRAIN: dict[str, Any] = {
    "kind": "retrain",
    "requestHash": "ff",
    "outcome": "Measured",
    "passed": True,
    "trainRows": 80_000,
    "gates": [{"name": "better", "metric": "roc_auc", "verdict": "Passed", "challenger": 0.73, "champion": 0.7}],
}


def _logged(tracking_uri: str, report: dict[str, Any]) -> str:
    client = MlflowClient(tracking_uri)
    run = client.create_run("0").info.run_id
    client.log_dict(run, report, "report.json")
    client.log_text(run, f"<html>{report['kind']}</html>", "report.html")
    client.set_terminated(run)
    return str(run)


@pytest.fixture
async def reported(shell: Shell, mlflow_server: str) -> Shell:
    for kind, status, report in (("DriftMonitor", MONITOR_STATUS, DRIFT), ("RetrainPolicy", POLICY_STATUS, RETRAIN)):
        written = copy.deepcopy(status)
        written["lastRun"]["runId"] = await asyncio.to_thread(_logged, mlflow_server, report)
        await shell.report(kind, written)
    shell.settings["LEEBOARD_TRACKING_URI"] = mlflow_server
    return shell


async def test_shows_the_last_window(reported: Shell):
    said = await reported.says("report", "flights")
    assert "Drifted" in said
    assert "1,200 rows, version 7" in said


async def test_shows_the_last_retraining_and_saves_its_page(reported: Shell, tmp_path: Path):
    page = tmp_path / "page.html"
    said = await reported.says("report", "flights", "retrain", "--save", str(page))
    assert "roc_auc" in said
    assert f"saved as {page}" in said
    assert page.read_text() == "<html>retrain</html>"


async def test_says_how_to_reach_mlflow(shell: Shell):
    shell.settings["LEEBOARD_TRACKING_URI"] = "http://127.0.0.1:1"
    said = await shell.says("report", "flights", status=1)
    assert said.startswith("Error: runs:/0123abcd/report.json cannot be read from MLflow at http://127.0.0.1:1")
    assert "set LEEBOARD_TRACKING_URI" in said
