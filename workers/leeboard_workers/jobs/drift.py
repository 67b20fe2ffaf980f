"""Scores one window: reads log and reference, asks the model for weights and answers, compares, writes the report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeboard.api.checks import ColumnWeighting
from leeboard.contract.jobs import DriftReport, DriftRequest, JobOutcome
from leeboard_workers.data.datasets import read_dataset, sample_rows
from leeboard_workers.data.predictionlog import LogRows, read_predictions
from leeboard_workers.data.windows import Window
from leeboard_workers.drift import Answers, Comparison, Strangers, compare
from leeboard_workers.drift.report import Story, headline, html
from leeboard_workers.drift.selection import selected_columns, stated_weights
from leeboard_workers.jobs.frame import Artifacts, Desk
from leeboard_workers.jobs.models import LoadedModel, find_version, load

ANSWERED_ROWS = 20_000
"""So many rows of the reference are answered by the model, at most."""


@dataclass(frozen=True)
class Reference:
    """The rows that a window is held against."""

    features: pa.Table
    labels: pa.ChunkedArray | None
    story: str


def handle(request: DriftRequest, desk: Desk) -> tuple[DriftReport, Artifacts]:
    """Score the window of a request.

    Raises:
        DatasetError, ColumnSelectionError, ModelError: the request cannot be answered as it is.
    """
    window = Window.between(request.window_start_time, request.window_end_time)
    log = read_predictions(request.log, request.arms, window, max_rows=request.max_rows, seed=request.seed)
    common: dict[str, Any] = {
        "request_hash": request.request_hash,
        "rows": log.total_rows,
        "sampled": log.table.num_rows < log.total_rows,
        "version": request.version,
        "window_start_time": request.window_start_time,
        "window_end_time": request.window_end_time,
    }
    if log.total_rows < request.min_rows:
        message = f"the window has {log.total_rows} rows, and {request.min_rows} are asked for: too few to tell"
        report = DriftReport(outcome=JobOutcome.INSUFFICIENT, message=message, **common)
        return report, _pages(request, report, None, "", desk)
    reference = _reference(request, desk)
    features = selected_columns(request.columns, _shared(reference, log))
    model = load(desk.run.client, request.model_name, request.version) if _needs_model(request) else None
    comparison = compare(
        reference.features.select([name for name in features if name in reference.features.column_names]),
        log.features.select([name for name in features if name in log.features.column_names]),
        checks=request.checks,
        weights=_weights(request, features, reference, model),
        answers=_answers(request, reference, log, model),
        strangers=_strangers(request, log),
        run=desk.cluster.map,
    )
    report = DriftReport(
        outcome=JobOutcome.MEASURED,
        drifted=comparison.drifted,
        reference_rows=reference.features.num_rows,
        checks=comparison.checks,
        columns=comparison.columns,
        prediction_distribution=comparison.prediction_distribution,
        **common,
    )
    report = report.model_copy(update={"message": headline(report)})
    return report, _pages(request, report, comparison, reference.story, desk)


def _reference(request: DriftRequest, desk: Desk) -> Reference:
    if request.reference is not None:
        ref, story = request.reference, request.reference.uri
    else:
        version = find_version(desk.run.client, request.model_name, request.version)
        ref, story = version.training_data, f"training data of version {version.number}"
    rows = read_dataset(ref)
    if rows.num_rows > request.max_rows:
        rows, story = sample_rows(rows, request.max_rows, request.seed), f"{story}, sampled"
    labels = rows[ref.label_column] if ref.label_column in rows.column_names else None
    others = [name for name in (ref.label_column, ref.timestamp_column) if name in rows.column_names]
    return Reference(rows.drop_columns(others), labels, story)


def _shared(reference: Reference, log: LogRows) -> list[str]:
    """Return the features: what the model was asked with. The reference may hold more columns than the model takes."""
    logged = log.features.column_names
    return [name for name in reference.features.column_names if name in logged] + [
        name for name in logged if name not in reference.features.column_names
    ]


def _needs_model(request: DriftRequest) -> bool:
    return request.columns.weighting is ColumnWeighting.IMPORTANCE or any(check.prediction for check in request.checks)


def _weights(
    request: DriftRequest, features: list[str], reference: Reference, model: LoadedModel | None
) -> Mapping[str, float] | None:
    if request.columns.weights is not None:
        return stated_weights(request.columns.weights, features)
    if request.columns.weighting is not ColumnWeighting.IMPORTANCE or model is None:
        return None
    from leeboard_workers.drift.weights import importances  # noqa: PLC0415 (pandas, which uniform weights do not need)

    rows = _answerable(reference, request.seed)
    labels = rows["\0label"].to_pandas() if "\0label" in rows.column_names else None
    inputs = rows.select(_inputs(model, rows)).to_pandas()
    return importances(model.model, inputs, labels, request.seed)


def _answers(request: DriftRequest, reference: Reference, log: LogRows, model: LoadedModel | None) -> Answers | None:
    if model is None or not any(check.prediction for check in request.checks):
        return None
    rows = _answerable(reference, request.seed)
    then = np.asarray(model.model.predict(rows.select(_inputs(model, rows)).to_pandas()))
    stable = log.table.filter(pc.equal(log.table["version"], request.version))
    return Answers(reference=pa.chunked_array([pa.array(then)]), window=stable["prediction"])


def _answerable(reference: Reference, seed: int) -> pa.Table:
    rows = reference.features
    if reference.labels is not None:
        rows = rows.append_column("\0label", reference.labels)
    return sample_rows(rows, ANSWERED_ROWS, seed)


def _inputs(model: LoadedModel, rows: pa.Table) -> list[str]:
    return list(model.features) or [name for name in rows.column_names if name != "\0label"]


def _strangers(request: DriftRequest, log: LogRows) -> Strangers | None:
    if request.acceptance is None:
        return None
    return Strangers(flags=log.table["ood"], acceptance=request.acceptance)


def _pages(
    request: DriftRequest, report: DriftReport, comparison: Comparison | None, reference: str, desk: Desk
) -> dict[str, Path]:
    weighting = "all columns weigh the same"
    if request.columns.weights is not None:
        weighting = "columns weigh as the manifest says"
    elif request.columns.weighting is ColumnWeighting.IMPORTANCE:
        weighting = "columns weigh as they matter to the model"
    story = Story(
        subject=request.model_deployment,
        model=request.model_name,
        reference=reference,
        weighting=weighting,
        run_id=desk.run.run_id,
    )
    page = desk.workdir / "report.html"
    page.write_text(html(report, story))
    if comparison is None:
        return {"report.html": page}
    bins = desk.workdir / "bins.json"
    bins.write_text(json.dumps(comparison.bins))
    return {"report.html": page, "bins.json": bins}
