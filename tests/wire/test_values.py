"""What single values of the chart do, and that what the pages show can be rendered."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.helm import CHART, HelmError, Render, Values, run

ROOT = CHART.parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def named(rendered: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    return next(m for m in rendered if m["kind"] == kind and m["metadata"]["name"] == name)


def pod(rendered: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return dict(named(rendered, "Deployment", name)["spec"]["template"])


def images(rendered: list[dict[str, Any]]) -> set[str]:
    return set(re.findall(r"\S+/(?:operator|serving|worker|mine):[\w.-]+", yaml.safe_dump_all(rendered)))


def test_one_value_says_where_all_images_are(render: Render):
    elsewhere = images(render({"images": {"registry": "registry.example/leeboard"}}))
    one = images(render({"images": {"registry": "a/b", "worker": {"repository": "c/mine", "tag": "7"}}}))

    assert elsewhere == {f"registry.example/leeboard/{name}:0.1.0" for name in ("operator", "serving", "worker")}
    assert one == {"a/b/operator:0.1.0", "a/b/serving:0.1.0", "c/mine:7"}


@pytest.mark.parametrize(
    ("values", "restarts"),
    [
        ({"collector": {"enabled": False}}, True),
        ({"mlflow": {"trackingUri": "http://other:5000"}}, True),
        ({"images": {"pullSecrets": [{"name": "registry"}]}}, True),
        ({"collector": {"retention": "30d"}}, False),
    ],
)
def test_what_the_operator_is_told_restarts_it_when_it_changes(values: Values, restarts: bool, render: Render):  # noqa: FBT001
    then, now = (pod(render(chosen), "leeboard")["metadata"]["annotations"] for chosen in ({}, values))

    assert (then != now) is restarts


def test_more_peers_reach_the_collector_where_namespaces_are_listed(render: Render):
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    rendered = render({"namespaces": ["air"], "networkPolicies": {"from": [peer]}})
    (rule,) = named(rendered, "NetworkPolicy", "leeboard-collector")["spec"]["ingress"]

    assert rule["from"][1:] == [peer]
    assert rule["from"][0]["namespaceSelector"]["matchExpressions"][0]["values"] == ["air", "leeboard-system"]


def test_the_fetcher_gets_more_environment(render: Render):
    login = {"name": "MLFLOW_TRACKING_TOKEN", "valueFrom": {"secretKeyRef": {"name": "login", "key": "token"}}}
    secret = {"secretRef": {"name": "login"}}
    container = named(
        render({"fetch": {"env": [login], "envFrom": [secret]}}), "ClusterStorageContainer", "leeboard-fetch"
    )["spec"]["container"]

    assert container["env"][-1] == login
    assert container["envFrom"] == [secret]


def test_tokens_outlive_an_uninstall(render: Render):
    secrets = [m for m in render({"collector": {"tokens": {"namespaces": ["air"]}}}) if m["kind"] == "Secret"]

    assert sorted(secret["metadata"]["namespace"] for secret in secrets) == ["air", "leeboard-system"]
    assert all(secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for secret in secrets)


def test_a_secret_of_ones_own_takes_the_place_of_tokens_that_are_made(render: Render):
    rendered = render({"collector": {"tokens": {"namespaces": ["air"], "existingSecret": "ours"}}})
    spec = pod(rendered, "leeboard-collector")["spec"]

    assert not [m for m in rendered if m["kind"] == "Secret"]
    assert {"name": "tokens", "secret": {"secretName": "ours"}} in spec["volumes"]
    assert "LEEBOARD_COLLECTOR_TOKENS_FILE" in {entry["name"] for entry in spec["containers"][0]["env"]}


def test_numbers_of_the_collector_arrive_as_it_reads_them(render: Render):
    rendered = render({"collector": {"flushSeconds": 2.5, "maxJournalBytes": 8589934592}})
    arguments = pod(rendered, "leeboard-collector")["spec"]["containers"][0]["args"]

    assert {"--flush_seconds=2.5", "--max_journal_bytes=8589934592"} <= {*arguments}


@pytest.mark.parametrize(
    ("runbooks", "annotation", "value"),
    [
        ("", "runbook", "docs/operations/alerts.md#leeboardstalled"),
        ("https://docs.example/lee", "runbook_url", "https://docs.example/lee/operations/alerts.md#leeboardstalled"),
    ],
)
def test_every_alert_leads_to_its_runbook(runbooks: str, annotation: str, value: str, render: Render):
    rendered = render({"monitoring": {"prometheusRule": True, "runbooks": runbooks}})
    rules = named(rendered, "PrometheusRule", "leeboard")["spec"]["groups"][0]["rules"]

    assert all(annotation in rule["annotations"] for rule in rules)
    assert next(rule["annotations"][annotation] for rule in rules if rule["alert"] == "LeeboardStalled") == value


def test_every_value_that_is_documented_is_known_to_the_schema_and_no_other():
    page = (ROOT / "docs" / "reference" / "values.md").read_text(encoding="utf-8")
    schema = yaml.safe_load((CHART / "values.schema.json").read_text(encoding="utf-8"))

    def leaves(part: dict[str, Any], path: str) -> list[str]:
        if "properties" not in part:
            return [path]
        return [leaf for name, inner in part["properties"].items() for leaf in leaves(inner, f"{path}.{name}")]

    documented = {f".{path}" for path in re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE)}
    assert documented == {*leaves(schema, "")} - {".global"}


def documented_installs() -> list[tuple[str, list[str]]]:
    """The options of each `helm install` and `helm upgrade` that a page shows."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:2] in (["helm", "install"], ["helm", "upgrade"]) and words[2] == "leeboard":
                    found.append((page.name, words[4:]))
    return found


def test_what_the_pages_install_can_be_rendered(helm: Path, tmp_path: Path):
    shown = documented_installs()

    assert shown
    for page, words in shown:
        pairs = [words[at : at + 2] for at, word in enumerate(words) if word == "--set"]
        chosen = [word for pair in pairs for word in pair]
        said = run(helm, tmp_path, {}, "template", "leeboard", str(CHART), "--kube-version", "1.36.0", *chosen)
        assert "kind: Deployment" in said, page


def test_what_the_pages_put_into_values_can_be_rendered(render: Render):
    shown: list[Values] = []
    for page in PAGES:
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            if block.startswith("# values.yaml"):
                shown.append(yaml.safe_load(block))
            for document in yaml.safe_load_all(block):
                if (document or {}).get("kind") == "HelmRelease":
                    shown.append(document["spec"]["values"])
                if (document or {}).get("kind") == "Application":
                    shown.append(document["spec"]["source"]["helm"]["valuesObject"])

    assert len(shown) >= 3
    for values in shown:
        assert render(values)


def test_a_value_that_is_nowhere_is_refused(render: Render):
    with pytest.raises(HelmError, match="flushMinutes"):
        render({"collector": {"flushMinutes": 1}})
