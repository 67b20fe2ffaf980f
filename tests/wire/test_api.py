"""The API as the real API server serves it: the same verdicts as pydantic's, the same defaults, nothing pruned."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from leeboard.crdgen.kinds import KINDS, Kind
from leeboard.sandbox import programs
from leeboard.sandbox.controlplane import ControlPlane
from tests.support.manifests import CASES, GOOD, Case
from tests.support.statuses import full_status

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
BY_KIND = {kind.kind: kind for kind in KINDS}


@pytest.fixture
async def api(control_plane: ControlPlane):
    async with control_plane.client() as client:
        yield client


def _path(kind: str, namespace: str) -> str:
    return f"/apis/leeboard.dev/v1alpha1/namespaces/{namespace}/{BY_KIND[kind].plural}"


async def _create(api: httpx.AsyncClient, document: dict[str, Any], *, dry: bool = True) -> httpx.Response:
    path = _path(document["kind"], document["metadata"]["namespace"])
    params = {"fieldValidation": "Strict", **({"dryRun": "All"} if dry else {})}
    return await api.post(path, json=document, params=params)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.sentence}")
async def test_judges_manifests_as_pydantic_does(api: httpx.AsyncClient, case: Case):
    answer = await _create(api, case.document())
    assert answer.is_success == case.good, answer.text
    if not case.good:
        assert answer.status_code in {400, 422}
        assert case.says in answer.json()["message"]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: f"{case.kind}: {case.sentence}")
async def test_fills_in_the_defaults_that_pydantic_fills_in(api: httpx.AsyncClient, case: Case):
    document = case.document()
    stored = (await _create(api, document)).raise_for_status().json()
    model: Any = BY_KIND[case.kind].model.model_validate(document)
    assert _without_empty(model.spec.document()) == _without_empty(stored["spec"])


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_empty(inner) for name, inner in value.items() if inner not in ([], {})}
    return [_without_empty(inner) for inner in value] if isinstance(value, list) else value


def _examples() -> dict[str, list[dict[str, Any]]]:
    paths = sorted(EXAMPLES.rglob("*.yaml"))
    return {str(path.relative_to(EXAMPLES)): list(yaml.safe_load_all(path.read_text())) for path in paths}


@pytest.mark.parametrize("documents", _examples().values(), ids=_examples().keys())
async def test_takes_the_examples(api: httpx.AsyncClient, namespace: str, documents: list[dict[str, Any]]):
    for document in documents:
        document["metadata"]["namespace"] = namespace
        answer = await _create(api, document, dry=False)
        assert answer.is_success, answer.text


HOSTILE = ("$(reboot)", "`reboot`", "a;reboot", "../up", 'a"}or 1#', "a\nb", "\x1b[31m", "a/b")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    ("field", "spec"),
    [
        ("spec.model.name", lambda name: {"model": {"name": name}}),
        ("spec.model.alias", lambda name: {"model": {"name": "flights", "alias": name}}),
        ("spec.model.version", lambda name: {"model": {"name": "flights", "version": name}}),
        (
            "spec.rollout.analysis.metrics[0].name",
            lambda name: {
                "model": {"name": "flights"},
                "rollout": {"analysis": {"metrics": [{"name": name, "errorRate": {"max": 0.1}}]}},
            },
        ),
    ],
    ids=["model", "alias", "version", "metric"],
)
async def test_a_name_that_another_program_could_take_for_code_is_refused_by_its_field(
    api: httpx.AsyncClient, namespace: str, field: str, spec: Callable[[str], dict[str, Any]], name: str
):
    document = {**CASES[0].document(namespace), "spec": spec(name)}
    answer = await _create(api, document, dry=True)
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    [cause] = [cause for cause in answer.json()["details"]["causes"] if cause["field"] == field]
    assert "should match" in cause["message"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
async def test_keeps_every_field_of_a_status(api: httpx.AsyncClient, namespace: str, kind: Kind):
    case = next(case for case in GOOD if case.kind == kind.kind)
    made = (await _create(api, case.document(namespace), dry=False)).raise_for_status().json()
    status = full_status(kind.status)
    answer = await api.put(
        f"{_path(kind.kind, namespace)}/{case.name}/status",
        json={**made, "status": status},
        params={"fieldValidation": "Strict"},
    )
    assert answer.is_success, answer.text
    assert answer.json()["status"] == status
    assert kind.status.model_validate(status).document() == status


async def test_says_the_words_of_the_models_in_kubectl_explain(control_plane: ControlPlane):
    text = " ".join((await _kubectl(control_plane, "explain", "modeldeployment.spec.rollout")).split())
    for words in (
        "How a new version comes in: each stage in order, watched by the analysis, then promoted and baked.",
        "Durations are one number and one unit",
        "stages <[]Object>",
        "In order, keyed by name. Changing them restarts a running rollout at the first.",
        "progressDeadline <string>",
        "must be longer than the longest hold",
    ):
        assert words in text
    text = await _kubectl(control_plane, "explain", "dmon.spec.checks.univariateTest.correction")
    assert "ENUM" in text
    assert "BenjaminiHochberg" in text


async def test_shows_what_matters_in_kubectl_get(control_plane: ControlPlane, api: httpx.AsyncClient, namespace: str):
    for kind in KINDS:
        case = next(case for case in GOOD if case.kind == kind.kind)
        made = (await _create(api, case.document(namespace), dry=False)).raise_for_status().json()
        path = f"{_path(kind.kind, namespace)}/{case.name}/status"
        (await api.put(path, json={**made, "status": full_status(kind.status)})).raise_for_status()
    text = await _kubectl(control_plane, "get", "leeboard", "-n", namespace, "-o", "wide")
    for column in ("MODEL", "STABLE", "WEIGHT", "VERDICT", "WORST", "LASTOUTCOME", "REJECTIONS", "STATUS", "URL"):
        assert column in text
    for short in ("mdep", "dmon", "rpol"):
        assert "flights" in await _kubectl(control_plane, "get", short, "-n", namespace)


async def test_merges_what_two_people_own(api: httpx.AsyncClient, namespace: str):
    """Lists of named things are maps: two field managers own their elements, and neither removes the other's."""

    def manifest(metric: str) -> bytes:
        document = CASES[0].document(namespace)
        document["spec"]["rollout"] = {"analysis": {"metrics": [{"name": metric, "errorRate": {"max": 0.1}}]}}
        return yaml.safe_dump(document).encode()

    path = f"{_path('ModelDeployment', namespace)}/flights"
    for manager in ("anna", "ben"):
        answer = await api.patch(
            path,
            content=manifest(manager),
            headers={"content-type": "application/apply-patch+yaml"},
            params={"fieldManager": manager, "fieldValidation": "Strict"},
        )
        assert answer.is_success, answer.text
    assert [metric["name"] for metric in answer.json()["spec"]["rollout"]["analysis"]["metrics"]] == ["anna", "ben"]


async def _kubectl(control_plane: ControlPlane, *arguments: str) -> str:
    kubectl = (await programs.ensure(["kubectl"]))["kubectl"]
    command = [kubectl, "--kubeconfig", control_plane.kubeconfig(), *arguments]
    return await asyncio.to_thread(subprocess.check_output, command, text=True)
