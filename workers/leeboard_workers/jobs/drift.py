"""Scores one window: compares its rows with the reference's, judges answers by their labels, writes the report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeboard.api.checks import Check, ColumnWeighting
from leeboard.contract.documents import short_hash
from leeboard.contract.jobs import CheckReport, DriftReport, DriftRequest, JobOutcome
from leeboard_workers.data.stored import fingerprint
from leeboard_workers.drift import Answers, Report, Strangers, Together, compare
from leeboard_workers.drift.quality import quality_report
from leeboard_workers.drift.report import Story, concluded, html
from leeboard_workers.drift.selection import selected_columns, selects, stated_weights
from leeboard_workers.jobs import performance
from leeboard_workers.jobs.frame import Artifacts, Desk
from leeboard_workers.jobs.lessons import lessons_of
from leeboard_workers.jobs.models import ModelError
from leeboard_workers.jobs.past import past_windows
from leeboard_workers.jobs.references import weighed_once
from leeboard_workers.jobs.sides import Sides


def handle(request: DriftRequest, desk: Desk) -> tuple[DriftReport, Artifacts]:
    """Score the window of a request.

    Raises:
        DatasetError, ColumnSelectionError, ModelError: the request cannot be answered as it is.
    """
    sides = Sides(request, desk)
    judged = {
        check.name: performance.judge(check, request, sides)
        for check in request.checks
        if check.performance is not None
    }
    of_rows = [check for check in request.checks if check.performance is None]
    few = _too_few(request, sides) if of_rows else "; ".join(report.message for report in judged.values())
    comparison = None
    if of_rows and not few:
        comparison = _compared([check for check in of_rows if check.data_quality is None], request, sides, desk)
        judged |= {report.name: report for report in comparison.checks}
        judged |= {
            check.name: _quality(check, request, sides, desk) for check in of_rows if check.data_quality is not None
        }
    report = DriftReport(
        request_hash=request.request_hash,
        outcome=JobOutcome.INSUFFICIENT,
        message=few,
        rows=sides.log.rows.total_rows if of_rows else _rows_judged(judged),
        sampled=bool(of_rows) and sides.log.rows.rows < sides.log.rows.total_rows,
        compared_rows=sides.log.rows.rows if of_rows else None,
        reference_rows=sides.reference.features.rows if comparison is not None else 0,
        reference_total_rows=sides.reference.features.total_rows if comparison is not None else None,
        version=request.version,
        window_start_time=request.window_start_time,
        window_end_time=request.window_end_time,
        checks=tuple(judged.get(check.name) or _unmeasured(check, few) for check in request.checks) if judged else (),
        columns=comparison.columns if comparison is not None else (),
        prediction_distribution=comparison.prediction_distribution if comparison is not None else None,
    )
    report = concluded(report)
    return report, _pages(request, report, comparison, sides, desk)


def _too_few(request: DriftRequest, sides: Sides) -> str:
    """Say that there are too few rows to compare; empty: there are enough."""
    asked, rows = request.min_rows, sides.log.rows.total_rows
    if rows < asked:
        return f"the window has {rows} rows, and {asked} are asked for: too few to tell"
    if request.reference_windows is not None and sides.reference.features.rows < asked:
        held = sides.reference.features.rows
        return f"the reference ({sides.reference.story}) has {held} rows, and {asked} are asked for: too few to tell"
    return ""


def _quality(check: Check, request: DriftRequest, sides: Sides, desk: Desk) -> CheckReport:
    if check.data_quality is None:
        raise ValueError(f"the check {check.name} is not about the data's quality")
    named = selected_columns(request.columns, _shared(sides))
    expected = [name for name in sides.expected if selects(request.columns, name)] if sides.expected else None
    then, now = sides.reference.features, sides.log.features
    return quality_report(
        check.name,
        check.data_quality,
        then.select([name for name in named if name in then.names]),
        now.select([name for name in named if name in now.names]),
        expected=expected,
        doubled=sides.log.doubled_rows,
        run=desk.sharing((then.rows + now.rows) * len(named)),
    )


def _compared(checks: list[Check], request: DriftRequest, sides: Sides, desk: Desk) -> Report:
    features = selected_columns(request.columns, _shared(sides))
    now = sides.log.features
    now = now.select([name for name in features if name in now.names])
    weights = _weights(request, features, sides, desk)
    return compare(
        sides.prepared(features),
        now,
        checks,
        weights=weights,
        answers=_answers(request, sides) if any(check.prediction for check in checks) else None,
        strangers=_strangers(request, sides),
        together=_together(features, checks, sides),
        lessons=lessons_of(checks, weights, features, sides, desk),
        run=desk.sharing((sides.reference.features.rows + now.rows) * len(features)),
    )


def _together(features: list[str], checks: Sequence[Check], sides: Sides) -> Together | None:
    """Read both sides at once: joint tests need whole rows, in order of time."""
    joint = [check.multivariate_test for check in checks if check.multivariate_test is not None]
    if not joint:
        return None
    then, now = sides.reference, sides.log
    whole = Together(
        then.in_time([name for name in features if name in then.features.names]),
        now.in_time([name for name in features if name in now.features.names]),
    )
    if not any(test.looks_inside for test in joint):
        return whole
    try:
        own, times = sides.features_then()
        own = own if times is None else own.take(pa.array(np.argsort(times, kind="stable")))
        return replace(whole, features=Together(own, sides.features_now()))
    except ModelError as error:
        return replace(whole, no_features=str(error))


def _rows_judged(judged: Mapping[str, CheckReport]) -> int:
    return max((report.performance.rows for report in judged.values() if report.performance is not None), default=0)


def _unmeasured(check: Check, message: str) -> CheckReport:
    [kind] = check.document().keys() - {"name"}
    return CheckReport(name=check.name, kind=kind, message=message)


def _shared(sides: Sides) -> list[str]:
    """Return the features: what the model was asked with. The reference may hold more columns than the model takes."""
    then, logged = sides.reference.features.names, sides.log.features.names
    return [name for name in then if name in logged] + [name for name in logged if name not in then]


def _weights(request: DriftRequest, features: list[str], sides: Sides, desk: Desk) -> Mapping[str, float] | None:
    """Return what columns weigh; importances are found once for a version and its reference, or once by its log."""
    if request.columns.weights is not None:
        return stated_weights(request.columns.weights, features)
    if request.columns.weighting is not ColumnWeighting.IMPORTANCE:
        return None

    def weigh() -> dict[str, float]:
        from leeboard_workers.drift.weights import importances  # noqa: PLC0415 (pandas, which others do not need)

        rows = sides.answered
        labels = rows.labels.to_pandas() if rows.labels is not None else None
        return importances(sides.model.model, rows.inputs.to_pandas(), labels, request.seed)

    ref = sides.reference.ref
    version = (request.model_name, request.version, request.seed)
    if ref is None:  # the log's past is another one in each window: the first that is looked at tells what matters
        identity = short_hash(*version, "the log")
    else:
        identity = short_hash(*version, ref.model_dump(mode="json"), fingerprint(sides.reference.everything))
    return weighed_once(desk.run.client, request.experiment, identity, weigh)


def _answers(request: DriftRequest, sides: Sides) -> Answers:
    rows = sides.log.rows.table(["version", "prediction"])
    stable = rows.filter(pc.equal(rows["version"], request.version))
    return Answers(reference=sides.answers_then, window=stable["prediction"])


def _strangers(request: DriftRequest, sides: Sides) -> Strangers | None:
    if request.acceptance is None:
        return None
    return Strangers(flags=sides.log.rows.column("ood"), acceptance=request.acceptance)


def _pages(
    request: DriftRequest, report: DriftReport, comparison: Report | None, sides: Sides, desk: Desk
) -> dict[str, Path]:
    weighting = "all columns weigh the same"
    if request.columns.weights is not None:
        weighting = "columns weigh as the manifest says"
    elif request.columns.weighting is ColumnWeighting.IMPORTANCE:
        weighting = "columns weigh as they matter to the model"
    story = Story(
        subject=request.model_deployment,
        model=request.model_name,
        reference=sides.reference.story if comparison is not None else "",
        weighting=weighting,
        run_id=desk.run.run_id,
        past=past_windows(desk.run.client, request),
    )
    page = desk.workdir / "report.html"
    page.write_text(html(report, story))
    if comparison is None:
        return {"report.html": page}
    bins = desk.workdir / "bins.json"
    bins.write_text(json.dumps(comparison.bins))
    return {"report.html": page, "bins.json": bins}
