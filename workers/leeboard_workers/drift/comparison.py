"""Compares a window with its reference: every column by every check, then the checks' verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from leeboard.api.checks import Check, UnivariateDistance, UnivariateTest
from leeboard.api.multivariate import MultivariateTest
from leeboard.api.quality import DataQuality
from leeboard.contract.jobs import CheckReport, ColumnReport, Distribution
from leeboard_workers.data.mapping import Map, on_threads
from leeboard_workers.data.rows import Rows, TableRows, each_once
from leeboard_workers.drift import verdicts
from leeboard_workers.drift.block import ColumnMeasure, Comparison, infinite_share, measure_columns, missing_share
from leeboard_workers.drift.findings import Report
from leeboard_workers.drift.learning import Lesson
from leeboard_workers.drift.multivariate import UnfitRowsError, run_joint_test
from leeboard_workers.drift.quality import quality_report
from leeboard_workers.drift.reference import Reference
from leeboard_workers.drift.together import Together, joint_task
from leeboard_workers.drift.weighing import blocks_of, weights_by_measure

MAX_PICTURES = 100
"""So many columns of a report keep their histograms: those that moved most."""

DEFAULT_CHECKS = (
    Check(name="columns", univariate_test=UnivariateTest()),
    Check(name="distance", univariate_distance=UnivariateDistance()),
)


@dataclass(frozen=True)
class Answers:
    """The stable version's answers."""

    reference: pa.ChunkedArray
    """On the rows of the reference."""
    window: pa.ChunkedArray
    """In the window."""


@dataclass(frozen=True)
class Strangers:
    """What the out-of-distribution detector said of the window's rows."""

    flags: pa.ChunkedArray
    """Booleans; null where a row was not scored."""
    acceptance: float
    """Share of ordinary rows that the detector lets pass."""


def compare(
    reference: Reference | Rows | pa.Table,
    window: Rows | pa.Table,
    checks: Sequence[Check] = DEFAULT_CHECKS,
    *,
    weights: Mapping[str, float] | None = None,
    answers: Answers | None = None,
    strangers: Strangers | None = None,
    together: Together | None = None,
    lessons: Mapping[str, Lesson] | None = None,
    run: Map = on_threads,
) -> Report:
    """Compare the columns of a window with those of a reference.

    Columns are matched by name; one that is missing on either side, or cannot be compared, says so in its report and
    takes no other down. Of either side one column at a time is in memory for each worker, unless it is a table.

    Args:
        reference: Prepared by `prepare`, or rows that are read once.
        window: Rows.
        checks: What is checked.
        weights: Weight by column; columns that are not named weigh nothing. None: all weigh the same.
        answers: Needed by `prediction` checks.
        strangers: Needed by `outOfDistributionRate` checks.
        together: Needed by `multivariateTest` checks when the reference is prepared; else the rows in their own order.
        lessons: Needed by checks that say `learned`: what `learn` returned for them. Checks that leave their bound out
            take the default when there is none.
        run: Applies the comparison to blocks of columns.

    Returns:
        Verdicts of the checks and reports of the columns.

    Raises:
        ValueError: a side has several columns of one name, or a check needs what was not handed in.
    """
    then = TableRows(reference) if isinstance(reference, pa.Table) else reference
    now = TableRows(window) if isinstance(window, pa.Table) else window
    each_once(then.names, "reference")
    each_once(now.names, "window")
    _refuse_performance(checks)
    measures = _measured(Comparison(then, now, tuple(checks)), run)
    weight_of = weights_by_measure(measures, weights)
    reports: list[CheckReport] = []
    first: dict[str, verdicts.Compared] = {}
    picture: Distribution | None = None
    for index, check in enumerate(checks):
        lesson = _lesson_of(check, lessons)
        if lesson is not None and lesson.lacks and check.learned is not None:
            reports.append(verdicts.unlearned(check, lesson))
            continue
        if check.univariate_test is not None:
            outcomes = {m.name: m.tests[index] for m in measures if index in m.tests}
            report, columns = verdicts.test_verdict(check.name, check.univariate_test, outcomes, weight_of, lesson)
            first.setdefault("test", columns)
        elif check.univariate_distance is not None:
            distances = {m.name: m.distances[index] for m in measures if index in m.distances}
            report, columns = verdicts.distance_verdict(
                check.name, check.univariate_distance, distances, weight_of, lesson
            )
            first.setdefault("distance", columns)
        elif check.multivariate_test is not None:
            sides = together or _together(then, now)
            report = _jointly(check.name, check.multivariate_test, sides, weight_of, lesson)
        elif check.data_quality is not None:
            report = _faults(check.name, check.data_quality, then, now, run)
        else:
            report, seen = _rowwise(check, answers, strangers, lesson)
            picture = picture or seen
        reports.append(report)
    return Report(
        checks=tuple(reports),
        columns=_column_reports(measures, weight_of, first),
        prediction_distribution=picture,
        bins={m.name: m.bins for m in measures if m.bins},
        rows=now.total_rows,
        compared_rows=now.rows,
        reference_rows=then.rows,
        reference_total_rows=then.total_rows,
    )


