"""Requests about rivers on a real MLflow server: what jobs are asked in tests, and how they are run."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from leeboard.api.checks import (
    Check,
    Columns,
    ColumnWeighting,
    OutOfDistributionIncrease,
    Prediction,
    UnivariateDistance,
    UnivariateTest,
)
from leeboard.api.multivariate import MaximumMeanDiscrepancy, MultivariateTest
from leeboard.api.retrainpolicy import FiredTrigger
from leeboard.api.shared import NoParameters
from leeboard.api.training import BuiltinTrainer, Evaluation, Gate, Trainer, WarmStart
from leeboard.contract import tags
from leeboard.contract.jobs import (
    REQUEST_VARIABLE,
    DriftRequest,
    JobReport,
    JobRequest,
    LogTables,
    RetrainRequest,
)
from leeboard.contract.kinds import REPORT_BY_KIND
from leeboard_workers.jobs import frame, handlers
from leeboard_workers.jobs.tracking import runs_of
from tests.support import rivers

REFIT = Trainer(builtin=BuiltinTrainer(refit=NoParameters()))
PARTIAL_FIT = Trainer(builtin=BuiltinTrainer(partial_fit=NoParameters()), warm_start=WarmStart.CHAMPION)
BETTER = Gate(name="better", metric="roc_auc", min_gain_over_champion=0.0)
CHECKS = (
    Check(name="columns", univariate_test=UnivariateTest(min_effect=0.05)),
    Check(name="distance", univariate_distance=UnivariateDistance(threshold=0.1)),
    Check(
        name="joint",
        multivariate_test=MultivariateTest(maximum_mean_discrepancy=MaximumMeanDiscrepancy(), min_effect=0.1),
    ),
    Check(name="answers", prediction=Prediction(threshold=0.1)),
    Check(name="strangers", out_of_distribution_rate=OutOfDistributionIncrease()),
)


@dataclass(frozen=True)
class River:
    """A registered model with a log in which its world moved."""

    server: str
    client: MlflowClient
    model: str
    version: str
    log: LogTables

    @property
    def common(self) -> dict[str, Any]:
        return {
            "namespace": "ns",
            "owner": self.model,
            "owner_uid": "uid",
            "model_deployment": self.model,
            "model_name": self.model,
            "tracking_uri": self.server,
        }

    def drift(self, **changes: Any) -> DriftRequest:
        fields = {
            "version": self.version,
            "window_start_time": "2026-01-02T00:00:00Z",
            "window_end_time": "2026-01-08T00:00:00Z",
            "log": self.log,
            "arms": (rivers.live(self.version),),
            "columns": Columns(weighting=ColumnWeighting.IMPORTANCE),
            "checks": CHECKS,
            "min_rows": 100,
            "max_rows": 100_000,
            "acceptance": 0.95,
        }
        return DriftRequest(**self.common | fields | changes)

    def retrain(self, **changes: Any) -> RetrainRequest:
        fields = {
            "policy_run_id": "run1",
            "triggers": (FiredTrigger(name="drift", id="episode-1", count=1, message="rain drifted"),),
            "champion_version": self.version,
            "data_from_time": "2026-01-01T00:00:00Z",
            "data_to_time": "2026-01-11T00:00:00Z",
            "log": self.log,
            "arms": (rivers.live(self.version),),
            "trainer": REFIT,
            "evaluation": Evaluation(gates=[BETTER]),
        }
        return RetrainRequest(**self.common | fields | changes)

    def versions(self) -> list[Any]:
        return list(self.client.search_model_versions(f"name = '{self.model}'"))

    def report(self, request: JobRequest, folder: Path) -> JobReport:
        (run,) = [run for run in runs_of(self.client, request) if run.info.status == "FINISHED"]
        path = self.client.download_artifacts(run.info.run_id, "report.json", str(folder))
        return REPORT_BY_KIND[request.kind].model_validate_json(Path(path).read_bytes())


@pytest.fixture
def make_river(mlflow_server: str, tmp_path: Path) -> Callable[..., River]:
    def make(*, kind: str = "logistic", shift: float = 0.4, cutoff: Any = rivers.START) -> River:
        model = f"river-{tmp_path.name}"
        past = rivers.world(3_000, start=rivers.START - timedelta(days=10))
        version = rivers.register(mlflow_server, model, past, tmp_path, kind=kind, cutoff=cutoff)
        log = rivers.write_log(tmp_path, rivers.world(3_000, shift=shift, seed=1), version=version)
        return River(mlflow_server, rivers.client(mlflow_server), model, version, log)

    return make


@pytest.fixture
def river(make_river: Callable[..., River]) -> River:
    return make_river()


def answer(request: JobRequest) -> Any:
    return frame.work(request, handlers.handler_of(request), permanent=handlers.PERMANENT)


def worker(request: JobRequest, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", *(command or ("leeboard_workers.jobs.main", request.kind))],
        env=os.environ | {REQUEST_VARIABLE: request.encode(), "RAY_ADDRESS": ""},
        text=True,
        stderr=subprocess.PIPE,
    )


def make_stale(river: River, request: JobRequest) -> None:
    for run in runs_of(river.client, request):
        river.client.set_tag(run.info.run_id, tags.HEARTBEAT, "1.0")


def statuses(river: River, request: JobRequest) -> list[str]:
    return sorted(run.info.status for run in runs_of(river.client, request))


def until(condition: Callable[[], bool], what: str, within: float = 200.0) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    pytest.fail(f"waited {within:g} s in vain for {what}")
