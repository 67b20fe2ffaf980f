"""Names of the tags that Leeboard writes into MLflow."""

REQUEST = "leeboard.request"
"""On a run: hash of the request it answers."""
KIND = "leeboard.kind"
"""On a run: fit-detector, drift, retrain."""
OBJECT = "leeboard.object"
"""On a run: namespace/name of the object that asked."""
HEARTBEAT = "leeboard.heartbeat"
"""On a running run: seconds since the epoch; older than 60 s means that its worker is gone."""
OUTCOME = "leeboard.outcome"
"""On a finished run: Measured, Insufficient, Error."""
TRIGGERS = "leeboard.triggers"
"""On a retraining run: JSON list of the consumed facts (the ledger)."""
VERDICT = "leeboard.verdict"
"""On a drift run: Stable, Drifted, Insufficient."""
WINDOW_END = "leeboard.window-end"
"""On a drift run: end of its window, RFC 3339."""
EPISODE = "leeboard.episode"
"""On a drift run: the episode that it speaks for; such runs are kept."""
REASON = "leeboard.reason"
"""On a failed run: why, in a sentence."""
REFERENCE = "leeboard.reference"
"""On a run that keeps a prepared reference: what it was prepared from and how."""

TRAINING_DATA = "leeboard.training-data"
"""On a version: JSON DatasetRef of the rows it was trained on."""
TRAINING_CUTOFF = "leeboard.training-cutoff"
"""On a version: RFC 3339; no row at or after it was trained on."""
INGEST_MARK = "leeboard.ingest-mark"
"""On a version: RFC 3339; rows that came into the log until then were there when it was trained."""
PARENT_VERSION = "leeboard.parent-version"
DATA_VERSIONS = "leeboard.data-versions"
POLICY = "leeboard.policy"
POLICY_RUN = "leeboard.policy-run"
CODE = "leeboard.code"
"""On a version: the trainer and Leeboard's version."""


def owner(alias: str) -> str:
    """Name the tag of a registered model that says which ModelDeployment owns the alias."""
    return f"leeboard.owner.{alias}"


def promoted(namespace: str, model_deployment: str) -> str:
    """Name the tag of a version that was promoted by a ModelDeployment; its value is the time."""
    return f"leeboard.promoted.{namespace}.{model_deployment}"


def rejected(namespace: str, model_deployment: str) -> str:
    """Name the tag of a version that was rolled back by a ModelDeployment; its value is the reason."""
    return f"leeboard.rejected.{namespace}.{model_deployment}"
