"""RayJobs: the one manifest that all kinds make, and what a RayJob's status means. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import yaml

from leeboard.api.base import seconds
from leeboard.api.shared import JobTemplate, ObjectMeta, RayClusterShape
from leeboard.contract.jobs import REQUEST_VARIABLE, JobRequest
from leeboard.contract.serving import ENV_TRACKING_URI
from leeboard.control import children
from leeboard.control.clock import instant
from leeboard.control.conditions import cut
from leeboard.control.pods import PATIENCE
from leeboard.settings import Settings

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"

_IMPATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""MLflow's client tries for minutes of itself. A job whose MLflow is down is to fail at once instead: the operator sees
that, says so, and tries again with a back-off, while a job that hangs holds its cluster until the deadline."""
_CLUSTER_LIVES_ON = 60
"""Seconds that a job's own cluster stays after the end, for its logs."""
_UNCLAIMED = timedelta(seconds=45)
"""KubeRay takes a job up within seconds."""
_GRACE = timedelta(seconds=60)
"""So much later than KubeRay we hold a deadline ourselves: KubeRay may be away."""
_MAX_MESSAGE = 512
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NODE = {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}}
_BARE_HEAD = {"requests": {"cpu": "300m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}}
_SUBMITTER = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}


def ray_job(
    *,
    name: str,
    kind: str,
    owner: ObjectMeta,
    labels: Mapping[str, str],
    template: JobTemplate,
    request: JobRequest,
    settings: Settings,
    packages: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the RayJob that hands a request to a worker.

    Args:
        name: From `names.ray_job`.
        kind: Kind of the owner.
        owner: The owner's metadata.
        labels: From `children.labels`; put on the job and on its pods.
        template: How the job runs.
        request: What it is told; its `kind` names the worker's command.
        settings: The operator's settings.
        packages: Python packages that Ray installs for the job, as pip takes them.

    Raises:
        ValueError: the request is too large for an environment variable.
    """
    selector = _selector(template, settings)
    manifest_labels = dict(labels) | ({QUEUE_LABEL: template.queue_name} if template.queue_name else {})
    metadata = children.metadata(name, kind, owner, manifest_labels)
    metadata["annotations"] = {children.ANNOTATION_REQUEST: request.request_hash}
    runtime: dict[str, Any] = {"env_vars": _environment(request, settings)}
    if packages:
        runtime["pip"] = list(packages)
    spec: dict[str, Any] = {
        # The entrypoint is pasted into a shell command: nothing in it comes from outside.
        "entrypoint": f"leeboard-worker {request.kind}",
        "runtimeEnvYAML": yaml.safe_dump(runtime, width=1_000_000),
        "activeDeadlineSeconds": seconds(template.active_deadline),
        "preRunningDeadlineSeconds": seconds(template.pre_running_deadline),
    }
    if selector:
        spec |= {"submissionMode": "HTTPMode", "clusterSelector": selector}
    else:
        spec |= {
            "submissionMode": "K8sJobMode",
            # More than 0 would run the job a second time when the head pod is lost.
            "submitterConfig": {"backoffLimit": 0},
            "submitterPodTemplate": _pod(template, settings, labels, "ray-job-submitter", _SUBMITTER, submitter=True),
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": _CLUSTER_LIVES_ON,
            "rayClusterSpec": _cluster(template, settings, labels),
        }
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": metadata, "spec": spec}


def _selector(template: JobTemplate, settings: Settings) -> dict[str, str]:
    if template.cluster_selector:
        return dict(template.cluster_selector)
    own_needs = template.members_set("cluster", "image", "envFromSecret", "queueName")
    return {} if own_needs else dict(settings.cluster_selector)


def _environment(request: JobRequest, settings: Settings) -> dict[str, str]:
    return {
        **_IMPATIENCE,
        **settings.passed_environment,
        ENV_TRACKING_URI: request.tracking_uri,
        REQUEST_VARIABLE: request.encode(),
    }


def _cluster(template: JobTemplate, settings: Settings, labels: Mapping[str, str]) -> dict[str, Any]:
    shape = template.cluster or RayClusterShape()
    node = _node_resources(shape)
    alone = shape.workers == 0
    # A head with workers holds the cluster together and computes nothing itself.
    head_parameters = {} if alone else {"num-cpus": "0"}
    head = _pod(template, settings, labels, "ray-head", node if alone else _BARE_HEAD, shape=shape if alone else None)
    cluster: dict[str, Any] = {
        "rayVersion": settings.ray_version,
        "headGroupSpec": {"rayStartParams": head_parameters, "template": head},
    }
    if not alone:
        cluster["workerGroupSpecs"] = [
            {
                "groupName": "workers",
                "replicas": shape.workers,
                "minReplicas": shape.workers,
                "maxReplicas": shape.workers,
                "rayStartParams": {},
                "template": _pod(template, settings, labels, "ray-worker", node, shape=shape),
            }
        ]
    return cluster


def _node_resources(shape: RayClusterShape) -> dict[str, Any]:
    resources = shape.resources.document() or {name: dict(values) for name, values in _NODE.items()}
    if shape.gpus_per_worker:
        gpus = {"nvidia.com/gpu": str(shape.gpus_per_worker)}
        resources["limits"] = {**resources.get("limits", {}), **gpus}
        resources["requests"] = {**resources.get("requests", {}), **gpus}
    return resources


def _pod(
    template: JobTemplate,
    settings: Settings,
    labels: Mapping[str, str],
    container: str,
    resources: Mapping[str, Any],
    *,
    shape: RayClusterShape | None = None,
    submitter: bool = False,
) -> dict[str, Any]:
    """Return a hardened pod template: not root, read-only root file system, no token of the Kubernetes API."""
    main: dict[str, Any] = {
        "name": container,
        "image": template.image or settings.worker_image,
        **({} if template.image else settings.pulled),
        "resources": dict(resources),
        "env": [{"name": "HOME", "value": "/tmp"}],  # noqa: S108 (a volume of the pod's own)
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # A head that runs a job ignores SIGTERM.
        "terminationGracePeriodSeconds": 5,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [main],
        **settings.pulling,
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    if submitter:
        spec["restartPolicy"] = "Never"
    elif template.env_from_secret:
        main["envFrom"] = [{"secretRef": {"name": template.env_from_secret.name}}]
    if shape is not None:
        placed = shape.document()
        spec |= {name: placed[name] for name in ("nodeSelector", "tolerations", "serviceAccountName") if name in placed}
    return {"metadata": {"labels": dict(labels)}, "spec": spec}


class JobState(StrEnum):
    """Where a job is."""

    RUNNING = "Running"
    QUEUED = "Queued"
    UNCLAIMED = "Unclaimed"
    SUCCEEDED = "Succeeded"
    CANCELLED = "Cancelled"
    FAILED = "Failed"


@dataclass(frozen=True)
class JobVerdict:
    """What a RayJob's status means."""

    state: JobState
    reason: str = ""
    """CamelCase reason of a failure: KubeRay's own where it gives one."""
    message: str = ""
    """The failure in a sentence or a few."""
    retryable: bool = True
    """Whether another attempt may go better."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of the job."""
        return self.state not in {JobState.RUNNING, JobState.QUEUED, JobState.UNCLAIMED}


def job_verdict(job: Mapping[str, Any], now: datetime) -> JobVerdict:
    """Read a RayJob: KubeRay's two states by their rules, and our own deadline in case that KubeRay is away."""
    status = job.get("status") or {}
    deployment, outcome = status.get("jobDeploymentStatus", ""), status.get("jobStatus", "")
    reason, message = status.get("reason", ""), _gist(status.get("message", ""))
    if deployment == "ValidationFailed":
        return JobVerdict(JobState.FAILED, reason or deployment, message or "KubeRay refused the job", retryable=False)
    if deployment == "Complete" and outcome == "SUCCEEDED":
        return JobVerdict(JobState.SUCCEEDED)  # even when KubeRay gives a reason: its submitter may have hung
    if deployment == "Complete" and outcome == "STOPPED":
        return JobVerdict(JobState.CANCELLED, "JobStopped", "someone stopped the job")
    if deployment in {"Failed", "Complete"}:
        return JobVerdict(JobState.FAILED, reason or "JobFailed", message or "the job failed; its log tells why")
    if deployment == "Suspended":
        return JobVerdict(JobState.QUEUED)
    unclaimed = not deployment and _age(job, now) >= _UNCLAIMED
    return _overdue(job, deployment, now) or JobVerdict(JobState.UNCLAIMED if unclaimed else JobState.RUNNING)


def _gist(message: str) -> str:
    """Return what KubeRay says, and of a log that follows it the end: there stands the error."""
    lines = [line.rstrip() for line in _COLOUR.sub("", message).splitlines() if line.strip()]
    if len(lines) < 2:  # noqa: PLR2004 (no log follows)
        return cut("".join(lines), _MAX_MESSAGE)
    said = cut(lines[0].partition(", last available logs")[0], _MAX_MESSAGE // 4)
    # What a sentence is continued with, and the frames of a trace, are indented.
    start = next((place for place in range(len(lines) - 1, 0, -1) if not lines[place][0].isspace()), len(lines) - 1)
    end = " ".join(line.strip() for line in lines[start:])
    return cut(f"{said}: {end}", _MAX_MESSAGE)


def _overdue(job: Mapping[str, Any], deployment: str, now: datetime) -> JobVerdict | None:
    spec, age = job["spec"], _age(job, now) - _GRACE
    if not deployment and not spec.get("suspend") and age.total_seconds() > spec.get("preRunningDeadlineSeconds", 900):
        return JobVerdict(
            JobState.FAILED, "NotTakenUp", "no controller took up the RayJob: see whether KubeRay's operator runs"
        )
    if "activeDeadlineSeconds" in spec and age.total_seconds() > spec["activeDeadlineSeconds"]:
        return JobVerdict(
            JobState.FAILED, "DeadlineExceeded", "the job did not end in time and KubeRay did not stop it"
        )
    return None


def _age(job: Mapping[str, Any], now: datetime) -> timedelta:
    created = job["metadata"].get("creationTimestamp")
    return now - instant(created) if created is not None else timedelta(0)


def awaited_pods(job: Mapping[str, Any], now: datetime) -> str | None:
    """Return the label selector of the pods that a job has waited for long enough to ask them; None: it need not."""
    status = job.get("status") or {}
    cluster = status.get("rayClusterName")
    if status.get("jobDeploymentStatus") != "Initializing" or not cluster:
        return None
    return f"ray.io/cluster={cluster}" if _age(job, now) >= PATIENCE else None


def is_running(job: Mapping[str, Any], now: datetime) -> bool:
    """Say whether a job takes up room: it has not ended."""
    return not job_verdict(job, now).ended
