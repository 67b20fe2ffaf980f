"""Judges the answers of a window by the labels that came: how many, how late, and what the metrics say."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeboard.api.checks import Check
from leeboard.api.performance import NUMBER_METRICS, Performance
from leeboard.contract.jobs import CheckReport, DriftRequest
from leeboard_workers.data.predictionlog import ANSWERS, LogRows
from leeboard_workers.data.windows import Window
from leeboard_workers.drift.metrics import metric_of
from leeboard_workers.drift.outcomes import Outcomes
from leeboard_workers.drift.performance import Coverage, Guess, performance_report, too_few_rows
from leeboard_workers.drift.values import level_of
from leeboard_workers.jobs.sides import Sides, logged_outcomes


def judge(check: Check, request: DriftRequest, sides: Sides) -> CheckReport:
    """Score a performance check.

    Raises:
        DatasetError, ModelError: reference or model cannot be had.
    """
    if check.performance is None:
        raise ValueError(f"the check {check.name} is not about performance")
    window, log = sides.labelled(check.performance.label_delay)
    known = log.table.filter(pc.is_valid(log.table["label"]))
    coverage = _coverage(window, log, known)
    if coverage.rows < request.min_rows:
        told = (
            f"version {request.version} answered {coverage.rows} rows from {coverage.start_time} to "
            f"{coverage.end_time}, and {request.min_rows} are asked for: too few to tell"
        )
        return too_few_rows(check.name, check.performance, coverage, told)
    if known.num_rows == 0 and check.performance.estimate is None:
        return performance_report(check.name, check.performance, coverage, window=None, reference=None)
    classes = _classes(check.performance, sides)
    labelled = logged_outcomes(known, classes)
    reference = _reference(check.performance, sides, classes)
    return performance_report(
        check.name,
        check.performance,
        coverage,
        window=labelled,
        reference=reference,
        guess=_guess(check.performance, request, sides, labelled, reference),
        seed=request.seed,
        why_no_reference=_why_unlabelled(request, sides),
    )


def _reference(check: Performance, sides: Sides, classes: tuple[object, ...] | None) -> Outcomes | None:
    if check.estimate is None and all(metric.baseline is not None for metric in check.metrics):
        return None  # nothing is asked of it
    return sides.outcomes_then(check.label_delay, classes)


def _guess(
    check: Performance, request: DriftRequest, sides: Sides, labelled: Outcomes, reference: Outcomes | None
) -> Guess | None:
    if check.estimate is None:
        return None
    from leeboard_workers.drift.estimation import Estimator  # noqa: PLC0415 (scikit-learn, which only it needs)

    estimator = Estimator.fitted_on(reference)
    if estimator is None:
        return None
    metrics = [metric_of(asked.name, asked.quantile) for asked in check.metrics]
    expected = estimator.estimate(labelled, metrics, request.seed)
    if request.labels_pass is not None:  # the scored window itself was estimated the first time
        return Guess(expected, {})
    rows = sides.log.rows.table([name for name in ANSWERS if name in sides.log.rows.names])
    rows = rows.filter(pc.equal(rows["version"], request.version))
    unlabelled = logged_outcomes(rows.append_column("label", rows["prediction"]), labelled.classes)
    return Guess(expected, estimator.estimate(unlabelled, metrics, request.seed))


def _coverage(window: Window, log: LogRows, known: pa.Table) -> Coverage:
    rows = log.total_rows + log.unlabelled_rows
    share = known.num_rows / max(log.table.num_rows, 1)  # of a sample, when there is one
    waited = pc.subtract(known["label_ingest_time"], known["time"]).cast(pa.int64()).to_numpy() / 1e6
    late = np.quantile(np.maximum(waited, 0.0), [0.5, 0.9]) if waited.size else None
    return Coverage(
        start_time=_iso(window.start),
        end_time=_iso(window.end),
        rows=rows,
        labelled=round(share * log.total_rows),
        delay_seconds=None if late is None else float(late[0]),
        late_delay_seconds=None if late is None else float(late[1]),
    )


def _classes(check: Performance, sides: Sides) -> tuple[object, ...] | None:
    """Return the model's classes, or for a model that does not tell, the levels of the reference's labels."""
    if sides.classes is not None:
        return sides.classes
    if all(metric.name in NUMBER_METRICS for metric in check.metrics) or not sides.reference.labelled:
        return None
    labels = sides.reference.everything.column(sides.reference.label_column or "")
    levels = {level_of(value) for value in pc.unique(labels).to_pylist() if value is not None}
    return tuple(sorted(levels))


def _why_unlabelled(request: DriftRequest, sides: Sides) -> str:
    if request.reference_windows is not None:
        return "no label has come for the reference: wait for them, or state the metric's baseline"
    if all(
        metric.baseline is not None
        for check in request.checks
        if check.performance
        for metric in check.performance.metrics
    ):
        return ""
    column, where = sides.reference.label_column, sides.reference.story
    if sides.reference.labelled:
        return ""
    lacks = f"has no column {column}" if column else "names no label column"
    return f"the reference ({where}) {lacks}: set labelColumn to one that it has, or state the metric's baseline"


def _iso(time: datetime | None) -> str:
    return "" if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
