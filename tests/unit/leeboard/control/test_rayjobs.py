from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from leeboard.api.checks import Columns
from leeboard.api.shared import JobTemplate, ObjectMeta, RayClusterShape, ResourceRequirements, SecretRef, Toleration
from leeboard.contract.jobs import DriftRequest, LogTables
from leeboard.control import children
from leeboard.control.clock import instant
from leeboard.control.rayjobs import JobState, JobVerdict, job_verdict, ray_job
from leeboard.settings import Settings

GOLDEN = Path(__file__).parents[3] / "golden" / "rayjobs"
OWNER = ObjectMeta(name="flights", namespace="ml", uid="uid-1")
REQUEST = DriftRequest(
    namespace="ml",
    owner="flights",
    owner_uid="uid-1",
    model_deployment="flights",
    model_name="flights",
    tracking_uri="http://mlflow",
    version="3",
    window_start_time="2026-01-01T00:00:00Z",
    window_end_time="2026-01-01T06:00:00Z",
    log=LogTables(predictions="/log/p", labels="/log/l"),
    arms=(),
    columns=Columns(),
    checks=(),
    min_rows=100,
    max_rows=1000,
)


def made(template: JobTemplate, **settings: Any) -> dict[str, Any]:
    return ray_job(
        name="flights-drift-0123456789",
        kind="DriftMonitor",
        owner=OWNER,
        labels=children.labels("flights", {children.LABEL_DRIFT_MONITOR: "flights"}),
        template=template,
        request=REQUEST,
        settings=Settings(**settings),
    )


