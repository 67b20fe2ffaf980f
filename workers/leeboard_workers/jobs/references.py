"""What references give, kept in MLflow: prepared columns and learned thresholds, made by the first run in need."""

import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from leeboard.contract import tags
from leeboard_workers.drift.learning import Lesson
from leeboard_workers.drift.reference import Reference
from leeboard_workers.drift.store import SCHEMA_VERSION, StoredReferenceError, load, save
from leeboard_workers.jobs.tracking import experiment_of

log = logging.getLogger(__name__)

REFERENCE = "reference"
LESSONS = "thresholds.json"
LESSONS_VERSION = 2
"""Another way of learning has another number."""
IMPORTANCES = "importances.json"
IMPORTANCES_VERSION = 1
MAX_STORED_VALUES = 50_000_000
"""Larger references (400 MB of doubles) are read where they lie by each run, column by column."""

Kept = TypeVar("Kept")


def prepared_once(client: MlflowClient, experiment: str, identity: str, prepare: Callable[[], Reference]) -> Reference:
    """Return the stored reference of this identity, or prepare and store it.

    Args:
        client: MLflow.
        experiment: Name of the experiment that keeps it.
        identity: Equal only for equal rows and columns, read in the same way.
        prepare: Reads the reference.
    """
    key = f"{identity}-{SCHEMA_VERSION}"
    return _once(client, experiment, (key, REFERENCE), make=prepare, read=load, write=save)


def learned_once(
    client: MlflowClient, experiment: str, identity: str, learn: Callable[[], dict[str, Lesson]]
) -> dict[str, Lesson]:
    """Return the stored lessons of this identity, or learn and store them.

    Args:
        client: MLflow.
        experiment: Name of the experiment that keeps them.
        identity: Equal only for equal rows, windows and checks.
        learn: Reads the reference.
    """
    key = f"{identity}-thresholds-{LESSONS_VERSION}"
    return _once(client, experiment, (key, LESSONS), make=learn, read=_read_lessons, write=_write_lessons)


def weighed_once(
    client: MlflowClient, experiment: str, identity: str, weigh: Callable[[], dict[str, float]]
) -> dict[str, float]:
    """Return the stored importances of this identity, or find and store them.

    Args:
        client: MLflow.
        experiment: Name of the experiment that keeps them.
        identity: Equal only for the same version of a model, and the same reference.
        weigh: Asks the model.
    """
    key = f"{identity}-importances-{IMPORTANCES_VERSION}"
    return _once(client, experiment, (key, IMPORTANCES), make=weigh, read=_read_importances, write=_write_json)


def _once(
    client: MlflowClient,
    experiment: str,
    key_and_artifact: tuple[str, str],
    *,
    make: Callable[[], Kept],
    read: Callable[[Path], Kept],
    write: Callable[[Kept, Path], None],
) -> Kept:
    """Return what a run keeps under this key; two runs that need it at once both make it, and leave equal ones."""
    key, artifact = key_and_artifact
    where = experiment_of(client, experiment)
    wanted = f"tags.`{tags.REFERENCE}` = '{key}' and attributes.status = 'FINISHED'"
    with tempfile.TemporaryDirectory(prefix="leeboard-reference-") as folder:
        for run in client.search_runs([where], filter_string=wanted, max_results=1):
            run_id = run.info.run_id
            try:
                path = download_artifacts(
                    run_id=run_id, artifact_path=artifact, dst_path=folder, tracking_uri=client.tracking_uri
                )
                return read(Path(path))
            except (MlflowException, OSError, StoredReferenceError) as error:
                log.warning("the %s of run %s cannot be used, so it is made anew: %s", artifact, run_id, error)
        made = make()
        own = Path(folder) / "made"
        own.mkdir()
        write(made, own / artifact)
        kept = client.create_run(where, tags={tags.REFERENCE: key}, run_name=f"{Path(artifact).stem} {key[:10]}")
        client.log_artifacts(kept.info.run_id, str(own))
        client.set_terminated(kept.info.run_id, "FINISHED")
        return made


def _read_lessons(path: Path) -> dict[str, Lesson]:
    try:
        return {name: Lesson.read(lesson) for name, lesson in json.loads(path.read_text()).items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoredReferenceError(f"{path.name} holds no thresholds: {error}") from error


def _write_lessons(lessons: dict[str, Lesson], path: Path) -> None:
    _write_json({name: lesson.document() for name, lesson in lessons.items()}, path)


def _read_importances(path: Path) -> dict[str, float]:
    try:
        return {str(name): float(value) for name, value in json.loads(path.read_text()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise StoredReferenceError(f"{path.name} holds no importances: {error}") from error


def _write_json(document: Mapping[str, Any], path: Path) -> None:
    path.write_text(json.dumps(document, sort_keys=True))
