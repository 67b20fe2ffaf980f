"""A ModelDeployment on a real API server with a real operator, MLflow and Prometheus; KServe and the gateway played."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mlflow import MlflowClient

from leeboard.contract.jobs import JobOutcome, JobReport, JobRequest
from tests.support.bench import Bench, path
from tests.support.door import Door
from tests.support.operatorprocess import OperatorProcess, end_job, jobs, leave_report, request_of
from tests.support.playedcluster import PlayedCluster
from tests.support.web import Web

NAME = "flights"
PLURAL = "modeldeployments"
ANSWER = {"outputs": [{"name": "predict", "shape": [1], "datatype": "FP64", "data": [0.5]}]}
ROLLOUT = {
    "stages": [{"name": "canary", "canary": {"steps": [{"weight": 20, "hold": "3s"}, {"weight": 60, "hold": "3s"}]}}],
    "analysis": {"interval": "2s", "metrics": [{"name": "errors", "errorRate": {"max": 0.05}, "minSamples": 20}]},
    "progressDeadline": "5m",
    "bake": "3s",
    "scaleDownDelay": "1s",
}


@dataclass
class Traffic:
    """Counters of all arms, as Prometheus scrapes them; they grow while the test runs."""

    told: Web
    namespace: str
    failing: set[str] = field(default_factory=set)
    """Versions that answer every third request with an error."""
    refusing: set[str] = field(default_factory=set)
    """Versions that refuse every request: their schema is not that of the clients."""
    silent: set[str] = field(default_factory=set)
    """Versions that nobody asks anything."""

    async def flow(self, cluster: PlayedCluster) -> None:
        counts: dict[tuple[str, str, str], int] = {}
        while True:
            for service in await cluster.arms():
                arm, version = service["metadata"]["name"], service["metadata"]["labels"]["leeboard.dev/version"]
                asked = version not in self.silent
                codes = {"200": 20, "500": 10 if version in self.failing else 0}
                for code, grows in ({"400": 20} if version in self.refusing else codes).items():
                    counts[arm, version, code] = counts.get((arm, version, code), -grows * asked) + grows * asked
            lines = [
                f'leeboard_requests_total{{model_namespace="{self.namespace}",modeldeployment="{NAME}",version="{version}",'
                f'arm="{arm}",code="{code}"}} {count}'
                for (arm, version, code), count in counts.items()
            ]
            self.told.body = ("# TYPE leeboard_requests_total counter\n" + "\n".join(lines) + "\n").encode()
            await asyncio.sleep(0.3)


@asynccontextmanager
async def flowing(traffic: Traffic, cluster: PlayedCluster) -> AsyncIterator[Traffic]:
    task = asyncio.create_task(traffic.flow(cluster))
    try:
        yield traffic
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass
class Scene:
    """Everything that a test looks at."""

    bench: Bench
    cluster: PlayedCluster
    traffic: Traffic
    operator: OperatorProcess
    mlflow: Door
    prometheus: Door
    client: MlflowClient
    model: str
    columns: tuple[str, ...] = ("distance",)
    """What the next version takes."""

    def register(self, *aliases: str, **version_tags: str) -> str:
        """Register a version that has files and a signature."""
        run = self.client.create_run("0")
        inputs = json.dumps([{"type": "double", "name": column} for column in self.columns])
        self.client.log_dict(run.info.run_id, {"signature": {"inputs": inputs}}, "model/MLmodel")
        source = f"{run.info.artifact_uri}/model"
        made = self.client.create_model_version(self.model, source, run.info.run_id, tags=version_tags)
        for alias in aliases:
            self.client.set_registered_model_alias(self.model, alias, made.version)
        return str(made.version)

    def aliases(self) -> dict[str, str]:
        return {alias: str(version) for alias, version in self.client.get_registered_model(self.model).aliases.items()}

    async def make(self, **spec: Any) -> None:
        await self.bench.create(
            {
                "apiVersion": "leeboard.dev/v1alpha1",
                "kind": "ModelDeployment",
                "metadata": {"name": NAME, "namespace": self.bench.namespace},
                "spec": {"model": {"name": self.model}, "rollout": ROLLOUT, **spec},
            },
            PLURAL,
        )

    async def status(self) -> dict[str, Any]:
        return dict((await self.bench.read(NAME, PLURAL)).get("status") or {})

    async def condition(self, kind: str = "Ready") -> dict[str, Any]:
        return next((found for found in (await self.status()).get("conditions", []) if found["type"] == kind), {})

    async def change(self, **spec: Any) -> None:
        """Apply another manifest."""
        await self.bench.patch(f"{path(self.bench.namespace, PLURAL)}/{NAME}", {"spec": spec})

    async def annotate(self, action: str, value: str) -> None:
        """Ask for something, as a person does."""
        where = f"{path(self.bench.namespace, PLURAL)}/{NAME}"
        await self.bench.patch(where, {"metadata": {"annotations": {f"leeboard.dev/{action}": value}}})

    async def settles(self, version: str, within: float = 60) -> None:
        """Wait until a version is all that serves and nothing is under way."""

        async def settled() -> bool:
            stable = (await self.status()).get("stable", {}).get("version")
            return stable == version and (await self.condition()).get("status") == "True"

        await self.bench.until(settled, f"version {version} to serve alone", within=within)

    async def says(self, reason: str, within: float = 30) -> str:
        async def said() -> bool:
            return bool((await self.condition()).get("reason") == reason)

        await self.bench.until(said, f"Ready to say {reason}", within=within)
        return str((await self.condition())["message"])

    async def answer(self, kind: type[JobReport], **found: Any) -> str:
        """Leave the report of the one job that has not ended, and return its run."""
        [name] = [name for name, job in (await jobs(self.bench)).items() if not job.get("status")]
        run = self.report(kind, await request_of(self.bench, name), **found)
        await end_job(self.bench, name)
        return run

    def report(self, kind: type[JobReport], request: JobRequest, **found: Any) -> str:
        """Leave a report in MLflow, and return its run."""
        report = kind(**({"request_hash": request.request_hash, "outcome": JobOutcome.MEASURED} | found))
        return leave_report(self.mlflow.target, request, report)

    async def ended(self, outcome: str) -> bool:
        return bool((await self.status()).get("lastRollout", {}).get("outcome") == outcome)

    async def follows(self, split: dict[str, int]) -> bool:
        """Say whether the gateway follows a split, in the second rollout."""
        return self.cluster.splits[-1:] == [split] and (await self.status())["attempts"] == 2
