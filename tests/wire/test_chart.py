"""The chart: what it renders is taken by a real API server, and its pods may run where only restricted pods may."""

import copy
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from leeboard.api.modeldeployment import ModelDeployment
from leeboard.api.shared import JobTemplate, RayClusterShape
from leeboard.control import children
from leeboard.control.rayjobs import ray_job
from leeboard.modeldeployment import manifests
from leeboard.settings import Settings
from tests.support.bench import Bench
from tests.support.helm import CHART, RELEASE_NAMESPACE, HelmError, Render, Values, run
from tests.unit.leeboard.control.test_rayjobs import OWNER, REQUEST

FULL: Values = {
    "monitoring": {"podMonitors": True, "prometheusRule": True, "dashboards": True},
    "collector": {
        "root": "s3://logs/leeboard",
        "storageOptions": {"AWS_ENDPOINT_URL": "http://s3:9000"},
        "tokens": {"namespaces": ["default", "kube-system"]},
        "envFrom": [{"secretRef": {"name": "s3"}}],
        "nodeSelector": {"disk": "fast"},
    },
    "operator": {"env": [{"name": "MLFLOW_TRACKING_USERNAME", "value": "leeboard"}], "podLabels": {"team": "ml"}},
    "ray": {"clusterSelector": {"ray.io/cluster": "pool"}},
    "passedEnvironment": {"AWS_ENDPOINT_URL": "http://s3:9000"},
    "models": {"prefixes": {"air": ["flights", "fraud-"]}},
    "images": {"pullSecrets": [{"name": "registry"}, {"name": "mirror"}]},
    "fetch": {
        "env": [{"name": "LOGIN", "valueFrom": {"secretKeyRef": {"name": "mlflow-login", "key": "user"}}}],
        "envFrom": [{"secretRef": {"name": "mlflow-login", "optional": True}}],
    },
}
PROMETHEUS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
NAMESPACED: Values = {
    "namespaces": ["default", "kube-system"],
    "networkPolicies": {"enabled": True, "from": [PROMETHEUS]},
    "collector": {"tokens": {"existingSecret": "ours"}},
}
PLURALS = {
    "NetworkPolicy": "networkpolicies",
    "ClusterStorageContainer": "clusterstoragecontainers",
    "GatewayClass": "gatewayclasses",
}
NOT_SERVED = "monitoring.coreos.com/v1"
"""Kinds of the Prometheus operator, whose CRDs the sandbox does not have."""


