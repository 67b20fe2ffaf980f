"""The three kinds as CRDs: their names, the columns of `kubectl get`, their documents."""

from dataclasses import dataclass
from typing import Any

from leeboard.api import GROUP, VERSION, driftmonitor, modeldeployment, retrainpolicy
from leeboard.api.base import DNS_LABEL_PATTERN, ApiModel
from leeboard.crdgen.schema import structural

CATEGORIES = ("leeboard", "mlops")


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False

    def document(self) -> dict[str, Any]:
        """Return it as a CRD writes it."""
        column: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return {**column, "priority": 1} if self.wide else column


@dataclass(frozen=True)
class Kind:
    """A kind of the API."""

    kind: str
    plural: str
    short: str
    model: type[ApiModel]
    spec: type[ApiModel]
    status: type[ApiModel]
    columns: tuple[Column, ...]

    @property
    def singular(self) -> str:
        """The name that `kubectl explain` and its like take."""
        return self.kind.lower()

    @property
    def crd_name(self) -> str:
        """The CRD's own name."""
        return f"{self.plural}.{GROUP}"


_STATUS = Column("Status", '.status.conditions[?(@.type=="Ready")].reason')
_AGE = Column("Age", ".metadata.creationTimestamp", type="date")

KINDS = (
    Kind(
        kind=modeldeployment.KIND,
        plural=modeldeployment.PLURAL,
        short="mdep",
        model=modeldeployment.ModelDeployment,
        spec=modeldeployment.ModelDeploymentSpec,
        status=modeldeployment.ModelDeploymentStatus,
        columns=(
            Column("Model", ".spec.model.name"),
            Column("Stable", ".status.stable.version"),
            Column("Candidate", ".status.candidate.version"),
            Column("Weight", ".status.rollout.weight", type="integer"),
            _STATUS,
            _AGE,
            Column("Stage", ".status.rollout.stage", wide=True),
            Column("URL", ".status.url", wide=True),
        ),
    ),
    Kind(
        kind=driftmonitor.KIND,
        plural=driftmonitor.PLURAL,
        short="dmon",
        model=driftmonitor.DriftMonitor,
        spec=driftmonitor.DriftMonitorSpec,
        status=driftmonitor.DriftMonitorStatus,
        columns=(
            Column("Model", ".spec.modelDeploymentRef.name"),
            Column("Verdict", ".status.lastRun.verdict"),
            Column("Drift", '.status.conditions[?(@.type=="DriftDetected")].status'),
            Column("Next", ".status.nextRunTime"),  # a date column shows how long ago, and this lies ahead
            _STATUS,
            _AGE,
            Column("Worst", ".status.lastRun.checks[0].worstColumns[0]", wide=True),
        ),
    ),
    Kind(
        kind=retrainpolicy.KIND,
        plural=retrainpolicy.PLURAL,
        short="rpol",
        model=retrainpolicy.RetrainPolicy,
        spec=retrainpolicy.RetrainPolicySpec,
        status=retrainpolicy.RetrainPolicyStatus,
        columns=(
            Column("Model", ".spec.modelDeploymentRef.name"),
            Column("LastOutcome", ".status.lastRun.outcome"),
            Column("Version", ".status.lastRun.version"),
            Column("Active", ".status.activeRun.rayJob"),
            Column("Rejections", ".status.consecutiveRejections", type="integer"),
            _STATUS,
            _AGE,
        ),
    ),
)


def crd(kind: Kind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name, "labels": {"app.kubernetes.io/part-of": "leeboard"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": [kind.short],
                "categories": list(CATEGORIES),
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [column.document() for column in kind.columns],
                    "schema": {"openAPIV3Schema": object_schema(kind)},
                }
            ],
        },
    }


def object_schema(kind: Kind) -> dict[str, Any]:
    """Return the schema of a whole object."""
    return {
        "description": " ".join((kind.model.__doc__ or "").split()),
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
            "kind": {"type": "string", "description": f"{kind.kind}."},
            # Others refer to it by a DNS label, and its children and its host name are made of it.
            "metadata": {
                "type": "object",
                "properties": {"name": {"type": "string", "pattern": DNS_LABEL_PATTERN, "maxLength": 63}},
            },
            "spec": structural(kind.spec),
            "status": structural(kind.status, bare=True),
        },
    }
