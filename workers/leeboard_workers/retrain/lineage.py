"""What a version says about where it comes from: tags that the registry keeps with it."""

import json
from datetime import datetime
from importlib.metadata import version as version_of

from leeboard.api.shared import DatasetRef
from leeboard.contract import tags
from leeboard.contract.jobs import RetrainRequest
from leeboard_workers.retrain.trainers import name_of

MAX_TRAINING_ROWS = 200_000
"""So many training rows are kept beside a version, for drift references and detectors."""
MAX_TAG = 5_000
"""Longest value of a tag that MLflow takes."""


def lineage_tags(
    request: RetrainRequest,
    *,
    training_data: DatasetRef,
    cutoff: datetime,
    data_versions: dict[str, int],
    ingest_mark: datetime | None = None,
) -> dict[str, str]:
    """Return the tags of a new version."""
    parent = request.parent_version or request.champion_version
    found = {
        tags.REQUEST: request.request_hash,
        tags.TRAINING_DATA: json.dumps(training_data.document()),
        tags.TRAINING_CUTOFF: rfc3339(cutoff),
        tags.DATA_VERSIONS: json.dumps(data_versions),
        tags.POLICY: f"{request.namespace}/{request.owner}",
        tags.POLICY_RUN: request.policy_run_id,
        tags.TRIGGERS: json.dumps([trigger.document() for trigger in request.triggers])[:MAX_TAG],
        tags.CODE: f"{name_of(request.trainer)} leeboard=={version_of('leeboard')}",
    }
    if ingest_mark is not None:
        found[tags.INGEST_MARK] = ingest_mark.isoformat()
    return found | ({tags.PARENT_VERSION: parent} if parent else {})


def rfc3339(time: datetime) -> str:
    """Write an instant, rounded up to whole seconds: no row at or after it was trained on."""
    whole = time.replace(microsecond=0)
    if whole < time:
        whole = datetime.fromtimestamp(whole.timestamp() + 1, tz=time.tzinfo)
    return whole.strftime("%Y-%m-%dT%H:%M:%SZ")
