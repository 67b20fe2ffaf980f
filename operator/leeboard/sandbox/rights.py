"""What the operator was allowed to do and did: its ClusterRole held against the API server's audit log."""

from typing import Any, NamedTuple

from leeboard.crdgen.rbac import cluster_role

Document = dict[str, Any]


class Right(NamedTuple):
    """A verb on a resource."""

    group: str
    resource: str
    """With its subresource: modeldeployments/status."""
    verb: str

    def __str__(self) -> str:
        """Return it as people say it."""
        return f"{self.verb} {self.resource}.{self.group}"


_IN_THE_WAY = "it reads what is in the way when something of the name that it makes is there already"
NOT_IN_THE_STORY = {
    Right("gateway.networking.k8s.io", "httproutes", "create"): "an apply that creates is a patch in the audit log",
    Right("serving.kserve.io", "inferenceservices", "get"): _IN_THE_WAY,
    Right("serving.kserve.io", "servingruntimes", "get"): _IN_THE_WAY,
    Right("ray.io", "rayjobs", "get"): _IN_THE_WAY,
    Right("", "pods", "list"): "it looks at the pods of an arm or a job that is late, and none need be",
    Right(
        "serving.kserve.io", "inferenceservices", "patch"
    ): "sizes change in place; labels that were taken are put back",
}
"""Rights that the demonstration does not use, and why they are granted."""


def granted() -> set[Right]:
    """Return what the generated ClusterRole grants."""
    return {
        Right(group, resource, verb)
        for rule in cluster_role()["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def asked(events: list[Document]) -> dict[Right, set[int]]:
    """Return what was asked of the API server, by audit events, with the status codes of its answers."""
    found: dict[Right, set[int]] = {}
    for event in events:
        if (thing := event.get("objectRef")) is None:
            continue  # the API server's own documents: every user may read them
        resource = "/".join(part for part in (thing["resource"], thing.get("subresource")) if part)
        right = Right(thing.get("apiGroup", ""), resource, event["verb"])
        found.setdefault(right, set()).add(event.get("responseStatus", {}).get("code", 0))
    return found


def grants(name: str, user: str) -> list[tuple[str, Document]]:
    """Return the ClusterRole and its binding to a user, each with the plural of its kind."""
    role = cluster_role()
    role["metadata"] = {"name": name}
    group = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
    return [("clusterroles", role), ("clusterrolebindings", binding)]
