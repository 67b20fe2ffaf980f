"""The metadata that every child carries: who made it, for which object, and who owns it. Pure."""

from collections.abc import Mapping
from typing import Any

from leeboard.api import API_VERSION
from leeboard.api.shared import ObjectMeta
from leeboard.control.kinds import MANAGED_BY_LABEL, MANAGER
from leeboard.control.names import label_value

LABEL_MODEL_DEPLOYMENT = "leeboard.dev/modeldeployment"
LABEL_DRIFT_MONITOR = "leeboard.dev/driftmonitor"
LABEL_RETRAIN_POLICY = "leeboard.dev/retrainpolicy"
LABEL_VERSION = "leeboard.dev/version"
ANNOTATION_REQUEST = "leeboard.dev/request"
"""On a RayJob: hash of its request."""


def labels(model_deployment: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the labels of a child, cut to what a label value may hold."""
    said = {MANAGED_BY_LABEL: MANAGER, LABEL_MODEL_DEPLOYMENT: model_deployment, **(more or {})}
    return {name: label_value(value) for name, value in said.items()}


def owner_reference(kind: str, owner: ObjectMeta) -> dict[str, Any]:
    """Return the reference by which a child goes when its owner goes."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def metadata(name: str, kind: str, owner: ObjectMeta, child_labels: Mapping[str, str]) -> dict[str, Any]:
    """Return a child's metadata.

    Args:
        name: Name of the child, from `control/names.py`.
        kind: Kind of the owner.
        owner: The owner's metadata.
        child_labels: From `labels`.
    """
    return {
        "name": name,
        "namespace": owner.namespace,
        "labels": dict(child_labels),
        "ownerReferences": [owner_reference(kind, owner)],
    }


def owner_uid(child: Mapping[str, Any]) -> str | None:
    """Return the uid of the controlling owner, or None."""
    references = child.get("metadata", {}).get("ownerReferences") or ()
    return next((str(reference["uid"]) for reference in references if reference.get("controller")), None)


def is_being_deleted(raw: Mapping[str, Any]) -> bool:
    """Say whether an object is on its way out."""
    return bool(raw.get("metadata", {}).get("deletionTimestamp"))


def belongs_to(child: Mapping[str, Any], uid: str) -> bool:
    """Say whether a child is this owner's and stays: not an older namesake's, not being deleted."""
    return owner_uid(child) == uid and not is_being_deleted(child)
