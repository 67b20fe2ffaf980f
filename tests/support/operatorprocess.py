"""The real operator as a process of its own, that a test may kill at any moment; and the workers, played in MLflow."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mlflow import MlflowClient

from leeboard.contract import tags
from leeboard.contract.jobs import JobReport, JobRequest, RetrainRequest
from leeboard.sandbox.processes import free_port
from tests.support.bench import Bench
from tests.support.playedworld import read_request

PYTHON = os.environ.get("LEEBOARD_OPERATOR_PYTHON", sys.executable)
"""What the operator is run by: an environment with its own packages only costs what its image does."""

RAY = "ray.io/v1"
_RUN = """
import sys
from leeboard.app import LOOPS, run
from leeboard.settings import Settings
run(Settings.from_environment(), [loop for loop in LOOPS if loop.kind in sys.argv[1:]])
"""


@dataclass
class OperatorProcess:
    """An operator that works on some kinds only, so that the test can play the others."""

    bench: Bench
    log: Path
    kinds: tuple[str, ...]
    variables: dict[str, str]
    process: asyncio.subprocess.Process | None = field(default=None)

    async def start(self) -> None:
        environment = {
            **os.environ,
            "LEEBOARD_NAMESPACES": self.bench.namespace,
            "LEEBOARD_METRICS_PORT": str(free_port()),
            "LEEBOARD_HEALTH_PORT": str(free_port()),
            "NO_PROXY": "127.0.0.1,localhost",
            **self.variables,
        }
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                PYTHON, "-c", _RUN, *self.kinds, env=environment, stdout=log, stderr=log
            )

    async def kill(self) -> None:
        """Let it die in the middle of whatever it does."""
        await self._end(lambda process: process.kill())

    async def stop(self) -> None:
        await self._end(lambda process: process.terminate())

    async def _end(self, how: Any) -> None:
        process, self.process = self.process, None
        if process is not None and process.returncode is None:
            how(process)
            await process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


async def jobs(bench: Bench) -> dict[str, dict[str, Any]]:
    """Return the RayJobs of the namespace."""
    answer = await bench.person.get(f"/apis/{RAY}/namespaces/{bench.namespace}/rayjobs")
    return {raw["metadata"]["name"]: raw for raw in answer.json()["items"]}


async def end_job(bench: Bench, name: str, deployment: str = "Complete", job: str = "SUCCEEDED") -> None:
    """Let KubeRay say that a job ended."""
    where = f"/apis/{RAY}/namespaces/{bench.namespace}/rayjobs/{name}/status"
    await bench.patch(where, {"status": {"jobDeploymentStatus": deployment, "jobStatus": job}})


async def request_of(bench: Bench, name: str) -> JobRequest:
    """Read what a job was told."""
    return read_request((await jobs(bench))[name])


def leave_report(tracking_uri: str, request: JobRequest, report: JobReport) -> str:
    """Leave the finished run that a worker would leave, and return its id."""
    client = MlflowClient(tracking_uri)
    found = client.get_experiment_by_name(request.experiment)
    experiment = found.experiment_id if found is not None else client.create_experiment(request.experiment)
    named = {
        tags.REQUEST: request.request_hash,
        tags.KIND: report.kind,  # type: ignore[attr-defined]
        tags.OBJECT: f"{request.namespace}/{request.owner}",
    }
    if isinstance(request, RetrainRequest):
        named[tags.TRIGGERS] = json.dumps([trigger.document() for trigger in request.triggers])
    run = client.create_run(experiment, tags=named)
    client.log_dict(run.info.run_id, report.document(), "report.json")
    client.log_text(run.info.run_id, "<html></html>", "report.html")
    client.set_terminated(run.info.run_id, "FINISHED")
    return str(run.info.run_id)