def address(manifest: dict[str, Any]) -> str:
    """Where an object of this kind is made."""
    group, plural = manifest["apiVersion"], PLURALS.get(manifest["kind"], manifest["kind"].lower() + "s")
    root = "/api/v1" if group == "v1" else f"/apis/{group}"
    namespace = manifest["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


async def refusal(person: httpx.AsyncClient, manifest: dict[str, Any]) -> str:
    """Return what the API server has against an object; it makes nothing."""
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    answer = await person.post(address(manifest), params=query, json=manifest)
    return "" if answer.is_success else f"{manifest['kind']} {manifest['metadata']['name']}: {answer.text}"


@pytest.mark.parametrize("values", [{}, FULL, NAMESPACED], ids=["the defaults", "everything", "some namespaces"])
async def test_the_api_server_takes_what_the_chart_renders(values: Values, bench: Bench, render: Render):
    rendered = render(values)
    for manifest in rendered:
        if manifest["metadata"].get("namespace") == "leeboard-system":
            manifest["metadata"]["namespace"] = bench.namespace
    served = [manifest for manifest in rendered if manifest["apiVersion"] != NOT_SERVED]

    assert [said for manifest in served if (said := await refusal(bench.person, manifest))] == []


async def test_the_api_server_takes_the_gateway_of_the_install_page(bench: Bench):
    page = (CHART.parents[1] / "docs" / "operations" / "install.md").read_text(encoding="utf-8")
    blocks = [list(yaml.safe_load_all(block)) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    (shown,) = [block for block in blocks if block[0].get("kind") == "GatewayClass"]
    assert [manifest["kind"] for manifest in shown] == ["GatewayClass", "Gateway"]
    shown[1]["metadata"]["namespace"] = bench.namespace

    assert [said for manifest in shown if (said := await refusal(bench.person, manifest))] == []


async def test_the_api_server_takes_the_runtime_of_the_images_page_which_runs_what_leeboards_own_does(bench: Bench):
    page = (CHART.parents[1] / "docs" / "operations" / "images.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    shown = yaml.safe_load(block)
    shown["metadata"]["namespace"] = bench.namespace
    own = manifests.serving_runtime("air", "own", Settings())["spec"]["containers"][0]

    assert await refusal(bench.person, shown) == ""
    (container,) = shown["spec"]["containers"]
    assert container["command"] == own["command"]
    assert container["args"] == [*own["args"], "--model_name={{.Name}}"], "KServe names the model after the arm"
    assert container["ports"] == own["ports"]


def test_a_list_of_namespaces_asks_for_nothing_in_the_whole_cluster(render: Render):
    kinds = {manifest["kind"] for manifest in render(NAMESPACED | {"fetch": {"enabled": False}})}

    assert {"Role", "RoleBinding"} <= kinds
    assert not {kind for kind in kinds if kind.startswith("Cluster")}


def test_the_chart_grants_what_the_code_declares(render: Render):
    declared = yaml.safe_load((CHART / "generated" / "clusterrole.yaml").read_text())["rules"]
    granted = [manifest["rules"] for manifest in render({}) if manifest["kind"] == "ClusterRole"]

    assert granted == [declared]


def test_the_operators_settings_can_be_read(render: Render):
    settings = next(m["data"] for m in render(FULL) if m["kind"] == "ConfigMap" and m["metadata"]["name"] == "leeboard")
    read = Settings.from_environment(settings)

    assert read.collector_url == "http://leeboard-collector.leeboard-system.svc.cluster.local"
    assert read.cluster_selector == {"ray.io/cluster": "pool"}
    assert read.passed_environment == {"AWS_ENDPOINT_URL": "http://s3:9000"}
    assert read.model_prefixes == {"air": ("flights", "fraud-")}
    assert read.serving_image == "ghcr.io/leeboard/serving:0.1.0"
    assert (read.pull_policy, read.pull_secrets) == ("IfNotPresent", ("registry", "mirror"))


def test_the_chart_and_the_package_have_one_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert f'version = "{chart["appVersion"]}"' in (CHART.parents[1] / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"colector": {"enabled": True}}, "colector"),
        ({"images": {"pullPolicy": "Sometimes"}}, "Always"),
        ({"collector": {"retention": "a while"}}, "retention"),
        ({"mlflow": {"trackingUri": "mlflow:5000"}}, "trackingUri"),
        ({"fetch": {"allow": ["s3://models/"]}}, "fetch/allow"),
        ({"models": {"prefixes": {"team-a": []}}}, "prefixes/team-a"),
        ({"mlflow": {"trackingUri": "http://mlflow/$(reboot)"}}, "trackingUri"),
        ({"passedEnvironment": {"TOKEN": "`reboot`"}}, "passedEnvironment/TOKEN"),
        ({"collector": {"root": "/data"}}, "collector/root"),
        ({"collector": {"root": "file:///var/lib/leeboard/log"}}, "collector/root"),
        ({"images": {"pullSecrets": ["registry"]}}, "pullSecrets"),
    ],
)
def test_wrong_values_are_refused_by_name(values: Values, says: str, render: Render):
    with pytest.raises(HelmError, match=says):
        render(values)


@pytest.fixture
async def left_behind(bench: Bench) -> AsyncIterator[str]:
    """The MLflow from which the ClusterStorageContainer of an earlier installation fetches."""
    there = "http://mlflow-of-then:5000"
    metadata = {
        "name": "leeboard-fetch",
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {
            "meta.helm.sh/release-name": "leeboard",
            "meta.helm.sh/release-namespace": RELEASE_NAMESPACE,
        },
    }
    told = [
        {"name": "MLFLOW_TRACKING_URI", "value": there},
        {"name": "LEEBOARD_FETCH_ALLOW", "value": "models:/air"},
    ]
    container = {"name": "storage-initializer", "image": "ghcr.io/leeboard/serving:0.1.0", "env": told}
    spec = {"container": container, "supportedUriFormats": [{"prefix": "models:/"}]}
    api = {"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ClusterStorageContainer"}
    manifest = {**api, "metadata": metadata, "spec": spec}
    made = await bench.person.post(address(manifest), json=manifest)
    assert made.is_success, made.text
    yield there
    gone = await bench.person.delete(f"{address(manifest)}/leeboard-fetch")
    assert gone.is_success, gone.text


def test_an_install_beside_a_fetcher_of_another_kind_is_refused(
    left_behind: str, bench: Bench, helm: Path, tmp_path: Path
):
    kubeconfig = bench.plane.kubeconfig("installer", ["system:masters"])
    same: Values = {"mlflow": {"trackingUri": left_behind}, "fetch": {"allow": ["models:/air"]}}

    def install(values: Values) -> str:
        dry = ("--dry-run=server", "--kubeconfig", str(kubeconfig))
        return run(helm, tmp_path, same | values, "install", "leeboard", str(CHART), *dry)

    for values, then in (
        ({"mlflow": {"trackingUri": "http://mlflow-of-now:5000"}}, f"fetches from {left_behind}"),
        ({"fetch": {"allow": []}}, "allows of prefixes models:/air"),
        ({"images": {"registry": "elsewhere"}}, "runs the image ghcr.io/leeboard/serving:0.1.0"),
    ):
        with pytest.raises(HelmError) as refused:
            install(values)
        assert f"{then}, and an install cannot change it" in str(refused.value)
        assert "kubectl delete clusterstoragecontainer leeboard-fetch" in str(refused.value)
    assert left_behind in install({}), "what fetches alike is taken over"


