"""HTTPRoute → Envoy: what a Gateway API implementation does, `status.parents` included."""

from leeboard.sandbox.gateway import Endpoints, Gateway
from leeboard.sandbox.standins.cluster import HTTP_ROUTES, Cluster, Document, merged_conditions

CONTROLLER = "leeboard.dev/sandbox-gateway"


class HttpRoutes:
    """Steers Envoy by the HTTPRoutes that there are."""

    def __init__(self, cluster: Cluster, gateway: Gateway, endpoints: Endpoints) -> None:
        self._cluster = cluster
        self._gateway = gateway
        self._endpoints = endpoints

    async def reconcile(self) -> None:
        """Write Envoy's files and each route's status."""
        routes = [route for route in self._cluster.all(HTTP_ROUTES) if "deletionTimestamp" not in route["metadata"]]
        self._gateway.route(routes, self._endpoints)
        for route in routes:
            metadata = route["metadata"]
            status = route_status(route, self._endpoints)
            await self._cluster.write_status(HTTP_ROUTES, metadata["namespace"], metadata["name"], status)


def route_status(route: Document, endpoints: Endpoints) -> Document:
    """Say for each parent whether the route was accepted and its backends exist."""
    namespace, generation = route["metadata"]["namespace"], route["metadata"]["generation"]
    missing = [
        backend["name"]
        for rule in route["spec"].get("rules") or []
        for backend in rule.get("backendRefs") or []
        if (backend.get("namespace", namespace), backend["name"]) not in endpoints.addresses
    ]
    resolved = (
        _condition("ResolvedRefs", "False", "BackendNotFound", f"Service {missing[0]} not found", generation)
        if missing
        else _condition("ResolvedRefs", "True", "ResolvedRefs", "Resolved all the Object references", generation)
    )
    conditions = [_condition("Accepted", "True", "Accepted", "Route is accepted", generation), resolved]
    before = {
        str(parent["parentRef"]): parent["conditions"] for parent in (route.get("status") or {}).get("parents") or []
    }
    return {
        "parents": [
            {
                "parentRef": parent,
                "controllerName": CONTROLLER,
                "conditions": merged_conditions(before.get(str(parent), []), conditions),
            }
            for parent in route["spec"].get("parentRefs") or []
        ]
    }


def _condition(kind: str, status: str, reason: str, message: str, generation: int) -> Document:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
    }
