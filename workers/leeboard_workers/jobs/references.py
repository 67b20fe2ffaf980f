"""Prepared references in MLflow: read and sorted by the first run that needs one, used by all later ones."""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from leeboard.contract import tags
from leeboard_workers.drift.reference import Reference
from leeboard_workers.drift.store import SCHEMA_VERSION, StoredReferenceError, load, save
from leeboard_workers.jobs.tracking import experiment_of

log = logging.getLogger(__name__)

ARTIFACT = "reference"
MAX_STORED_VALUES = 50_000_000
"""Larger references (400 MB of doubles) are read where they lie by each run, column by column."""


def prepared_once(client: MlflowClient, experiment: str, identity: str, prepare: Callable[[], Reference]) -> Reference:
    """Return the stored reference of this identity, or prepare and store it.

    Two runs that need it at once both prepare it, and leave equal ones.

    Args:
        client: MLflow.
        experiment: Name of the experiment that keeps it.
        identity: Equal only for equal rows and columns, read in the same way.
        prepare: Reads the reference.
    """
    where = experiment_of(client, experiment)
    key = f"{identity}-{SCHEMA_VERSION}"
    wanted = f"tags.`{tags.REFERENCE}` = '{key}' and attributes.status = 'FINISHED'"
    for run in client.search_runs([where], filter_string=wanted, max_results=1):
        try:
            return _stored(client, run.info.run_id)
        except (MlflowException, OSError, StoredReferenceError) as error:
            log.warning(
                "the stored reference of run %s cannot be used, so it is prepared anew: %s", run.info.run_id, error
            )
    reference = prepare()
    with tempfile.TemporaryDirectory(prefix="leeboard-reference-") as folder:
        save(reference, Path(folder) / ARTIFACT)
        made = client.create_run(where, tags={tags.REFERENCE: key}, run_name=f"reference {identity[:10]}")
        client.log_artifacts(made.info.run_id, folder)
        client.set_terminated(made.info.run_id, "FINISHED")
    return reference


def _stored(client: MlflowClient, run_id: str) -> Reference:
    with tempfile.TemporaryDirectory(prefix="leeboard-reference-") as folder:
        path = download_artifacts(
            run_id=run_id, artifact_path=ARTIFACT, dst_path=folder, tracking_uri=client.tracking_uri
        )
        return load(Path(path))
