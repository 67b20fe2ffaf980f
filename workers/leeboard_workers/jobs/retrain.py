"""Retrains a model: reads labelled rows, trains on Ray, backtests, holds the challenger against the champion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from leeboard.api.training import Evaluation, WarmStart
from leeboard.contract.jobs import BacktestFold, JobOutcome, RetrainReport, RetrainRequest
from leeboard_workers.data.windows import instant
from leeboard_workers.drift.page import day
from leeboard_workers.jobs.challenger import Challenger, register
from leeboard_workers.jobs.frame import Artifacts, Desk
from leeboard_workers.jobs.models import LoadedModel, load
from leeboard_workers.jobs.trainingrows import TrainingRows, read_training_rows
from leeboard_workers.retrain import backtest, gates
from leeboard_workers.retrain.context import TrainingContext
from leeboard_workers.retrain.fitting import Trained, Training, metrics_on, train_and_measure
from leeboard_workers.retrain.lineage import rfc3339
from leeboard_workers.retrain.metrics import metric_named
from leeboard_workers.retrain.report import Story, headline, html
from leeboard_workers.retrain.split import SplitRows, rows_since, split_rows, tail
from leeboard_workers.retrain.trainers import name_of, parameters_of

VALIDATION_SHARE = 0.1
LEAST_TRAINING_ROWS = 10


@dataclass(frozen=True)
class Course:
    """What is trained on what, decided before anything is trained."""

    rows: TrainingRows
    features: tuple[str, ...]
    champion: LoadedModel | None
    previous: LoadedModel | None
    """The model that training goes on from, or whose estimator it clones."""
    warm_since: datetime | None
    """A warm start has learnt what is older."""
    split: SplitRows


@dataclass(frozen=True)
class FoldRows:
    """A fold of the backtest with its rows."""

    fold: backtest.Fold
    train: pa.Table
    test: pa.Table


def handle(request: RetrainRequest, desk: Desk) -> tuple[RetrainReport, Artifacts]:
    """Train, compare and, if all gates pass, register.

    Raises:
        TrainingError, DatasetError, ModelError: the request cannot be answered as it is.
    """
    for gate in request.evaluation.gates:
        metric_named(gate.metric)
    course = _course(request, desk)
    common: dict[str, Any] = {
        "request_hash": request.request_hash,
        "train_rows": course.split.train.num_rows,
        "holdout_rows": course.split.holdout.num_rows,
        "data_versions": course.rows.data_versions,
        "high_water_mark": course.rows.labels_in_log,
    }
    if course.split.train.num_rows < LEAST_TRAINING_ROWS:
        message = (
            f"{course.split.train.num_rows} labelled rows are left to train on, at least {LEAST_TRAINING_ROWS} are "
            f"needed: wait for labels, or widen data.window"
        )
        report = RetrainReport(outcome=JobOutcome.INSUFFICIENT, message=message, **common)
        return report, _page(request, report, course, desk)
    folds = _folds(request.evaluation, course)
    *tested, challenger = _train(request, desk, course, folds)
    champion_metrics = _champion_metrics(course, challenger)
    verdicts = gates.check_gates(
        request.evaluation.gates, challenger.metrics, champion_metrics, inconclusive=_doubt(request, course)
    )
    report = RetrainReport(
        outcome=JobOutcome.MEASURED,
        passed=gates.passed(verdicts),
        metrics=dict(challenger.metrics),
        champion_metrics=champion_metrics or {},
        gates=verdicts,
        backtest=tuple(_fold_report(fold, result) for fold, result in zip(folds, tested, strict=True)),
        **common,
    )
    if report.passed:
        report = report.model_copy(update={"version": register(request, desk, _candidate(request, course, challenger))})
    report = report.model_copy(update={"message": headline(report)})
    desk.run.log_metrics({f"trainer/{name}": value for name, value in challenger.trained.metrics.items()})
    return report, _page(request, report, course, desk)


def _course(request: RetrainRequest, desk: Desk) -> Course:
    rows = read_training_rows(request)
    champion = previous = None
    if request.champion_version is not None:
        champion = load(desk.run.client, request.model_name, request.champion_version)
    if request.parent_version is not None and request.parent_version != request.champion_version:
        previous = load(desk.run.client, request.model_name, request.parent_version)
    previous = previous or champion
    split = split_rows(
        rows.table,
        time=rows.time,
        key=rows.key,
        holdout=request.evaluation.holdout,
        champion_cutoff=champion.version.cutoff if champion else None,
    )
    warm_since = None
    if request.trainer.warm_start is not WarmStart.NONE and previous is not None:
        warm_since = previous.version.stated_cutoff
    if warm_since is not None and rows.time is not None:
        split = replace(split, train=rows_since(split.train, rows.time, warm_since))
    features = (previous.features if previous else ()) or rows.columns
    return Course(rows, features, champion, previous, warm_since, split)


def _folds(evaluation: Evaluation, course: Course) -> list[FoldRows]:
    time, split = course.rows.time, course.split
    if evaluation.backtest is None or time is None or split.cutoff is None:
        return []
    first = backtest.first_instant(split.train, time)
    planned = backtest.plan_folds(first, split.cutoff, evaluation.backtest, not_before=course.warm_since)
    folds = [FoldRows(fold, *backtest.rows_of(split.train, time, fold)) for fold in planned]
    return [fold for fold in folds if fold.train.num_rows >= LEAST_TRAINING_ROWS and fold.test.num_rows > 0]


def _train(request: RetrainRequest, desk: Desk, course: Course, folds: Sequence[FoldRows]) -> list[Trained]:
    """Train every fold and the challenger, all at once; the challenger is the last."""
    pairs = [*((fold.train, fold.test) for fold in folds), (course.split.train, course.split.holdout)]
    trainings = [Training(request.trainer, _context(request, course, train), test) for train, test in pairs]
    if request.trainer.entrypoint is None:
        return list(desk.cluster.map(train_and_measure, trainings))
    gpus, log = desk.cluster.gpus, RunLog(request.tracking_uri, desk.run.run_id)
    trainings = [replace(one, context=replace(one.context, gpus=gpus)) for one in trainings]
    trainings[-1] = replace(trainings[-1], context=replace(trainings[-1].context, log=log))
    return list(desk.cluster.map(train_on_cluster, trainings, gpus=min(gpus, 1), always=True))


def train_on_cluster(training: Training) -> Trained:
    """Train inside a Ray task, where the trainer finds Ray connected."""
    import ray  # noqa: PLC0415 (this runs where Ray is)

    return train_and_measure(replace(training, context=replace(training.context, ray=ray)))


@dataclass(frozen=True)
class RunLog:
    """Logs a trainer's metrics into the run, from wherever the trainer runs."""

    tracking_uri: str
    run_id: str

    def __call__(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of a step."""
        from mlflow.tracking import MlflowClient  # noqa: PLC0415 (two seconds that only trainers that log need)

        client = MlflowClient(self.tracking_uri)
        for name, value in metrics.items():
            client.log_metric(self.run_id, f"training/{name}", value, step=step)


def _context(request: RetrainRequest, course: Course, rows: pa.Table) -> TrainingContext:
    train, validation = tail(rows, VALIDATION_SHARE)
    return TrainingContext(
        train=train,
        validation=validation,
        features=course.features,
        label=course.rows.label,
        parameters=parameters_of(request.trainer),
        seed=request.seed,
        previous=course.previous.model if course.previous else None,
    )


def _champion_metrics(course: Course, challenger: Trained) -> dict[str, float] | None:
    if course.champion is None:
        return None
    classes = getattr(challenger.trained.model, "classes_", None)
    features = course.champion.features or course.features
    return metrics_on(course.champion.model, course.split.holdout, features, course.rows.label, classes)


def _doubt(request: RetrainRequest, course: Course) -> str:
    """Say why the holdout proves nothing, or nothing."""
    least, rows = request.evaluation.holdout.min_rows, course.split.holdout.num_rows
    if rows >= least:
        return ""
    seen = ""
    if course.split.seen and course.champion is not None:
        cutoff = rfc3339(course.champion.version.cutoff)
        seen = f" ({course.split.seen} more may have been seen by the champion, trained up to {cutoff})"
    return f"the holdout has {rows} rows{seen}, and {least} are asked for"


def _candidate(request: RetrainRequest, course: Course, challenger: Trained) -> Challenger:
    cutoff = course.split.cutoff
    if cutoff is None:  # rows without times: all that can be said is that they were there by now
        cutoff = instant(request.data_to_time) if request.data_to_time else datetime.now(UTC)
    return Challenger(
        trained=challenger.trained,
        rows=course.split.train,
        features=course.features,
        label=course.rows.label,
        time=course.rows.time,
        cutoff=cutoff,
        data_versions=course.rows.data_versions,
        previous=course.previous,
    )


def _fold_report(rows: FoldRows, result: Trained) -> BacktestFold:
    return BacktestFold(
        train_to_time=rfc3339(rows.fold.train_to),
        test_to_time=rfc3339(rows.fold.test_to),
        train_rows=rows.train.num_rows,
        test_rows=rows.test.num_rows,
        metrics=dict(result.metrics),
    )


def _page(request: RetrainRequest, report: RetrainReport, course: Course, desk: Desk) -> dict[str, Path]:
    page = desk.workdir / "report.html"
    story = Story(
        subject=request.model_deployment,
        model=request.model_name,
        champion=course.champion.version.number if course.champion else "",
        trainer=name_of(request.trainer),
        triggers=tuple(trigger.message or f"{trigger.name}: {trigger.id}" for trigger in request.triggers),
        data=_data_of(request, course),
        features=len(course.features),
        unlabelled=course.rows.unlabelled,
        run_id=desk.run.run_id,
    )
    page.write_text(html(report, request.evaluation, story))
    return {"report.html": page}


def _data_of(request: RetrainRequest, course: Course) -> str:
    source = request.dataset.uri if request.dataset is not None else "the prediction log"
    since = request.data_from_time
    if course.warm_since is not None:
        since = rfc3339(course.warm_since)
    until = request.data_to_time
    spans = [f"from {day(since)}" if since else "", f"to {day(until)}" if until else ""]
    return " ".join([source, *(span for span in spans if span)])
