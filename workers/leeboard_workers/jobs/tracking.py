"""One MLflow run for one request: claimed by one worker, kept alive by its heartbeat, finished once.

worker A   claim ── heartbeat ── heartbeat ── †
worker B            wait while the heartbeat is fresh ────── stale: take over ── … ── finish
"""

import json
import logging
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mlflow.entities import Metric, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from leeboard.contract import tags
from leeboard.contract.jobs import JobRequest

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
STALE_SECONDS = 60.0
POLL_SECONDS = 2.0
METRICS_IN_A_BATCH = 500
MAX_TAG = 5_000
MAX_METRIC_NAME = 250

_REFUSED_IN_METRIC_NAMES = re.compile(r"[^\w\-./: ]|^\.\.")


class LostRunError(Exception):
    """Another worker has taken this request over: whatever this one still does would be done twice."""


class TrackedRun:
    """This worker's MLflow run, from claim to end; beats while it is entered."""

    def __init__(self, client: MlflowClient, run: Any, request: JobRequest) -> None:
        """Hold a run that was claimed.

        Args:
            client: MLflow.
            run: The run.
            request: What it answers.
        """
        self._client = client
        self._request = request
        self._experiment: str = run.info.experiment_id
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self.run_id: str = run.info.run_id
        self.artifact_uri: str = run.info.artifact_uri

    @property
    def client(self) -> MlflowClient:
        """MLflow."""
        return self._client

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def ensure_ours(self) -> None:
        """Make sure that nobody has taken over; call it before whatever must not happen twice.

        Raises:
            LostRunError: this run was ended by another worker, or another one goes before it.
        """
        if self._client.get_run(self.run_id).info.status != "RUNNING":
            raise LostRunError(f"run {self.run_id} was ended by another worker")
        if any(_goes_before(other, self.run_id) for other in _runs_of(self._client, self._experiment, self._request)):
            raise LostRunError(f"another worker goes before run {self.run_id}")

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log numbers, under names that MLflow takes."""
        now = int(time.time() * 1000)
        rows = [Metric(metric_name(name), value, now, step) for name, value in metrics.items()]
        for start in range(0, len(rows), METRICS_IN_A_BATCH):
            self._client.log_batch(self.run_id, metrics=rows[start : start + METRICS_IN_A_BATCH])

    def set_tags(self, values: Mapping[str, str]) -> None:
        """Set tags; values are cut to what MLflow takes."""
        self._client.log_batch(self.run_id, tags=[RunTag(name, text[:MAX_TAG]) for name, text in values.items()])

    def log_folder(self, folder: Path) -> None:
        """Store what lies in a folder as artifacts under the same paths."""
        self._client.log_artifacts(self.run_id, str(folder))

    def finish(self) -> None:
        """End the run as finished."""
        self.ensure_ours()
        self._client.set_terminated(self.run_id, "FINISHED")

    def fail(self, reason: str) -> None:
        """End the run as failed, with the reason as a tag; whether MLflow can be told or not."""
        try:
            self.set_tags({tags.REASON: reason})
            self._client.set_terminated(self.run_id, "FAILED")
        except MlflowException:
            log.warning("MLflow could not be told that run %s failed; its heartbeat will go stale", self.run_id)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            try:
                self._client.set_tag(self.run_id, tags.HEARTBEAT, f"{time.time():.3f}")
            except MlflowException as error:
                log.warning("no heartbeat: %s", error)


def metric_name(name: str) -> str:
    """Return a metric's name as MLflow takes it: what it refuses becomes an underscore, be it a letter or a part.

    Columns may have any name, and MLflow reads the slash as a path: `effect/..` would fail the whole batch.
    """
    parts = _REFUSED_IN_METRIC_NAMES.sub("_", name).split("/")
    plain = "/".join("_" if part in {"", ".", ".."} else part for part in parts)
    return plain if len(plain) <= MAX_METRIC_NAME else f"{plain[: MAX_METRIC_NAME - 1]}_"


def claim(client: MlflowClient, request: JobRequest) -> TrackedRun | None:
    """Start this worker's run, unless the request is answered; wait while another worker is alive on it.

    A worker whose heartbeat stopped is taken over: its run is ended as killed. Of several that claim at once the
    smallest run id goes on.

    Returns:
        The run, or none when a finished run answers the request.
    """
    experiment = experiment_of(client, request.experiment)
    while True:
        runs = _runs_of(client, experiment, request)
        if any(run.info.status == "FINISHED" for run in runs):
            return None
        running = [run for run in runs if run.info.status == "RUNNING"]
        if any(_is_fresh(run) for run in running):
            log.info("another worker is alive on this request: waiting for it")
            time.sleep(POLL_SECONDS)
            continue
        for stale in running:
            log.info("taking over from run %s, whose heartbeat stopped", stale.info.run_id)
            client.set_terminated(stale.info.run_id, "KILLED")
        mine = client.create_run(experiment, tags=_first_tags(request), run_name=_name_of(request))
        if not any(_goes_before(other, mine.info.run_id) for other in _runs_of(client, experiment, request)):
            return TrackedRun(client, mine, request)
        client.set_terminated(mine.info.run_id, "KILLED")


def runs_of(client: MlflowClient, request: JobRequest) -> list[Any]:
    """Return the runs that answer a request, newest first."""
    return _runs_of(client, experiment_of(client, request.experiment), request)


def _runs_of(client: MlflowClient, experiment: str, request: JobRequest) -> list[Any]:
    wanted = f"tags.`{tags.REQUEST}` = '{request.request_hash}'"
    return list(client.search_runs([experiment], filter_string=wanted, max_results=100))


def experiment_of(client: MlflowClient, name: str) -> str:
    """Return the id of an experiment, which is made if it is not there."""
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        if experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException:
        made_meanwhile = client.get_experiment_by_name(name)
        if made_meanwhile is None:
            raise
        return str(made_meanwhile.experiment_id)


def _goes_before(other: Any, mine: str) -> bool:
    """Whether another run makes mine superfluous: it is finished, or alive and smaller by id."""
    if other.info.run_id == mine:
        return False
    if other.info.status == "FINISHED":
        return True
    return other.info.status == "RUNNING" and _is_fresh(other) and other.info.run_id < mine


def _is_fresh(run: Any) -> bool:
    last = float(run.data.tags.get(tags.HEARTBEAT, run.info.start_time / 1000))
    return time.time() - last < STALE_SECONDS


def _first_tags(request: JobRequest) -> dict[str, str]:
    triggers = [trigger.document() for trigger in getattr(request, "triggers", ())]
    ledger = {tags.TRIGGERS: json.dumps(triggers)[:MAX_TAG]} if triggers else {}
    return ledger | {
        tags.REQUEST: request.request_hash,
        tags.KIND: request.kind,
        tags.OBJECT: f"{request.namespace}/{request.owner}",
        tags.HEARTBEAT: f"{time.time():.3f}",
    }


def _name_of(request: JobRequest) -> str:
    return f"{request.kind} {request.request_hash[:10]}"
