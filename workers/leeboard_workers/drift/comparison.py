"""Compares a window with its reference: every column by every check, then the checks' verdicts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from leeboard.api.checks import Check
from leeboard.contract.jobs import CheckReport, ColumnReport, Distribution
from leeboard_workers.drift import verdicts
from leeboard_workers.drift.block import Block, ColumnMeasure, measure_block
from leeboard_workers.drift.multivariate import JointTask, UnfitRowsError, run_joint_test

BLOCK_VALUES = 2_000_000
"""Values in one block of columns. Blocks depend on the data alone, so the numbers are the same on any cluster."""

MAX_PICTURES = 100
"""So many columns of a report keep their histograms: those that moved most."""

T = TypeVar("T")
R = TypeVar("R")


class Map(Protocol):
    """Applies a function to items, in parallel or not, and returns the results in the items' order."""

    def __call__(self, function: Callable[[T], R], items: Sequence[T], /) -> Iterable[R]:
        """Return what the function makes of each item."""


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


@dataclass(frozen=True)
class Comparison:
    """A window held against its reference."""

    checks: tuple[CheckReport, ...]
    """In the order given."""
    columns: tuple[ColumnReport, ...]
    """Those that moved most first, by weight."""
    prediction_distribution: Distribution | None
    bins: Mapping[str, Mapping[str, Any]]
    """Bins of the reference by column."""

    @property
    def drifted(self) -> bool:
        """Whether any check says so."""
        return any(check.drifted for check in self.checks)


def compare(
    reference: pa.Table,
    window: pa.Table,
    *,
    checks: Sequence[Check],
    weights: Mapping[str, float] | None = None,
    answers: Answers | None = None,
    strangers: Strangers | None = None,
    run: Map = map,
) -> Comparison:
    """Compare the columns of a window with those of a reference.

    Columns are matched by name; one that is missing on either side, or cannot be compared, says so in its report and
    takes no other down.

    Args:
        reference: Columns of the reference.
        window: Columns of the window.
        checks: What is checked.
        weights: Weight by column; columns that are not named weigh nothing. None: all weigh the same.
        answers: Needed by `prediction` checks.
        strangers: Needed by `outOfDistributionRate` checks.
        run: Applies the comparison to blocks of columns.

    Returns:
        Verdicts of the checks and reports of the columns.
    """
    blocks = list(_blocks(reference, window, checks))
    measures = [measure for block in run(measure_block, blocks) for measure in block]
    weight_of = {m.name: 1.0 if weights is None else weights.get(m.name, 0.0) for m in measures}
    reports: list[CheckReport] = []
    first: dict[str, verdicts.Compared] = {}
    picture: Distribution | None = None
    for index, check in enumerate(checks):
        if check.univariate_test is not None:
            outcomes = {m.name: m.tests[index] for m in measures if index in m.tests}
            report, columns = verdicts.test_verdict(check.name, check.univariate_test, outcomes, weight_of)
            first.setdefault("test", columns)
        elif check.univariate_distance is not None:
            distances = {m.name: m.distances[index] for m in measures if index in m.distances}
            report, columns = verdicts.distance_verdict(check.name, check.univariate_distance, distances, weight_of)
            first.setdefault("distance", columns)
        elif check.multivariate_test is not None:
            report = _jointly(check.name, JointTask(check.multivariate_test, reference, window, weight_of))
        else:
            report, seen = _rowwise(check, answers, strangers)
            picture = picture or seen
        reports.append(report)
    columns_reports = _column_reports(measures, weight_of, first)
    return Comparison(tuple(reports), columns_reports, picture, {m.name: m.bins for m in measures if m.bins})


def _blocks(reference: pa.Table, window: pa.Table, checks: Sequence[Check]) -> Iterable[Block]:
    names = list(dict.fromkeys([*reference.column_names, *window.column_names]))
    step = max(1, BLOCK_VALUES // max(reference.num_rows + window.num_rows, 1))
    for start in range(0, len(names), step):
        some = names[start : start + step]
        then, now = (
            table.select([name for name in some if name in table.column_names]) for table in (reference, window)
        )
        yield Block(some, then, now, checks)


def _jointly(name: str, task: JointTask) -> CheckReport:
    try:
        return verdicts.joint_verdict(name, task.test, run_joint_test(task))
    except UnfitRowsError as error:
        return verdicts.unmeasured(name, "multivariateTest", task.test.smallest_effect, str(error))


def _rowwise(
    check: Check, answers: Answers | None, strangers: Strangers | None
) -> tuple[CheckReport, Distribution | None]:
    if check.prediction is not None:
        if answers is None:
            raise ValueError(f"the check {check.name} needs the answers then and now")
        return verdicts.prediction_verdict(check.name, check.prediction, answers.reference, answers.window)
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
            reference_missing=m.reference_missing,
            window_missing=m.window_missing,
            window_infinite=m.window_infinite,
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
