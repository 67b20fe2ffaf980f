"""Retrains a model: reads labelled rows, trains on Ray, backtests, holds the challenger against the champion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from leeboard.api.training import Evaluation
from leeboard.contract.jobs import BacktestFold, JobOutcome, RetrainReport, RetrainRequest
from leeboard_workers.drift.page import day
from leeboard_workers.jobs.challenger import Challenger, register
from leeboard_workers.jobs.course import Course, lay_course
from leeboard_workers.jobs.frame import Artifacts, Desk
from leeboard_workers.jobs.proof import Proof
from leeboard_workers.jobs.tracking import metric_name
from leeboard_workers.retrain import backtest, gates
from leeboard_workers.retrain.answers import metric_named
from leeboard_workers.retrain.context import TrainingContext
from leeboard_workers.retrain.fitting import Trained, Training, train_and_measure
from leeboard_workers.retrain.lineage import rfc3339
from leeboard_workers.retrain.report import Story, headline, html
from leeboard_workers.retrain.split import tail
from leeboard_workers.retrain.tables import TIME
from leeboard_workers.retrain.trainers import name_of, parameters_of

VALIDATION_SHARE = 0.1
LEAST_TRAINING_ROWS = 10


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
    course = lay_course(request, desk)
    common = _rows_of(request, course)
    if course.split.train.num_rows < LEAST_TRAINING_ROWS:
        message = (
            f"{course.split.train.num_rows} labelled rows are left to train on, at least {LEAST_TRAINING_ROWS} are "
            f"needed: wait for labels, or widen data.window"
        )
        report = RetrainReport(outcome=JobOutcome.INSUFFICIENT, message=message, **common)
        return report, _page(request, report, course, desk)
    folds = _folds(request.evaluation, course)
    *tested, challenger = _train(request, desk, course, folds)
    proof = Proof(request, course, challenger)
    verdicts = gates.check_gates(request.evaluation.gates, proof.for_gates())
    report = RetrainReport(
        outcome=JobOutcome.MEASURED,
        passed=gates.passed(verdicts),
        metrics=dict(challenger.metrics),
        champion_metrics=dict(proof.holdout.champion or {}),
        gates=verdicts,
        backtest=tuple(_fold_report(fold, result) for fold, result in zip(folds, tested, strict=True)),
        **common,
    )
    if report.passed:
        report = report.model_copy(update={"version": register(request, desk, _candidate(request, course, challenger))})
    report = report.model_copy(update={"message": headline(report)})
    desk.run.log_metrics({f"trainer/{name}": value for name, value in challenger.trained.metrics.items()})
    return report, _page(request, report, course, desk)


def _rows_of(request: RetrainRequest, course: Course) -> dict[str, Any]:
    """Return what the report says of the rows, whatever comes of them."""
    split, warmth = course.split, course.warmth
    times = split.holdout[course.rows.time].cast(TIME) if course.rows.time is not None else None
    span = pc.min_max(times).as_py() if times is not None and len(times) else {}
    return {
        "request_hash": request.request_hash,
        "train_rows": split.train.num_rows,
        "holdout_rows": split.holdout.num_rows,
        "data_versions": course.rows.data_versions,
        "high_water_mark": course.rows.labels_in_log,
        "ingest_mark": course.rows.ingest_mark.isoformat() if course.rows.ingest_mark else None,
        "new_rows": warmth.new if warmth else None,
        "replayed_rows": warmth.replayed if warmth else None,
        "training_cutoff_time": rfc3339(split.cutoff) if split.cutoff else None,
        "champion_cutoff_time": rfc3339(course.champion.version.cutoff) if course.champion else None,
        "holdout_from_time": span["min"].strftime("%Y-%m-%dT%H:%M:%SZ") if span else None,
        "holdout_to_time": span["max"].strftime("%Y-%m-%dT%H:%M:%SZ") if span else None,
        "seen_rows": split.seen or None,
    }


def _folds(evaluation: Evaluation, course: Course) -> list[FoldRows]:
    time, split = course.rows.time, course.split
    if evaluation.backtest is None or time is None or split.cutoff is None:
        return []
    first = backtest.first_instant(split.train, time)
    planned = backtest.plan_folds(
        first, split.cutoff, evaluation.backtest, not_before=course.warmth.since if course.warmth else None
    )
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
            client.log_metric(self.run_id, metric_name(f"training/{name}"), value, step=step)


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


def _candidate(request: RetrainRequest, course: Course, challenger: Trained) -> Challenger:
    return Challenger(
        trained=challenger.trained,
        rows=course.split.train,
        features=course.features,
        label=course.rows.label,
        time=course.rows.time,
        cutoff=course.cutoff(request),
        data_versions=course.rows.data_versions,
        ingest_mark=course.rows.ingest_mark,
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
    until = request.data_to_time
    spans = [f"from {day(since)}" if since else "", f"to {day(until)}" if until else ""]
    told = " ".join([source, *(span for span in spans if span)])
    if course.warmth is not None:
        told += f"; {course.warmth.new} of them new to the model, {course.warmth.replayed} older ones again"
    return told
