"""RayJob → the job API of a local Ray head, over HTTP as KubeRay's HTTPMode does."""

import contextlib
from typing import Any

import httpx
import yaml

from leeboard.sandbox.standins.cluster import RAY_JOBS, Cluster, Document, timestamp

_ENDED = {"SUCCEEDED": "Complete", "STOPPED": "Complete", "FAILED": "Failed"}
_LONGEST_MESSAGE = 2_000


class RayJobs:
    """Submits each RayJob once, follows it, and stops it when the object goes."""

    def __init__(self, cluster: Cluster, dashboard: str) -> None:
        self._cluster = cluster
        self._ray = httpx.AsyncClient(base_url=dashboard, trust_env=False, timeout=20)
        self._submitted: dict[str, str] = {}

    async def close(self) -> None:
        """Close the connections to Ray."""
        await self._ray.aclose()

    async def reconcile(self) -> None:
        """Bring every RayJob one step on."""
        present = set()
        for job in self._cluster.all(RAY_JOBS):
            present.add(job["metadata"]["uid"])
            with contextlib.suppress(httpx.HTTPError):
                await self._advance(job)
        for uid in [uid for uid in self._submitted if uid not in present]:
            job_id = self._submitted.pop(uid)
            with contextlib.suppress(httpx.HTTPError):
                await self._ray.post(f"/api/jobs/{job_id}/stop")

    @property
    def busy(self) -> bool:
        """Whether a job is under way, so that it must be looked after."""
        return any(
            (job.get("status") or {}).get("jobDeploymentStatus") not in {"Complete", "Failed", "ValidationFailed"}
            for job in self._cluster.all(RAY_JOBS)
        )

    async def _advance(self, job: Document) -> None:
        status = job.get("status") or {}
        if status.get("jobDeploymentStatus") in {"Complete", "Failed", "ValidationFailed"}:
            return
        job_id = status.get("jobId")
        if job_id is None:
            job_id = f"{job['metadata']['name']}-{job['metadata']['uid'][:5]}"
            await self._write(job, {"jobId": job_id, "jobDeploymentStatus": "Initializing", "startTime": timestamp()})
            return
        info = await self._info(job_id)
        if info is None:
            await self._submit(job, job_id)
            await self._write(job, {"jobDeploymentStatus": "Running"})
            return
        self._submitted[job["metadata"]["uid"]] = job_id
        await self._write(job, job_status(info))

    async def _info(self, job_id: str) -> dict[str, Any] | None:
        answer = await self._ray.get(f"/api/jobs/{job_id}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        info: dict[str, Any] = answer.raise_for_status().json()
        return info

    async def _submit(self, job: Document, job_id: str) -> None:
        spec = job["spec"]
        body = {
            "entrypoint": spec["entrypoint"],
            "submission_id": job_id,
            "runtime_env": yaml.safe_load(spec.get("runtimeEnvYAML") or "{}"),
            "metadata": spec.get("metadata") or {},
        }
        for name in ("entrypointNumCpus", "entrypointNumGpus"):
            if name in spec:
                body[{"entrypointNumCpus": "entrypoint_num_cpus"}.get(name, "entrypoint_num_gpus")] = spec[name]
        (await self._ray.post("/api/jobs/", json=body)).raise_for_status()
        self._submitted[job["metadata"]["uid"]] = job_id

    async def _write(self, job: Document, status: Document) -> None:
        metadata = job["metadata"]
        await self._cluster.write_status(RAY_JOBS, metadata["namespace"], metadata["name"], status)


def job_status(info: dict[str, Any]) -> Document:
    """Translate what Ray's job API says into what KubeRay writes."""
    state = info["status"]
    status: Document = {
        "jobStatus": state,
        "jobDeploymentStatus": _ENDED.get(state, "Running"),
        "message": (info.get("message") or "")[:_LONGEST_MESSAGE],
        "succeeded": int(state == "SUCCEEDED"),
        "failed": int(state == "FAILED"),
    }
    if state == "FAILED":
        status["reason"] = "AppFailed"
    if state in _ENDED:
        status["endTime"] = timestamp()
    return status
