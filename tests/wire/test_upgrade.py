"""An upgrade of the chart touches nothing that serves, and an uninstall leaves what models need."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from leeboard.api.modeldeployment import ModelDeployment
from leeboard.control.kinds import KINDS
from leeboard.modeldeployment import manifests
from leeboard.settings import Settings
from tests.support.bench import Bench
from tests.support.helm import CHART, RELEASE_NAMESPACE, Values, run

TOKENS: Values = {"collector": {"tokens": {"namespaces": ["default"]}}}
KEPT = {
    "storage container": "/apis/serving.kserve.io/v1alpha1/clusterstoragecontainers/leeboard-fetch",
    "volume claim": f"/api/v1/namespaces/{RELEASE_NAMESPACE}/persistentvolumeclaims/leeboard-collector",
    "tokens": f"/api/v1/namespaces/{RELEASE_NAMESPACE}/secrets/leeboard-collector-tokens",
    "a namespace's token": "/api/v1/namespaces/default/secrets/leeboard-collector",
    "CRD": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/modeldeployments.leeboard.dev",
}
GOES = {
    "operator": f"/apis/apps/v1/namespaces/{RELEASE_NAMESPACE}/deployments/leeboard",
    "rights": "/apis/rbac.authorization.k8s.io/v1/clusterroles/leeboard",
}


@pytest.fixture
async def release_namespace(bench: Bench) -> AsyncIterator[None]:
    await bench.person.post("/api/v1/namespaces", json={"metadata": {"name": RELEASE_NAMESPACE}})
    yield
    for path in KEPT.values():
        if "customresourcedefinitions" not in path:
            await bench.person.delete(path)


async def made(bench: Bench) -> list[str]:
    """Make an arm and its runtime, as the operator of then did, and return where they are."""
    subject = ModelDeployment.model_validate(
        {
            "metadata": {"name": "flights", "namespace": bench.namespace, "uid": "me"},
            "spec": {"model": {"name": "flights"}},
        }
    )
    settings, runtime = Settings(), manifests.runtime_name("0.0.9", Settings())
    arm = manifests.inference_service(
        subject, "7", uri="s3://models/7", detector_uri=None, settings=settings, runtime=runtime
    )
    del arm["metadata"]["ownerReferences"]
    paths = []
    for manifest in (arm, manifests.serving_runtime(bench.namespace, runtime, settings)):
        path = KINDS[manifest["kind"]].path(bench.namespace)
        answer = await bench.person.post(path, json=manifest)
        assert answer.is_success, answer.text
        paths.append(f"{path}/{manifest['metadata']['name']}")
    return paths


async def stands(bench: Bench, paths: list[str]) -> list[dict[str, Any]]:
    return [(await bench.person.get(path)).raise_for_status().json() for path in paths]


@pytest.mark.usefixtures("release_namespace")
async def test_an_upgrade_changes_no_arm_and_no_token_and_an_uninstall_leaves_what_models_need(
    bench: Bench, helm: Path, tmp_path: Path
):
    there = ("--kubeconfig", str(bench.plane.kubeconfig("installer", ["system:masters"])))
    tokens = [KEPT["tokens"], KEPT["a namespace's token"]]
    serving = await made(bench)
    before = await stands(bench, serving)

    run(helm, tmp_path, TOKENS, "install", "leeboard", str(CHART), "--skip-crds", *there)
    first = [secret["data"] for secret in await stands(bench, tokens)]
    newer = {"images": {"serving": {"tag": "0.2.0"}}, "collector": {"retention": "30d"}}
    run(helm, tmp_path, newer, "upgrade", "leeboard", str(CHART), "--reset-then-reuse-values", *there)
    settings = await bench.person.get(f"/api/v1/namespaces/{RELEASE_NAMESPACE}/configmaps/leeboard")
    assert settings.json()["data"]["LEEBOARD_SERVING_IMAGE"].endswith("serving:0.2.0")
    assert await stands(bench, serving) == before
    assert [secret["data"] for secret in await stands(bench, tokens)] == first

    run(helm, tmp_path, {}, "uninstall", "leeboard", *there)
    assert [name for name, path in KEPT.items() if not (await bench.person.get(path)).is_success] == []
    assert [name for name, path in GOES.items() if (await bench.person.get(path)).is_success] == []
    assert await stands(bench, serving) == before

    await bench.person.delete(KEPT["storage container"])
    run(helm, tmp_path, TOKENS, "install", "leeboard", str(CHART), "--skip-crds", *there)
    assert [secret["data"] for secret in await stands(bench, tokens)] == first, json.dumps(first)
    run(helm, tmp_path, {}, "uninstall", "leeboard", *there)
