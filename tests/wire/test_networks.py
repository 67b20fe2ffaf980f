"""The network policies that the security page gives: taken by an API server, and of the pods that they mean."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from leeboard.api.modeldeployment import ModelDeployment
from leeboard.api.shared import JobTemplate, RayClusterShape
from leeboard.control import children
from leeboard.control.rayjobs import ray_job
from leeboard.modeldeployment import manifests
from leeboard.settings import Settings
from tests.support.bench import Bench
from tests.unit.leeboard.control.test_rayjobs import OWNER, REQUEST
from tests.wire.test_chart import refusal

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "security.md"
RAY = {"ray.io/cluster": "flights-drift-0123456789-x7k2p"}
"""What KubeRay adds to the pods of a cluster."""


def policies() -> dict[str, dict[str, Any]]:
    blocks = PAGE.read_text(encoding="utf-8").split("```yaml\n")[1:]
    documents = [document for block in blocks for document in yaml.safe_load_all(block.split("```")[0])]
    return {document["metadata"]["name"]: document for document in documents}


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    holds = {"Exists": lambda key: key in labels, "DoesNotExist": lambda key: key not in labels}
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        holds[expression["operator"]](expression["key"]) for expression in selector.get("matchExpressions", ())
    )


def job_labels() -> dict[str, dict[str, str]]:
    """Labels of a job's pods, with those that KubeRay adds."""
    spec = ray_job(
        name="flights-drift-0123456789",
        kind="DriftMonitor",
        owner=OWNER,
        labels=children.labels("flights", {children.LABEL_DRIFT_MONITOR: "flights"}),
        template=JobTemplate(cluster=RayClusterShape(workers=1)),
        request=REQUEST,
        settings=Settings(),
    )["spec"]
    cluster = spec["rayClusterSpec"]
    return {
        "head": cluster["headGroupSpec"]["template"]["metadata"]["labels"] | RAY,
        "worker": cluster["workerGroupSpecs"][0]["template"]["metadata"]["labels"] | RAY,
        "submitter": spec["submitterPodTemplate"]["metadata"]["labels"],
    }


def arm_labels() -> dict[str, str]:
    """Labels of an arm, which KServe gives its pods."""
    subject = ModelDeployment.model_validate(
        {"metadata": {"name": "flights", "namespace": "air", "uid": "me"}, "spec": {"model": {"name": "flights"}}}
    )
    arm = manifests.inference_service(
        subject, "7", uri="s3://models/7", detector_uri=None, settings=Settings(), runtime="own"
    )
    return dict(arm["metadata"]["labels"])


def test_the_policy_of_arms_leaves_jobs_alone():
    selector = policies()["leeboard-arms"]["spec"]["podSelector"]

    assert selects(selector, arm_labels())
    assert [name for name, labels in job_labels().items() if selects(selector, labels)] == []


def test_the_policy_of_jobs_lets_a_cluster_and_its_submitter_talk_and_keeps_arms_out():
    spec, pods = policies()["leeboard-jobs"]["spec"], job_labels()
    admitted = [peer["podSelector"] for rule in spec["ingress"] for peer in rule["from"] if "podSelector" in peer]

    assert [name for name, labels in pods.items() if selects(spec["podSelector"], labels)] == ["head", "worker"]
    assert all(any(selects(selector, labels) for selector in admitted) for labels in pods.values())
    assert not selects(spec["podSelector"], arm_labels())
    assert not any(selects(selector, arm_labels()) for selector in admitted)


async def test_the_api_server_takes_them(bench: Bench):
    shown = policies()
    for manifest in shown.values():
        manifest["metadata"]["namespace"] = bench.namespace

    assert len(shown) == 2
    assert [said for manifest in shown.values() if (said := await refusal(bench.person, manifest))] == []
