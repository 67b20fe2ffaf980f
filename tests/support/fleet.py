"""Many objects of each kind on one real API server, with the real operator process: what it costs, and how fast it is.

MLflow is real, KServe and the gateway are played through status, an HTTP server answers for every arm.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from mlflow import MlflowClient

from leeboard.sandbox.processes import free_port, until
from tests.support.bench import Bench, now, path
from tests.support.operatorprocess import OperatorProcess
from tests.support.playedcluster import PlayedCluster
from tests.support.web import web

API = "leeboard.dev/v1alpha1"
PLURALS = {"ModelDeployment": "modeldeployments", "DriftMonitor": "driftmonitors", "RetrainPolicy": "retrainpolicies"}
ANSWER = {"outputs": [{"name": "predict", "shape": [1], "datatype": "FP64", "data": [0.5]}]}
SIGNATURE = {"inputs": json.dumps([{"type": "double", "name": "distance"}])}
ARMS = "inferenceservices"
AT_ONCE = 16
"""Requests of the test at a time."""


def manifests(name: str) -> dict[str, dict[str, Any]]:
    """Return one object of each kind, all about one model."""
    about = {"modelDeploymentRef": {"name": name}}
    gate = {"name": "better", "metric": "roc_auc", "minGainOverChampion": 0}
    return {
        "ModelDeployment": {"model": {"name": name}},
        "DriftMonitor": {**about, "schedule": {"cron": "0 0 1 1 *"}, "window": {"duration": "6h"}},
        "RetrainPolicy": {
            **about,
            "level": {"scheduled": {"cron": "0 0 1 1 *"}},
            "data": {"dataset": {"uri": "s3://data/train.parquet", "labelColumn": "late", "timestampColumn": "at"}},
            "trainer": {"builtin": {"refit": {}}},
            "evaluation": {"gates": [gate]},
        },
    }


@dataclass
class Fleet:
    """So many objects of each kind, and the operator."""

    bench: Bench
    operator: OperatorProcess
    mlflow: MlflowClient
    size: int

    async def make_refused(self, count: int, namespace: str) -> None:
        """Create ModelDeployments in a namespace whose quota refuses the arms of all of them."""
        where = f"/api/v1/namespaces/{namespace}/resourcequotas"
        hard = {"hard": {"count/inferenceservices.serving.kserve.io": "0"}}
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": hard}
        (await self.bench.person.post(where, json=quota)).raise_for_status()
        used = {"used": dict.fromkeys(hard["hard"], "0")}
        await self.bench.patch(f"{where}/full/status", {"status": hard | used})  # as the quota's controller does
        elsewhere = Bench(self.bench.plane, namespace, self.bench.person)
        limit = asyncio.Semaphore(AT_ONCE)

        async def create(number: int) -> None:
            metadata = {"name": f"refused-{number}", "namespace": namespace}
            spec = {"model": {"name": self.names[0]}}
            manifest = {"apiVersion": API, "kind": "ModelDeployment", "metadata": metadata, "spec": spec}
            async with limit:
                await elsewhere.create(manifest, PLURALS["ModelDeployment"])

        await asyncio.gather(*(create(number) for number in range(count)))

    async def refused(self, namespace: str) -> int:
        """Return how many ModelDeployments of a namespace say that the quota refuses their arms."""
        answer = await self.bench.person.get(path(namespace, PLURALS["ModelDeployment"]))
        told = [(raw.get("status") or {}).get("conditions", []) for raw in answer.json()["items"]]
        return sum(any("quota" in entry.get("message", "") for entry in conditions) for conditions in told)

    @property
    def names(self) -> list[str]:
        return [f"model-{number}" for number in range(self.size)]

    async def make(self) -> None:
        """Register the models and create the objects."""
        await asyncio.to_thread(self._register)
        limit = asyncio.Semaphore(AT_ONCE)

        async def create(kind: str, name: str, spec: dict[str, Any]) -> None:
            metadata = {"name": name, "namespace": self.bench.namespace}
            manifest = {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}
            async with limit:
                await self.bench.create(manifest, PLURALS[kind])

        objects = [(kind, name, spec) for name in self.names for kind, spec in manifests(name).items()]
        await asyncio.gather(*(create(*each) for each in objects))

    def _register(self) -> None:
        run = self.mlflow.create_run("0")
        self.mlflow.log_dict(run.info.run_id, {"signature": SIGNATURE}, "model/MLmodel")
        source = f"{run.info.artifact_uri}/model"
        for name in self.names:
            self.mlflow.create_registered_model(name)
            self.mlflow.create_model_version(name, source, run.info.run_id)
            self.mlflow.set_registered_model_alias(name, "champion", "1")

    async def unsettled(self) -> int:
        """Return how many objects are not Ready."""
        count = 0
        for plural in PLURALS.values():
            answer = await self.bench.person.get(path(self.bench.namespace, plural))
            for raw in answer.json()["items"]:
                found = (raw.get("status") or {}).get("conditions", [])
                count += ("Ready", "True") not in [(entry["type"], entry["status"]) for entry in found]
        return count

    async def settle(self, within: float) -> float:
        """Wait until every object is Ready, and return the seconds."""
        began = time.monotonic()

        async def settled() -> bool:
            return await self.unsettled() == 0

        await until(settled, f"{3 * self.size} objects to be Ready", within=within, every=0.5)
        return time.monotonic() - began

    async def passes(self) -> int:
        """Return how many passes the operator has made."""
        port = self.operator.variables["LEEBOARD_METRICS_PORT"]
        try:
            async with httpx.AsyncClient(trust_env=False) as browser:
                text = (await browser.get(f"http://127.0.0.1:{port}/metrics")).text
        except httpx.HTTPError:
            return 0
        return sum(int(float(number)) for number in re.findall(r"pass_seconds_count\{[^}]*\} (\S+)", text))

    async def restart(self, within: float) -> tuple[float, float]:
        """Kill the operator, start it again, and return the seconds until it works and until it has looked at all."""
        await self.operator.kill()
        began = time.monotonic()
        await self.operator.start()
        works = await self._looked_at(1, began, within)
        return works, await self._looked_at(3 * self.size, began, within)

    async def _looked_at(self, objects: int, began: float, within: float) -> float:
        async def looked() -> bool:
            return await self.passes() >= objects

        await self.bench.until(looked, f"passes of {objects} objects", within=within)
        return time.monotonic() - began

    async def list_seconds(self) -> float:
        """Return the seconds that listing the objects once takes."""
        began = time.monotonic()
        await self.unsettled()
        return time.monotonic() - began

    def writes_by_kind(self) -> Counter[str]:
        """Count the writes for each kind of ours: those to its objects and to their children; Events apart."""
        owners = {"driftmonitors": "DriftMonitor", "retrainpolicies": "RetrainPolicy", "events": "Event"}
        return Counter(owners.get(event["objectRef"]["resource"], "ModelDeployment") for event in self.bench.writes())

    async def react(self, count: int) -> list[float]:
        """Change some specs, one after the other, and return the seconds from each change to its child's write."""
        found = []
        for number, name in enumerate(self.names[:count]):
            where = f"{path(self.bench.namespace, 'modeldeployments')}/{name}"
            before = now()
            await self.bench.patch(where, {"spec": {"serving": {"replicas": {"max": 3 + number % 2}}}})
            changed = time.time()

            async def written(before: str = before) -> str:
                made = [event for event in self.bench.writes(before) if event["objectRef"]["resource"] == ARMS]
                return str(made[0]["requestReceivedTimestamp"]) if made else ""

            found.append(datetime.fromisoformat(await self._until_told(written)).timestamp() - changed)
        return found

    async def _until_told(self, ask: Any) -> str:
        told = ""

        async def there() -> bool:
            nonlocal told
            told = await ask()
            return bool(told)

        await self.bench.until(there, "a child to be written", within=30)
        return told

    @property
    def resident_mb(self) -> float:
        """The operator's memory now, MB."""
        assert self.operator.process is not None
        status = Path(f"/proc/{self.operator.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024


def quantile(values: list[float], share: float) -> float:
    """Return a quantile, by the nearest of the values."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


@asynccontextmanager
async def fleet(bench: Bench, mlflow_server: str, size: int, log: Path) -> AsyncIterator[Fleet]:
    """Have a fleet whose arms are rolled out as they are made; the operator is not started yet.

    Args:
        bench: The API server.
        mlflow_server: MLflow.
        size: Objects of each kind.
        log: Where the operator's log goes.
    """
    with web() as arms:
        arms.body = json.dumps(ANSWER).encode()
        variables = {
            "LEEBOARD_TRACKING_URI": mlflow_server,
            "LEEBOARD_COLLECTOR_URL": arms.url,
            "LEEBOARD_METRICS_PORT": str(free_port()),
            "LEEBOARD_HEALTH_PORT": str(free_port()),
            "HTTP_PROXY": arms.url,
        }
        operator = OperatorProcess(bench, log, tuple(PLURALS), variables)
        cluster = PlayedCluster(bench)
        playing = asyncio.create_task(cluster.play(every=1.0))
        try:
            yield Fleet(bench, operator, MlflowClient(mlflow_server), size)
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            await operator.kill()
