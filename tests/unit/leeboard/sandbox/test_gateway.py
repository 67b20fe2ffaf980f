"""HTTPRoutes in Envoy's words, and files that are written only when something changed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from leeboard.sandbox.gateway import MISSING_BACKEND, Endpoints, Gateway, virtual_host
from leeboard.sandbox.processes import Supervisor

STABLE, CANDIDATE = ("ml", "flights-v1-transformer"), ("ml", "flights-v2-transformer")
ENDPOINTS = Endpoints({STABLE: ("127.0.0.1", 4001), CANDIDATE: ("127.0.0.1", 4002)})


def backend(name: str, weight: int | None = None) -> dict[str, Any]:
    return {"name": name, "port": 80} | ({} if weight is None else {"weight": weight})


def http_route(*rules: dict[str, Any], host: str = "flights.example.com") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "ml", "name": "flights"},
        "spec": {"hostnames": [host], "rules": list(rules)},
    }


def translated(rule: dict[str, Any]) -> dict[str, Any]:
    """The only Envoy route of a rule."""
    (route,) = virtual_host(http_route(rule), ENDPOINTS)["routes"]
    return dict(route)


def shares(rule: dict[str, Any]) -> dict[str, int]:
    clusters = translated(rule)["route"]["weighted_clusters"]["clusters"]
    return {cluster["name"]: cluster["weight"] for cluster in clusters}


def takes(match: dict[str, Any], path: str) -> bool:
    """Whether Envoy would choose a route of this match for the path."""
    if "path" in match:
        return bool(match["path"] == path)
    if "prefix" in match:
        return path.startswith(match["prefix"])
    return re.fullmatch(match["safe_regex"]["regex"], path) is not None


def test_weights_become_weighted_clusters():
    rule = {"backendRefs": [backend(STABLE[1], 80), backend(CANDIDATE[1], 20)]}
    assert shares(rule) == {"ml/flights-v1-transformer": 80, "ml/flights-v2-transformer": 20}


def test_a_backend_without_weight_weighs_one():
    assert shares({"backendRefs": [backend(STABLE[1])]}) == {"ml/flights-v1-transformer": 1}


def test_a_backend_that_weighs_nothing_is_left_out():
    rule = {"backendRefs": [backend(STABLE[1], 100), backend(CANDIDATE[1], 0)]}
    assert shares(rule) == {"ml/flights-v1-transformer": 100}


@pytest.mark.parametrize(
    "backends", [[], [backend(STABLE[1], 0)], [backend("nobody", 100)], [backend(STABLE[1]) | {"namespace": "other"}]]
)
def test_traffic_that_nobody_takes_goes_to_a_cluster_without_address(backends: list[dict[str, Any]]):
    assert set(shares({"backendRefs": backends})) == {f"/{MISSING_BACKEND}"}


def test_only_the_share_of_a_missing_backend_is_lost():
    rule = {"backendRefs": [backend(STABLE[1], 90), backend("nobody", 10)]}
    assert shares(rule) == {"ml/flights-v1-transformer": 90, f"/{MISSING_BACKEND}": 10}


@pytest.mark.parametrize(
    ("kind", "value", "path", "taken"),
    [
        ("PathPrefix", "/v1/models/x", "/v1/models/x", True),
        ("PathPrefix", "/v1/models/x", "/v1/models/x/ready", True),
        ("PathPrefix", "/v1/models/x", "/v1/models/x:predict", False),
        ("PathPrefix", "/v1/models/x", "/v1/models/xy", False),
        ("PathPrefix", "/v1/models/x/", "/v1/models/x", True),
        ("PathPrefix", "/v1/models/x.y", "/v1/models/x-y", False),
        ("PathPrefix", "/", "/anything", True),
        ("Exact", "/v1/models/x:predict", "/v1/models/x:predict", True),
        ("Exact", "/v1/models/x:predict", "/v1/models/x:predict/", False),
        ("RegularExpression", "/v[12]/.*", "/v2/health", True),
        ("RegularExpression", "/v[12]/.*", "/v3/health", False),
    ],
)
def test_a_prefix_ends_at_a_slash_and_an_exact_path_at_its_end(kind: str, value: str, path: str, *, taken: bool):
    rule = {"matches": [{"path": {"type": kind, "value": value}}], "backendRefs": [backend(STABLE[1])]}
    assert takes(translated(rule)["match"], path) == taken


def test_a_rule_without_match_takes_everything():
    assert takes(translated({"backendRefs": [backend(STABLE[1])]})["match"], "/anything")


def test_each_match_of_a_rule_leads_to_its_backends():
    paths = [{"path": {"type": "Exact", "value": value}} for value in ("/one", "/two")]
    routes = virtual_host(http_route({"matches": paths, "backendRefs": [backend(STABLE[1])]}), ENDPOINTS)["routes"]
    assert [route["match"] for route in routes] == [{"path": "/one"}, {"path": "/two"}]
    assert routes[0]["route"] == routes[1]["route"]


def test_a_header_must_be_what_the_match_says():
    header = {"type": "Exact", "name": "x-leeboard-version", "value": "10"}
    rule = {"matches": [{"headers": [header]}], "backendRefs": [backend(CANDIDATE[1])]}
    assert translated(rule)["match"] == {
        "prefix": "/",
        "headers": [{"name": "x-leeboard-version", "string_match": {"exact": "10"}}],
    }


@pytest.mark.parametrize(("told", "percent"), [({"percent": 50}, 50), ({}, 100)])
def test_a_mirror_gets_its_percent_of_the_requests(told: dict[str, int], percent: int):
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": backend(CANDIDATE[1])} | told}
    action = translated({"backendRefs": [backend(STABLE[1])], "filters": [mirror]})["route"]
    assert action["request_mirror_policies"] == [
        {
            "cluster": "ml/flights-v2-transformer",
            "runtime_fraction": {"default_value": {"numerator": percent, "denominator": "HUNDRED"}},
        }
    ]


def test_a_host_is_known_with_and_without_a_port():
    host = virtual_host(http_route(), ENDPOINTS)
    assert host == {"name": "ml/flights", "domains": ["flights.example.com", "flights.example.com:*"], "routes": []}


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path, Supervisor(tmp_path / "logs"))


def written(folder: Path) -> dict[str, int]:
    """The files, each with a number that a rename changes."""
    return {path.name: path.stat().st_ino for path in folder.iterdir()}


def resources(folder: Path, file: str) -> list[dict[str, Any]]:
    return list(json.loads((folder / file).read_text())["resources"])


def test_nothing_is_written_when_nothing_changed(gateway: Gateway, tmp_path: Path):
    routes = [http_route({"backendRefs": [backend(STABLE[1])]})]
    gateway.route(routes, ENDPOINTS)
    before = written(tmp_path)
    assert set(before) == {"clusters.json", "gateway.json", "cluster.json"}
    gateway.route(routes, ENDPOINTS)
    assert written(tmp_path) == before


def test_only_the_file_that_changed_is_replaced(gateway: Gateway, tmp_path: Path):
    gateway.route([http_route({"backendRefs": [backend(STABLE[1], 100)]})], ENDPOINTS)
    before = written(tmp_path)
    gateway.route([http_route({"backendRefs": [backend(STABLE[1], 90), backend(CANDIDATE[1], 10)]})], ENDPOINTS)
    after = written(tmp_path)
    assert {file for file in after if after[file] != before.get(file)} == {"gateway.json"}


def test_a_service_without_a_ready_pod_has_a_cluster_without_address(gateway: Gateway, tmp_path: Path):
    gateway.route([], Endpoints({STABLE: ("127.0.0.1", 4001), CANDIDATE: None}))
    addresses = {
        cluster["name"]: [
            endpoint["endpoint"]["address"]["socket_address"]["port_value"]
            for endpoint in cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        ]
        for cluster in resources(tmp_path, "clusters.json")
    }
    assert addresses == {
        "ml/flights-v1-transformer": [4001],
        "ml/flights-v2-transformer": [],
        f"/{MISSING_BACKEND}": [],
    }


def test_every_service_has_its_name_inside_the_cluster(gateway: Gateway, tmp_path: Path):
    gateway.route([], ENDPOINTS)
    (configuration,) = resources(tmp_path, "cluster.json")
    clusters = {host["domains"][0]: host["routes"][0]["route"]["cluster"] for host in configuration["virtual_hosts"]}
    assert clusters == {
        "flights-v1-transformer.ml.svc.cluster.local": "ml/flights-v1-transformer",
        "flights-v2-transformer.ml.svc.cluster.local": "ml/flights-v2-transformer",
    }
