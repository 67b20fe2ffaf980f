"""The HTTPRoute of a ModelDeployment: what is wanted, what is there, whether the gateway has taken it up. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leeboard.api import modeldeployment
from leeboard.api.modeldeployment import ModelDeployment
from leeboard.contract.serving import HEADER_VERSION
from leeboard.control import children, names
from leeboard.modeldeployment.seen import ParentSeen, RouteSeen
from leeboard.settings import Settings

_SERVICE_SUFFIX = "-transformer"
_PORT = 80
_MAX_MESSAGE = 300


@dataclass(frozen=True)
class Split:
    """How requests are shared out among the arms."""

    weights: Mapping[str, int]
    """Percent by arm, adding to 100."""
    mirror: tuple[str, int] | None = None
    """Arm that gets a copy of so many percent of the requests."""
    by_version: Mapping[str, str] = field(default_factory=dict)
    """Arm by version: the header of a request may name the version."""


def hostnames(subject: ModelDeployment, settings: Settings) -> list[str]:
    """Return the host names at which the model is asked."""
    metadata = subject.metadata
    return subject.spec.routing.hostnames or [f"{metadata.name}.{metadata.namespace}.{settings.domain}"]


def url(subject: ModelDeployment, settings: Settings) -> str:
    """Return where to send requests."""
    return f"http://{hostnames(subject, settings)[0]}"


def gateway(subject: ModelDeployment, settings: Settings) -> tuple[str, str]:
    """Return namespace and name of the Gateway."""
    own = subject.spec.routing.gateway_ref
    if own is None:
        return settings.gateway_namespace, settings.gateway_name
    return own.namespace or subject.metadata.namespace, own.name


def http_route(subject: ModelDeployment, split: Split, settings: Settings) -> dict[str, Any]:
    """Return the HTTPRoute that shares the requests out; its first rule is the one with the weights.

    Args:
        subject: The ModelDeployment.
        split: How they are shared out.
        settings: The operator's settings.
    """
    metadata = subject.metadata
    namespace, name = gateway(subject, settings)
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": children.metadata(
            names.route(metadata.name), modeldeployment.KIND, metadata, children.labels(metadata.name)
        ),
        "spec": {
            "parentRefs": [
                {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": namespace, "name": name}
            ],
            "hostnames": hostnames(subject, settings),
            "rules": [
                {"matches": _matches(metadata.name)}
                | _mirrored(split.mirror)
                | {
                    "backendRefs": [_backend(arm) | {"weight": weight} for arm, weight in sorted(split.weights.items())]
                },
                # A match with a header goes before the same path without one.
                *(
                    {"matches": _matches(metadata.name, version), "backendRefs": [_backend(arm) | {"weight": 1}]}
                    for version, arm in sorted(split.by_version.items())
                ),
            ],
        },
    }


def _matches(model: str, version: str | None = None) -> list[dict[str, Any]]:
    paths = (
        ("PathPrefix", f"/v1/models/{model}"),
        # A prefix ends at a slash, and v1 puts its verb behind a colon.
        ("Exact", f"/v1/models/{model}:predict"),
        ("PathPrefix", f"/v2/models/{model}"),
        ("PathPrefix", "/v2/health"),
    )
    header = {"headers": [{"type": "Exact", "name": HEADER_VERSION, "value": version}]} if version else {}
    return [{"path": {"type": kind, "value": path}} | header for kind, path in paths]


def _backend(arm: str) -> dict[str, Any]:
    return {"group": "", "kind": "Service", "name": f"{arm}{_SERVICE_SUFFIX}", "port": _PORT}


def _mirrored(mirror: tuple[str, int] | None) -> dict[str, Any]:
    if mirror is None:
        return {}
    arm, percent = mirror
    copied = {"backendRef": _backend(arm), "percent": percent}
    return {"filters": [{"type": "RequestMirror", "requestMirror": copied}]}


def shape(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a route's spec is Leeboard's, free of what the API server fills in."""
    spec = manifest.get("spec") or {}
    own = manifest["metadata"].get("namespace", "")
    return {
        "hostnames": list(spec.get("hostnames") or ()),
        "parents": [(parent.get("namespace", own), parent["name"]) for parent in spec.get("parentRefs") or ()],
        "rules": [
            {
                "matches": [_match_shape(match) for match in rule.get("matches") or ()],
                "filters": [_filter_shape(found) for found in rule.get("filters") or ()],
                "backends": [
                    (backend["name"], backend.get("port"), backend.get("weight", 1))
                    for backend in rule.get("backendRefs") or ()
                ],
            }
            for rule in spec.get("rules") or ()
        ],
    }


