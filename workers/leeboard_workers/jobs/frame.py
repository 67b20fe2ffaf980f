"""What all jobs do alike: claim the run, do the work, leave report, artifacts, numbers and tags, end the run."""

import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow.tracking import MlflowClient

from leeboard.contract import tags
from leeboard.contract.examinations import CompareReport, VerifyReport
from leeboard.contract.jobs import DriftReport, FitDetectorReport, JobOutcome, JobReport, JobRequest, RetrainReport
from leeboard.contract.kinds import REPORT_BY_KIND
from leeboard_workers.data.mapping import Map, on_threads
from leeboard_workers.jobs.cluster import Cluster
from leeboard_workers.jobs.tracking import LostRunError, TrackedRun, claim

log = logging.getLogger(__name__)

MAX_MESSAGE = 1_000

SHARED_VALUES = 50_000_000
"""From so many values on Ray's start is worth it: two cores sort and compare them in about two seconds."""

Artifacts = Mapping[str, Path]
"""Path in the run → local file or folder."""


@dataclass(frozen=True)
class Desk:
    """What a handler works with."""

    workdir: Path
    """An empty folder of its own."""
    run: TrackedRun
    """The MLflow run."""
    cluster: Cluster
    """Where to compute."""

    def sharing(self, values: int) -> Map:
        """Return who works on so many values: the cluster, or if they are few the cores here."""
        return self.cluster.map if values > SHARED_VALUES else on_threads


Handler = Callable[[JobRequest, Desk], tuple[JobReport, Artifacts]]


class BadRequestError(ValueError):
    """The request cannot be answered, however often it is tried; the message says what to do."""


def work(request: JobRequest, handler: Handler, *, permanent: tuple[type[Exception], ...]) -> JobReport | None:
    """Answer a request once.

    Args:
        request: What to do.
        handler: Does it.
        permanent: Errors that the same request will always meet: they are reported as the outcome.

    Returns:
        The report, or none when another worker has answered, or goes before this one.

    Raises:
        Exception: whatever else the handler raises; the run is then failed and the job may be tried again.
    """
    run = claim(MlflowClient(request.tracking_uri), request)
    if run is None:
        log.info("a finished run answers this request: nothing to do")
        return None
    with tempfile.TemporaryDirectory(prefix="leeboard-") as folder, run, Cluster() as cluster:
        try:
            report, artifacts = _handled(request, handler, Desk(Path(folder), run, cluster), permanent)
            _leave(report, artifacts, run, Path(folder) / "leeboard-run")
        except LostRunError as error:
            log.info("%s: leaving", error)
            return None
        except BaseException as error:  # also a signal: whoever comes next need not wait for a stale heartbeat
            run.fail(sentence(error))
            raise
    return report


def sentence(error: BaseException) -> str:
    """Return the first line of an error, named by its type unless it speaks for itself."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else ""
    text = first if isinstance(error, ValueError) and first else f"{type(error).__name__}: {first}".rstrip(": ")
    return text[:MAX_MESSAGE]


def _handled(
    request: JobRequest, handler: Handler, desk: Desk, permanent: tuple[type[Exception], ...]
) -> tuple[JobReport, Artifacts]:
    try:
        return handler(request, desk)
    except permanent as error:
        log.warning("the request cannot be answered: %s", error)
        report = REPORT_BY_KIND[request.kind](
            request_hash=request.request_hash,
            outcome=JobOutcome.ERROR,
            message=sentence(error),
            permanent=True,
        )
        return report, {}


def _leave(report: JobReport, artifacts: Artifacts, run: TrackedRun, folder: Path) -> None:
    folder.mkdir()
    for path, local in artifacts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(local, target)
    (folder / "report.json").write_text(report.model_dump_json(by_alias=True, exclude_none=True))
    run.ensure_ours()
    run.log_folder(folder)
    run.log_metrics(_numbers_of(report))
    run.set_tags(_tags_of(report))
    run.finish()


def _numbers_of(report: JobReport) -> Mapping[str, float]:
    if report.outcome is not JobOutcome.MEASURED:
        return {}
    if isinstance(report, DriftReport):
        from leeboard_workers.drift.report import metrics  # noqa: PLC0415 (statistics that other jobs do not need)

        return metrics(report)
    if isinstance(report, RetrainReport):
        champion = {f"champion/{name}": value for name, value in report.champion_metrics.items()}
        rows = {"train_rows": float(report.train_rows), "holdout_rows": float(report.holdout_rows)}
        return {**report.metrics, **champion, **rows}
    if isinstance(report, VerifyReport | CompareReport):
        return _examined(report)
    if isinstance(report, FitDetectorReport) and report.threshold is not None:
        rows = {"threshold": report.threshold, "reference_rows": float(report.reference_rows)}
        own = [row for row in report.expected or () if row.flagged is not None]
        return rows | {f"expected/{row.outliers}/auroc": row.auroc for row in own}
    return {}


def _examined(report: VerifyReport | CompareReport) -> Mapping[str, float]:
    if isinstance(report, CompareReport):
        return {"agreement": report.agreement or 0.0, "rows": float(report.rows)}
    stable = {f"stable/{one.name}": one.stable for one in report.metrics if one.stable is not None}
    return {one.name: one.candidate for one in report.metrics if one.candidate is not None} | stable


def _tags_of(report: JobReport) -> dict[str, str]:
    found = {tags.OUTCOME: report.outcome.value, "mlflow.note.content": report.message}
    if isinstance(report, DriftReport):
        from leeboard_workers.drift.report import verdict_of  # noqa: PLC0415 (statistics that other jobs do not need)

        found[tags.VERDICT] = verdict_of(report)
        found[tags.WINDOW_END] = report.window_end_time
    return found
