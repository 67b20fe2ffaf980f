"""Exactly what the operator may do, each with its reason; none of it touches a Secret; pods are only looked at."""

from dataclasses import dataclass
from typing import Any

from leeboard.api import GROUP
from leeboard.crdgen.kinds import KINDS

READ = ("get", "list", "watch")


@dataclass(frozen=True)
class Grant:
    """Verbs on some resources of one API group."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    reason: str
    """Why the operator needs them."""

    def rule(self) -> dict[str, Any]:
        """Return it as a ClusterRole writes it."""
        return {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs)}


_PLURALS = tuple(kind.plural for kind in KINDS)

GRANTS = (
    Grant(GROUP, _PLURALS, READ, "what people want; only they write it"),
    Grant(GROUP, tuple(f"{plural}/status" for plural in _PLURALS), ("update",), "what was observed, written whole"),
    Grant(
        "serving.kserve.io",
        ("inferenceservices",),
        (*READ, "create", "patch", "delete"),
        "arms: made once, scaled in place, deleted when a rollout is over",
    ),
    Grant(
        "serving.kserve.io",
        ("servingruntimes",),
        (*READ, "create"),
        "Leeboard's own runtime: made where an arm needs it, never changed, kept",
    ),
    Grant(
        "gateway.networking.k8s.io",
        ("httproutes",),
        (*READ, "create", "patch"),
        "the route that weighs the arms: applied; it goes with its ModelDeployment",
    ),
    Grant("ray.io", ("rayjobs",), (*READ, "create", "delete"), "jobs: made once, never edited, pruned"),
    Grant("apps", ("deployments",), ("list", "watch"), "whether an arm's pods are there: readiness alone does not say"),
    Grant("", ("pods",), ("list",), "what keeps an arm or a job from starting: looked at only while one is late"),
    Grant("events.k8s.io", ("events",), ("create",), "what happened, told where people look for it"),
    Grant(
        "apiextensions.k8s.io",
        ("customresourcedefinitions",),
        ("list", "watch"),
        "neighbours that are installed after the operator has started",
    ),
)


def cluster_role() -> dict[str, Any]:
    """Return the operator's ClusterRole."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "leeboard", "labels": {"app.kubernetes.io/part-of": "leeboard"}},
        "rules": [grant.rule() for grant in GRANTS],
    }


def page() -> str:
    """Return the page that says why each rule is there."""
    lines = [
        "# What the operator may do",
        "",
        "Generated from the code; the chart's ClusterRole says just this. With a list of `namespaces` each of them has",
        "a Role instead, without the last rule, which is of the whole cluster: restart the operator then when a",
        "neighbour was installed after it.",
        "",
    ]
    lines += ["| group | resources | verbs | because |", "|---|---|---|---|"]
    for grant in GRANTS:
        resources, verbs = (", ".join(f"`{word}`" for word in words) for words in (grant.resources, grant.verbs))
        group = f"`{grant.group}`" if grant.group else "core"
        lines.append(f"| {group} | {resources} | {verbs} | {grant.reason} |")
    return "\n".join([*lines, ""])