def pods(job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    workers = [group["template"] for group in cluster.get("workerGroupSpecs", [])]
    return [job["spec"]["submitterPodTemplate"], cluster["headGroupSpec"]["template"], *workers]


def test_a_job_on_a_standing_cluster_is_posted_to_it():
    spec = made(JobTemplate(cluster_selector={"ray.io/cluster": "pool"}))["spec"]
    assert spec["submissionMode"] == "HTTPMode"
    assert spec["clusterSelector"] == {"ray.io/cluster": "pool"}
    # KubeRay refuses these together with a selector, or would take the standing cluster down.
    assert not {"rayClusterSpec", "backoffLimit", "shutdownAfterJobFinishes", "submitterPodTemplate"} & spec.keys()


def test_the_settings_cluster_serves_jobs_that_name_none():
    assert made(JobTemplate(), cluster_selector={"ray.io/cluster": "pool"})["spec"]["submissionMode"] == "HTTPMode"


@pytest.mark.parametrize(
    "template",
    [
        JobTemplate(image="mine:1"),
        JobTemplate(cluster=RayClusterShape()),
        JobTemplate(env_from_secret=SecretRef(name="keys")),
        JobTemplate(queue_name="ml"),
    ],
)
def test_a_job_that_asks_for_something_of_its_own_gets_its_own_cluster(template: JobTemplate):
    assert made(template, cluster_selector={"ray.io/cluster": "pool"})["spec"]["submissionMode"] == "K8sJobMode"


def test_a_job_of_its_own_runs_once_and_takes_its_cluster_down():
    spec = made(JobTemplate(active_deadline="1h", pre_running_deadline="5m"))["spec"]
    assert spec["submitterConfig"] == {"backoffLimit": 0}
    assert "backoffLimit" not in spec
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["activeDeadlineSeconds"] == 3600
    assert spec["preRunningDeadlineSeconds"] == 300
    assert spec["rayClusterSpec"]["rayVersion"] == Settings().ray_version


def test_every_pod_is_hardened_and_has_no_token():
    job = made(JobTemplate(cluster=RayClusterShape(workers=2, service_account_name="trainer")))
    assert len(pods(job)) == 3
    for template in pods(job):
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        (container,) = spec["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert template["metadata"]["labels"]["leeboard.dev/driftmonitor"] == "flights"


def test_jobs_pull_their_images_as_the_settings_say():
    template = JobTemplate(cluster=RayClusterShape(workers=1))
    for pod in pods(made(template, pull_policy="Always", pull_secrets=("registry",))):
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
        assert pod["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    assert "imagePull" not in str(made(template))
    # An image of a person's own keeps what Kubernetes makes of its tag.
    assert "imagePullPolicy" not in str(made(JobTemplate(image="mine:latest"), pull_policy="IfNotPresent"))


def test_without_workers_the_head_computes_and_with_workers_it_does_not():
    alone = made(JobTemplate(cluster=RayClusterShape(resources=ResourceRequirements(limits={"cpu": "4"}))))
    head = alone["spec"]["rayClusterSpec"]["headGroupSpec"]
    assert head["template"]["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "4"}}
    assert head["rayStartParams"] == {}
    many = made(JobTemplate(cluster=RayClusterShape(workers=3)))["spec"]["rayClusterSpec"]
    assert many["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0"}
    (group,) = many["workerGroupSpecs"]
    assert (group["replicas"], group["minReplicas"], group["maxReplicas"]) == (3, 3, 3)


def test_gpus_and_places_belong_to_those_who_compute():
    shape = RayClusterShape(
        workers=1, gpus_per_worker=2, node_selector={"pool": "gpu"}, tolerations=[Toleration(key="gpu")]
    )
    cluster = made(JobTemplate(cluster=shape))["spec"]["rayClusterSpec"]
    worker = cluster["workerGroupSpecs"][0]["template"]["spec"]
    assert worker["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert worker["nodeSelector"] == {"pool": "gpu"}
    assert worker["tolerations"] == [{"key": "gpu"}]
    head = cluster["headGroupSpec"]["template"]["spec"]
    assert "nodeSelector" not in head
    assert "nvidia.com/gpu" not in head["containers"][0]["resources"]["limits"]


def test_the_secret_reaches_ray_but_not_the_submitter():
    submitter, head = pods(made(JobTemplate(env_from_secret=SecretRef(name="keys"))))
    assert head["spec"]["containers"][0]["envFrom"] == [{"secretRef": {"name": "keys"}}]
    assert "envFrom" not in submitter["spec"]["containers"][0]


def test_the_request_travels_in_a_form_that_no_shell_reads_as_code():
    job = made(JobTemplate(), passed_environment={"MLFLOW_S3_ENDPOINT_URL": "http://s3"})
    variables = yaml.safe_load(job["spec"]["runtimeEnvYAML"])["env_vars"]
    assert variables["MLFLOW_TRACKING_URI"] == "http://mlflow"
    assert variables["MLFLOW_S3_ENDPOINT_URL"] == "http://s3"
    assert DriftRequest.decode(variables["LEEBOARD_REQUEST"]) == REQUEST
    assert not set(variables["LEEBOARD_REQUEST"]) & set("\"'$`\\ (){}")
    assert job["spec"]["entrypoint"] == "leeboard-worker drift"


def test_a_job_does_not_wait_long_for_mlflow_unless_the_platform_says_so():
    def variables(**settings: Any) -> dict[str, str]:
        return dict(yaml.safe_load(made(JobTemplate(), **settings)["spec"]["runtimeEnvYAML"])["env_vars"])

    assert variables()["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "3"
    assert variables()["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "30"
    patient = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "120"}
    assert variables(passed_environment=patient)["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "120"


def test_the_job_belongs_to_its_owner_and_names_its_request():
    metadata = made(JobTemplate(queue_name="ml"))["metadata"]
    assert metadata["ownerReferences"][0]["uid"] == "uid-1"
    assert metadata["ownerReferences"][0]["controller"] is True
    assert metadata["annotations"]["leeboard.dev/request"] == REQUEST.request_hash
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "leeboard"
    assert metadata["labels"]["kueue.x-k8s.io/queue-name"] == "ml"


def golden(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((GOLDEN / f"{name}.yaml").read_text()))


def soon(job: dict[str, Any]) -> datetime:
    return instant(job["metadata"]["creationTimestamp"].replace("Z", "+00:00")) + timedelta(seconds=30)


@pytest.mark.parametrize(
    ("name", "state", "reason"),
    [
        ("initializing", JobState.RUNNING, ""),
        ("dashboard-down", JobState.RUNNING, ""),
        ("running", JobState.RUNNING, ""),
        ("succeeded-submitter-running", JobState.RUNNING, ""),
        ("second-attempt", JobState.RUNNING, ""),
        ("submission-rejected", JobState.RUNNING, ""),
        ("suspended", JobState.QUEUED, ""),
        ("complete", JobState.SUCCEEDED, ""),
        ("complete-though-submitter-hangs", JobState.SUCCEEDED, ""),
        ("stopped", JobState.CANCELLED, "JobStopped"),
        ("app-failed", JobState.FAILED, "AppFailed"),
        ("submission-failed", JobState.FAILED, "SubmissionFailed"),
        ("status-check-timeout", JobState.FAILED, "JobStatusCheckTimeoutExceeded"),
        ("no-such-cluster", JobState.FAILED, "PreRunningDeadlineExceeded"),
        ("prerunning-deadline", JobState.FAILED, "PreRunningDeadlineExceeded"),
        ("deadline", JobState.FAILED, "DeadlineExceeded"),
        ("validation-failed", JobState.FAILED, "ValidationFailed"),
    ],
)
def test_a_real_controllers_status_is_read_as_what_it_means(name: str, state: JobState, reason: str):
    job = golden(name)
    verdict = job_verdict(job, soon(job))
    assert (verdict.state, verdict.reason) == (state, reason)
    assert verdict.ended == (state not in {JobState.RUNNING, JobState.QUEUED})
    assert verdict.retryable == (name != "validation-failed")


def test_a_job_that_is_complete_but_failed_has_failed():
    job = golden("complete")
    job["status"]["jobStatus"] = "FAILED"
    assert job_verdict(job, soon(job)).state is JobState.FAILED


def test_a_job_that_nobody_takes_up_fails_by_our_own_clock():
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    job = made(JobTemplate(pre_running_deadline="5m", active_deadline="1h"))
    assert job_verdict(job, now) == JobVerdict(JobState.RUNNING)
    job["metadata"]["creationTimestamp"] = "2026-01-01T11:59:16Z"
    assert job_verdict(job, now).state is JobState.RUNNING
    job["metadata"]["creationTimestamp"] = "2026-01-01T11:59:15Z"
    assert job_verdict(job, now) == JobVerdict(JobState.UNCLAIMED)
    assert not job_verdict(job, now).ended
    job["metadata"]["creationTimestamp"] = "2026-01-01T11:54:01Z"
    assert job_verdict(job, now).state is JobState.UNCLAIMED
    job["metadata"]["creationTimestamp"] = "2026-01-01T11:50:00Z"
    assert job_verdict(job, now).reason == "NotTakenUp"
    job["spec"]["suspend"] = True  # Kueue holds it back
    assert job_verdict(job, now).state is JobState.UNCLAIMED
    job["status"] = {"jobDeploymentStatus": "Suspended"}
    assert job_verdict(job, now).state is JobState.QUEUED


def test_a_job_that_runs_for_ever_fails_by_our_own_clock():
    job = golden("running")
    deadline = timedelta(seconds=job["spec"]["activeDeadlineSeconds"])
    assert job_verdict(job, soon(job) + deadline).state is JobState.RUNNING
    assert job_verdict(job, soon(job) + deadline + timedelta(minutes=2)).reason == "DeadlineExceeded"


def told(message: str) -> str:
    job = golden("app-failed")
    job["status"]["message"] = message
    return job_verdict(job, soon(job)).message


FAILED = "Job entrypoint command failed with exit code 1"
LOG = f"{FAILED}, last available logs (truncated to 20,000 chars):\n"
TRACE = """2026-01-05 12:00:00 INFO fitting
\x1b[33mTraceback (most recent call last):\x1b[0m
  File "tracking.py", line 12, in claim
    raise ConnectionError(uri)
ConnectionError: MLflow at http://mlflow does not answer
"""


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (TRACE, "ConnectionError: MLflow at http://mlflow does not answer"),
        (f"{TRACE}\n  \n", "ConnectionError: MLflow at http://mlflow does not answer"),
        ("x\n" * 5_000 + TRACE, "ConnectionError: MLflow at http://mlflow does not answer"),
        (
            "loading\nValueError: 2 columns are wrong:\n  dep_delay\n  origin\n",
            "ValueError: 2 columns are wrong: dep_delay origin",
        ),
        ("Killed", "Killed"),
    ],
)
def test_of_a_log_in_the_message_the_end_is_kept(log: str, expected: str):
    assert told(LOG + log) == f"{FAILED}: {expected}"


@pytest.mark.parametrize("log", ["x" * 20_000, LOG + "x" * 20_000, LOG + "  x\n" * 5_000])
def test_a_message_is_bounded(log: str):
    assert len(told(log)) <= 512