def _measured(asked: Comparison, run: Map) -> list[ColumnMeasure]:
    names = list(dict.fromkeys([*asked.reference.names, *asked.window.names]))
    blocks = blocks_of(names, asked.reference.rows + asked.window.rows)
    return [measure for block in run(partial(measure_columns, asked), blocks) for measure in block]


def _together(reference: Reference | Rows, window: Rows) -> Together:
    if isinstance(reference, Reference):
        raise TypeError("a prepared reference holds no rows: multivariateTest checks need `together`")
    return Together(reference.table(reference.names), window.table(window.names))


def _lesson_of(check: Check, lessons: Mapping[str, Lesson] | None) -> Lesson | None:
    lesson = lessons.get(check.name) if lessons is not None and check.taught is not None else None
    if lesson is None and check.learned is not None:
        raise ValueError(f"the check {check.name} learns its bounds: hand in `lessons`, which `learn` returns")
    return lesson


def _jointly(
    name: str, test: MultivariateTest, sides: Together, weights: Mapping[str, float], lesson: Lesson | None
) -> CheckReport:
    try:
        return verdicts.joint_verdict(name, test, run_joint_test(joint_task(test, sides, weights)), lesson)
    except UnfitRowsError as error:
        return verdicts.unmeasured(name, "multivariateTest", test.smallest_effect, str(error))


def _faults(name: str, check: DataQuality, reference: Reference | Rows, window: Rows, run: Map) -> CheckReport:
    if isinstance(reference, Reference):
        message = "a prepared reference holds no rows, which dataQuality looks at: hand in the rows"
        return verdicts.unmeasured(name, "dataQuality", 0.0, message)
    return quality_report(name, check, reference, window, run=run)


def _refuse_performance(checks: Sequence[Check]) -> None:
    judged = [check.name for check in checks if check.performance is not None]
    if judged:
        raise ValueError(
            f"the check {judged[0]} judges answers by their outcomes, which two tables do not tell: call "
            "leeboard_workers.drift.performance.performance_report with them"
        )


def _rowwise(
    check: Check, answers: Answers | None, strangers: Strangers | None, lesson: Lesson | None
) -> tuple[CheckReport, Distribution | None]:
    if check.prediction is not None:
        if answers is None:
            raise ValueError(f"the check {check.name} needs the answers then and now")
        return verdicts.prediction_verdict(check.name, check.prediction, answers.reference, answers.window, lesson)
    if check.out_of_distribution_rate is None:
        raise ValueError(f"the check {check.name} has no member that is known here")
    if strangers is None:
        message = "the ModelDeployment has no detector: set spec.outOfDistribution there, or leave this check out"
        limit = check.out_of_distribution_rate.max_increase
        return verdicts.unmeasured(check.name, "outOfDistributionRate", limit, message), None
    rate = check.out_of_distribution_rate
    return verdicts.ood_verdict(check.name, rate, strangers.flags, strangers.acceptance), None


def _column_reports(
    measures: Sequence[ColumnMeasure], weight_of: Mapping[str, float], first: Mapping[str, verdicts.Compared]
) -> tuple[ColumnReport, ...]:
    compared = [m for m in measures if m.tests or m.distances]
    total = sum(weight_of[m.name] for m in compared) or 1.0
    reports = [
        ColumnReport(
            name=m.name,
            type=m.type,
            weight=weight_of[m.name] / total if m.tests or m.distances else 0.0,
            reference_missing=missing_share(m.reference_counts),
            window_missing=missing_share(m.window_counts),
            window_infinite=infinite_share(m.window_counts),
            reference_counts=m.reference_counts,
            window_counts=m.window_counts,
            test=first.get("test", {}).get(m.name),
            distance=first.get("distance", {}).get(m.name),
            distribution=m.distribution,
            message=m.message,
        )
        for m in measures
    ]
    reports.sort(key=lambda column: (-column.weight * _movement(column), -_movement(column), column.name))
    return tuple(
        column if rank < MAX_PICTURES else column.model_copy(update={"distribution": None})
        for rank, column in enumerate(reports)
    )


def _movement(column: ColumnReport) -> float:
    """Return how far a column moved: its effect size where there is one, else its distance."""
    if column.test is not None:
        return column.test.effect or 0.0
    return column.distance.statistic if column.distance is not None else 0.0