def test_the_chart_is_clean(helm: Path, tmp_path: Path):
    assert "0 chart(s) failed" in run(helm, tmp_path, FULL, "lint", str(CHART), "--strict")


def arms_pods() -> dict[str, dict[str, Any]]:
    """What KServe makes pods of."""
    subject = ModelDeployment.model_validate(
        {"metadata": {"name": "flights", "namespace": "air", "uid": "me"}, "spec": {"model": {"name": "flights"}}}
    )
    settings = Settings(collector_url="http://collector")
    uri = "mlflow-artifacts:/1/models/m-1/artifacts"
    arm = manifests.inference_service(subject, "7", uri=uri, detector_uri=uri, settings=settings, runtime="own")
    runtime = manifests.serving_runtime("air", "own", settings)["spec"]
    pods = {component: copy.deepcopy(arm["spec"][component]) for component in ("predictor", "transformer")}
    pods["predictor"] |= {"containers": runtime["containers"], "volumes": runtime["volumes"]}
    del pods["predictor"]["model"]
    return {
        name: {field: value for field, value in pod.items() if field not in {"minReplicas", "maxReplicas"}}
        for name, pod in pods.items()
    }


def jobs_pods() -> dict[str, dict[str, Any]]:
    """What KubeRay makes pods of; it fills in the commands."""
    spec = ray_job(
        name="flights-drift-0123456789",
        kind="DriftMonitor",
        owner=OWNER,
        labels=children.labels("flights", {}),
        template=JobTemplate(cluster=RayClusterShape(workers=1)),
        request=REQUEST,
        settings=Settings(),
    )["spec"]
    cluster = spec["rayClusterSpec"]
    return {
        "head": cluster["headGroupSpec"]["template"]["spec"],
        "worker": cluster["workerGroupSpecs"][0]["template"]["spec"],
        "submitter": spec["submitterPodTemplate"]["spec"],
    }


async def test_every_pod_may_run_where_only_restricted_pods_may(bench: Bench, render: Render):
    enforced = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    await bench.patch(f"/api/v1/namespaces/{bench.namespace}", enforced)
    templates = {
        m["metadata"]["name"]: m["spec"]["template"]["spec"] for m in render(FULL) if m["kind"] == "Deployment"
    }
    pods = {**templates, **arms_pods(), **jobs_pods()}
    refused = []
    for name, spec in pods.items():
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": bench.namespace}}
        refused.append(await refusal(bench.person, {**pod, "spec": spec}))

    bare = {"containers": [{"name": "bare", "image": "bare"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": bench.namespace}, "spec": bare}

    assert "restricted" in await refusal(bench.person, pod)
    assert len(pods) == 7
    assert [said for said in refused if said] == []


def test_the_dashboard_shows_each_drift_score_beside_its_threshold_and_the_verdict():
    panels = json.loads((CHART / "dashboards" / "leeboard.json").read_text())["panels"]
    known = (CHART.parents[1] / "docs" / "operations" / "metrics.md").read_text().splitlines()
    drift = [
        {target["expr"].split("{")[0]: target["legendFormat"] for target in panel["targets"]}
        for panel in panels
        if "leeboard_drift" in str(panel["targets"]) or "leeboard_check" in str(panel["targets"])
    ]

    assert [list(shown) for shown in drift] == [
        ["leeboard_drift_score", "leeboard_drift_threshold"],
        ["leeboard_check_drifted"],
    ]
    for name, legend in (entry for shown in drift for entry in shown.items()):
        labels = next(line for line in known if line.startswith(f"| `{name}`"))
        assert [label for label in re.findall(r"{{(\w+)}}", legend) if f"`{label}`" not in labels] == []


def test_the_panels_of_the_dashboard_do_not_cover_each_other():
    panels = json.loads((CHART / "dashboards" / "leeboard.json").read_text())["panels"]
    places = [
        (column, row)
        for at in (panel["gridPos"] for panel in panels)
        for column in range(at["x"], at["x"] + at["w"])
        for row in range(at["y"], at["y"] + at["h"])
    ]

    assert len(places) == len(set(places))
    assert len({panel["id"] for panel in panels}) == len(panels)