def _match_shape(match: Mapping[str, Any]) -> tuple[Any, ...]:
    path = match.get("path") or {}
    headers = [(header.get("type", "Exact"), header["name"], header["value"]) for header in match.get("headers") or ()]
    others = sorted(name for name in match if name not in {"path", "headers"})
    return path.get("type"), path.get("value"), headers, others


def _filter_shape(found: Mapping[str, Any]) -> tuple[Any, ...]:
    mirror = found.get("requestMirror") or {}
    backend = mirror.get("backendRef") or {}
    return found.get("type"), backend.get("name"), backend.get("port"), mirror.get("percent"), mirror.get("fraction")


def _mentioned(wanted: Mapping[str, Any]) -> frozenset[str]:
    """Return all arms that a route speaks of, be it with a weight, for copies or by a header."""
    services = {name for rule in wanted["rules"] for name, _, weight in rule["backends"] if weight}
    services |= {name for rule in wanted["rules"] for _, name, *_ in rule["filters"] if name}
    return frozenset(name.removesuffix(_SERVICE_SUFFIX) for name in services)


def read_route(raw: Mapping[str, Any], owner_uid: str) -> RouteSeen:
    """Read the HTTPRoute as it stands."""
    metadata = raw["metadata"]
    wanted = shape(raw)
    backends = wanted["rules"][0]["backends"] if wanted["rules"] else []
    parents = (raw.get("status") or {}).get("parents") or ()
    return RouteSeen(
        ours=children.owner_uid(raw) == owner_uid,
        deleting=children.is_being_deleted(raw),
        shape=wanted,
        weights={name.removesuffix(_SERVICE_SUFFIX): weight for name, _, weight in backends},
        mentioned=_mentioned(wanted),
        parents=tuple(_read_parent(parent, metadata) for parent in parents),
    )


def _read_parent(parent: Mapping[str, Any], metadata: Mapping[str, Any]) -> ParentSeen:
    reference = parent.get("parentRef") or {}
    found = {condition["type"]: condition for condition in parent.get("conditions") or ()}
    verdicts = [found.get(kind, {}) for kind in ("Accepted", "ResolvedRefs")]
    wrong = [verdict.get("message", "") for verdict in verdicts if verdict.get("status") == "False"]
    return ParentSeen(
        gateway=f"{reference.get('namespace', metadata.get('namespace', ''))}/{reference.get('name', '')}",
        accepted=verdicts[0].get("status") == "True",
        resolved=verdicts[1].get("status") == "True",
        current=all(
            verdict.get("observedGeneration", 0) >= metadata.get("generation", 1) for verdict in verdicts if verdict
        ),
        message=wrong[0][:_MAX_MESSAGE] if wrong else "",
    )


def taken_up(route: RouteSeen | None, wanted: Mapping[str, Any], gateway_name: str) -> bool:
    """Say whether the gateway follows the wanted route: it stands, was looked at, accepted and resolved.

    Args:
        route: The route as it stands.
        wanted: `shape` of the wanted route.
        gateway_name: namespace/name of the Gateway.
    """
    if route is None or not route.ours or route.deleting or route.shape != wanted:
        return False
    ours = [parent for parent in route.parents if parent.gateway == gateway_name]
    return bool(ours) and all(parent.accepted and parent.resolved and parent.current for parent in ours)


def explain(route: RouteSeen | None, gateway_name: str) -> str:
    """Say in a sentence why the route is not taken up."""
    if route is None:
        return "the HTTPRoute is not there yet"
    if not route.ours or route.deleting:
        return "an HTTPRoute of this name belongs to an older object: it must go first"
    ours = [parent for parent in route.parents if parent.gateway == gateway_name]
    if not ours:
        return f"the Gateway {gateway_name} has not looked at the HTTPRoute: see whether it exists and allows the route"
    refused = next((parent for parent in ours if not (parent.accepted and parent.resolved)), None)
    if refused is not None and refused.current:
        return f"the Gateway {gateway_name} does not take the HTTPRoute: {refused.message or 'it gives no reason'}"
    return f"the Gateway {gateway_name} has yet to take up the newest HTTPRoute"
