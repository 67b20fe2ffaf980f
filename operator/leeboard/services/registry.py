"""The model registry: MLflow, asked through its client in threads, one listing for all who ask."""

import asyncio
import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, TypeVar

import mlflow.artifacts
import requests
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from pydantic import ValidationError

from leeboard.api.errors import TransientError
from leeboard.api.modeldeployment import RegistryWrite
from leeboard.api.retrainpolicy import FiredTrigger
from leeboard.contract import tags
from leeboard.contract.jobs import JobOutcome, JobReport
from leeboard.contract.kinds import REPORT_BY_KIND
from leeboard.contract.registry import ModelVersion, RegisteredModel, ReportedRun, Row
from leeboard.services import examples
from leeboard.services.retention import keep_runs
from leeboard.services.threads import Threads

T = TypeVar("T")

_PAGE = 1000
_MAX_PAGES = 1000
_FAILURE_LASTS = 5.0
"""Seconds for which a failed listing is not tried again: many passes ask at once."""
_MISSING = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
_LEDGER = 40
"""Runs of a policy that are looked through after a loss of its status."""

logger = logging.getLogger(__name__)


class MlflowRegistry:
    """MLflow's tracking server and registry.

    Args:
        tracking_uri: Address of the server.
        poll_seconds: How old the listing may be.
        timeout: Longest wait for one answer, seconds.
        clock: Monotonic seconds.
    """

    def __init__(
        self, tracking_uri: str, poll_seconds: float, timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._uri = tracking_uri.rstrip("/")
        self._poll = poll_seconds
        self._timeout = timeout
        self._clock = clock
        # The client's own patience is minutes; a pass backs off instead. It reads these at each request.
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(max(1, round(timeout)))
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        mlflow.set_tracking_uri(self._uri)
        self._client = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        self._threads = Threads("mlflow")
        self._models: dict[str, RegisteredModel] = {}
        self._newer: set[str] = set()
        """Models read by themselves since the listing under way began."""
        self._listed: float | None = None
        self._failed: tuple[float, TransientError] | None = None
        self._listing = asyncio.Lock()
        self._writing: dict[str, asyncio.Lock] = {}
        self._examples: dict[tuple[str, str], list[Row]] = {}

    async def model(self, name: str) -> RegisteredModel | None:
        """Return the model as of the last listing; None: no such model. Raises TransientError."""
        async with self._listing:
            if self._listed is None or self._clock() - self._listed >= self._poll:
                await self._list()
            return self._models.get(name)

    async def refresh(self, name: str) -> RegisteredModel | None:
        """Return the model as it stands now. Raises TransientError."""
        model = await self._call(self._read, name)
        self._newer.add(name)
        if model is None:
            self._models.pop(name, None)
        else:
            self._models[name] = model
        return model

    async def download_uri(self, name: str, version: str) -> str:
        """Return the URI from which the version's files are fetched. Raises TransientError."""
        return str(await self._call(self._client.get_model_version_download_uri, name, version))

    async def input_example(self, name: str, version: str) -> list[Row]:
        """Return rows that the version can answer; empty when it has neither example nor signature.

        Raises:
            TransientError: MLflow is away.
        """
        key = (name, version)
        if key not in self._examples:
            if len(self._examples) >= _PAGE:
                self._examples.clear()
            self._examples[key] = await self._call(self._read_example, name, version)
        return self._examples[key]

    async def write(self, name: str, write: RegistryWrite) -> RegisteredModel | None:
        """Make one write, one at a time per model, and return the model as read again. Raises TransientError."""
        async with self._writing.setdefault(name, asyncio.Lock()):
            await self._call(self._write, name, write)
            return await self.refresh(name)

    async def claim(self, name: str, alias: str, owner: str) -> RegisteredModel | None:
        """Record the owner of an alias, unless someone else is recorded, and return the model.

        Raises:
            TransientError: MLflow is away.
        """
        async with self._writing.setdefault(name, asyncio.Lock()):
            model = await self.refresh(name)
            if model is None or tags.owner(alias) in model.tags:
                return model
            await self._call(self._client.set_registered_model_tag, name, tags.owner(alias), owner)
            return await self.refresh(name)

    async def report(self, experiment: str, request_hash: str, kind: str) -> ReportedRun | None:
        """Return the finished run that answers a request; None: not yet. Raises TransientError."""
        return await self._call(self._find_report, experiment, request_hash, kind)

    async def fired(self, experiment: str, policy: str) -> list[FiredTrigger]:
        """Return the facts that have started runs of a policy, newest first. Raises TransientError."""
        return await self._call(self._find_fired, experiment, policy)

    async def keep_runs(self, experiment: str, subject: str, keep: int, episodes: Mapping[str, str]) -> None:
        """Mark the runs of episodes, and delete the oldest of the others beyond a number. Raises TransientError."""
        act = partial(keep_runs, keep=keep, episodes=episodes)
        await self._call(act, self._client, experiment, subject)

    def close(self) -> None:
        """Give back the threads."""
        self._threads.close()

    async def _list(self) -> None:
        if self._failed is not None and self._clock() - self._failed[0] < min(_FAILURE_LASTS, self._poll):
            raise self._failed[1]
        self._newer.clear()
        try:
            listed = await self._call(self._read_all)
        except TransientError as error:
            self._failed = (self._clock(), error)
            raise
        # The listing may have passed a model before we wrote to it.
        older = {name: model for name, model in listed.items() if name not in self._newer}
        self._models = older | {name: model for name, model in self._models.items() if name in self._newer}
        self._failed, self._listed = None, self._clock()

    async def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        try:
            # Several requests may stand behind one call.
            return await self._threads.call(4 * self._timeout, function, *arguments)
        except (MlflowException, requests.RequestException, OSError) as error:
            raise TransientError(self._sentence(error), "RegistryUnavailable") from error

    def _sentence(self, error: Exception) -> str:
        text = str(error)
        if "Invalid Host header" in text:
            return (
                f"MLflow at {self._uri} refuses the host name by which it is asked (403 Invalid Host header): "
                "add it to MLFLOW_SERVER_ALLOWED_HOSTS of the MLflow server"
            )
        if broken := re.search(r"too many (\d+) error responses", text):
            return f"MLflow at {self._uri} answers with an error: {broken[1]}; its log tells why"
        if isinstance(error, MlflowException) and "Max retries exceeded" not in text and "Connection" not in text:
            return f"MLflow at {self._uri} answers with an error: {_first_line(text)}"
        return f"MLflow at {self._uri} does not answer: see whether it runs and whether LEEBOARD_TRACKING_URI names it"

    def _read_all(self) -> dict[str, RegisteredModel]:
        models = {model.name: _model(model) for model in _pages(self._client.search_registered_models)}
        versions: dict[str, dict[str, ModelVersion]] = {}
        for version in _pages(self._client.search_model_versions):
            versions.setdefault(version.name, {})[str(version.version)] = _version(version)
        return {name: replace(model, versions=versions.get(name, {})) for name, model in models.items()}

    def _read(self, name: str) -> RegisteredModel | None:
        try:
            model = _model(self._client.get_registered_model(name))
        except MlflowException as error:
            if error.error_code in _MISSING:
                return None
            raise
        named = f"name='{name}'"
        found = _pages(lambda **page: self._client.search_model_versions(named, **page))
        return replace(model, versions={str(version.version): _version(version) for version in found})

    def _write(self, name: str, write: RegistryWrite) -> None:
        try:
            if write.set_alias is not None:
                self._client.set_registered_model_alias(name, write.set_alias, write.version)
            if write.delete_alias is not None:
                model = self._client.get_registered_model(name)
                if str(model.aliases.get(write.delete_alias)) == write.version:
                    self._client.delete_registered_model_alias(name, write.delete_alias)
            if write.tag is not None and write.tag_value is not None:
                self._client.set_model_version_tag(name, write.version, write.tag, write.tag_value)
            elif write.tag is not None and write.tag in self._client.get_model_version(name, write.version).tags:
                self._client.delete_model_version_tag(name, write.version, write.tag)
        except MlflowException as error:
            if error.error_code not in _MISSING:
                raise
            # Nothing will ever be written about a version that is gone.
            logger.warning("version %s of %s is gone from the registry; nothing was written", write.version, name)

    def _read_example(self, name: str, version: str) -> list[Row]:
        root = self._client.get_model_version_download_uri(name, version).rstrip("/")
        text = mlflow.artifacts.load_text(f"{root}/MLmodel")
        try:
            document = yaml.safe_load(text)
            path = examples.example_path(document)
            rows: list[Row] = []
            if path is not None:
                rows = examples.rows_of_example(mlflow.artifacts.load_dict(f"{root}/{PurePosixPath(path)}"))
            return rows or examples.row_of_signature(document)
        except (yaml.YAMLError, LookupError, AttributeError, TypeError, ValueError) as error:
            logger.warning("the MLmodel of version %s of %s cannot be read for an example: %s", version, name, error)
            return []

    def _find_report(self, experiment: str, request_hash: str, kind: str) -> ReportedRun | None:
        found = self._client.get_experiment_by_name(experiment)
        if found is None or not re.fullmatch(r"[0-9a-f]+", request_hash):
            return None
        runs = self._client.search_runs(
            [found.experiment_id],
            f"tags.`{tags.REQUEST}` = '{request_hash}' and attributes.status = 'FINISHED'",
            max_results=1,
            order_by=["attributes.start_time ASC"],
        )
        if not runs:
            return None
        run_id, root = runs[0].info.run_id, runs[0].info.artifact_uri.rstrip("/")
        files = {entry.path for entry in self._client.list_artifacts(run_id)}
        page = next((name for name in ("report.html", "report.json") if name in files), "")
        report = _read_report(kind, request_hash, root) if "report.json" in files else None
        if report is None:
            message = f"the run {run_id} finished without a report.json that can be read"
            report = REPORT_BY_KIND[kind](request_hash=request_hash, outcome=JobOutcome.ERROR, message=message)
        return ReportedRun(run_id=run_id, report=report, report_uri=f"{root}/{page}")

    def _find_fired(self, experiment: str, policy: str) -> list[FiredTrigger]:
        found = self._client.get_experiment_by_name(experiment)
        if found is None:
            return []
        runs = self._client.search_runs(
            [found.experiment_id],
            f"tags.`{tags.KIND}` = 'retrain' and tags.`{tags.OBJECT}` = '{policy}'",
            max_results=_LEDGER,
            order_by=["attributes.start_time DESC"],
        )
        return [fired for run in runs for fired in _fired(run.data.tags.get(tags.TRIGGERS, "[]"))]


def _fired(text: str) -> list[FiredTrigger]:
    try:
        return [FiredTrigger.model_validate(entry) for entry in json.loads(text)]
    except (ValueError, TypeError) as error:
        logger.warning("the ledger in the tag %s cannot be read: %s", tags.TRIGGERS, error)
        return []


def _read_report(kind: str, request_hash: str, root: str) -> JobReport | None:
    try:
        report = REPORT_BY_KIND[kind].model_validate_json(mlflow.artifacts.load_text(f"{root}/report.json"))
    except ValidationError:
        return None
    return report if report.request_hash == request_hash else None


def _pages(search: Callable[..., Any]) -> list[Any]:
    found: list[Any] = []
    token = None
    for _ in range(_MAX_PAGES):
        page = search(max_results=_PAGE, page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            break
    return found


def _model(model: Any) -> RegisteredModel:
    aliases: Mapping[str, Any] = model.aliases or {}
    return RegisteredModel(
        name=model.name,
        aliases={alias: str(version) for alias, version in aliases.items()},
        tags=dict(model.tags or {}),
    )


def _version(version: Any) -> ModelVersion:
    return ModelVersion(
        version=str(version.version),
        tags=dict(version.tags or {}),
        ready=version.status == "READY",
        run_id=version.run_id or "",
    )


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:300] if text.strip() else "no message"
