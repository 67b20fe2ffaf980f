"""Thresholds learned from the reference: its own windows, in order of time, each held against all the rest of it.

How far one quiet window lies from the others is what the scored one may be away without being drift: what resembles its
neighbours in time, and seasons as far as the reference holds them, are in it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from math import ceil, isfinite
from typing import Any, Self

import numpy as np
import pyarrow as pa

from leeboard.api.checks import Check
from leeboard.api.thresholds import Learned
from leeboard.contract.findings import LearnedThreshold
from leeboard_workers.data.datasets import sample_rows
from leeboard_workers.data.mapping import Map, on_threads
from leeboard_workers.data.rows import Rows, TableRows
from leeboard_workers.drift.aggregate import aggregated
from leeboard_workers.drift.block import ColumnMeasure, Comparison, measure_columns
from leeboard_workers.drift.cuts import Cut, cut_by_rows, round_down
from leeboard_workers.drift.multivariate import UnfitRowsError, run_joint_test
from leeboard_workers.drift.predictions import answer_distance
from leeboard_workers.drift.reference import Reference, prepare_column
from leeboard_workers.drift.together import Together, evenly, joint_task
from leeboard_workers.drift.weighing import blocks_of, weights_by_measure

SHARES = frozenset({"JensenShannon", "Hellinger", "TotalVariation", "Auto"})
"""Distances between 0 and 1; of answers `Auto` is Jensen-Shannon."""
_NEARLY_ONE = 1 - 1e-9


@dataclass(frozen=True)
class Lesson:
    """What the reference teaches a check."""

    threshold: LearnedThreshold
    bound: float | None = None
    """Of the check's statistic; none: each column has its own, or there is none."""
    columns: Mapping[str, float] = field(default_factory=dict)
    """Bounds by column."""
    lacks: str = ""
    """Why nothing could be learned."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self) | {"threshold": self.threshold.document()}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read it from JSON."""
        return cls(**{**document, "threshold": LearnedThreshold.model_validate(document["threshold"])})


@dataclass(frozen=True)
class Past:
    """A reference in order of time."""

    rows: Rows
    """Features."""
    cuts: Sequence[Cut]
    """Its windows."""
    window_rows: int
    """Of a window with more rows a sample of so many is taken: with fewer rows distances are larger by chance."""
    order: pa.Array | None = None
    """Numbers of the rows in order of time; none: they come so."""
    answers: pa.ChunkedArray | None = None
    """The stable version's answers, in order of time; may be fewer."""
    answer_cuts: Sequence[Cut] = ()
    """Their windows."""
    features: pa.Table | None = None
    """What the model makes of the rows that were answered: one column, `features`."""
    no_features: str = "hand in the model's own features"
    """Why there are none, and what to do."""

    @classmethod
    def of(cls, table: pa.Table, window_rows: int) -> Self:
        """Return a table whose rows come in order of time, cut into windows of so many rows."""
        rows = round_down(window_rows)
        return cls(TableRows(table), cut_by_rows(table.num_rows, rows), rows)

    def table(self, names: Sequence[str]) -> pa.Table:
        """Return some columns in order of time."""
        found = self.rows.table(names)
        return found if self.order is None else found.take(self.order)


def learn(
    past: Past, checks: Sequence[Check], *, weights: Mapping[str, float] | None = None, run: Map = on_threads
) -> dict[str, Lesson]:
    """Learn the bounds of the checks that do not state them.

    Args:
        past: The reference.
        checks: Some of them say `learned`, or leave their bound out.
        weights: As `compare` takes them.
        run: Applies the comparison to blocks of columns.

    Returns:
        Lesson by the name of the check.
    """
    asked = [check for check in checks if check.taught is not None]
    if not asked:
        return {}
    folds = _column_folds(past, asked, run)
    return {check.name: _lesson(check, index, past, folds, weights) for index, check in enumerate(asked)}


def bound_of(values: Sequence[float], learned: Learned, *, of_share: bool = False) -> float:
    """Return the bound that the statistics of quiet windows set.

    What lies between 0 and 1 is taken on Fisher's scale (the inverse hyperbolic tangent, 1921), where 1 is infinitely
    far away: so the bound stays below 1, and a window that has nothing in common with the reference is above it.

    The quantile is the smallest value that one more window like them stays at or below with at least this
    probability, whatever their distribution: the ceil(q (m + 1))-th of m (Wilks, 1941; split conformal prediction).
    """
    if learned.sigma is not None and of_share:
        scaled = np.arctanh(np.minimum(values, _NEARLY_ONE))
        return float(np.tanh(np.mean(scaled) + learned.sigma * np.std(scaled, ddof=1)))
    if learned.sigma is not None:
        return float(np.mean(values) + learned.sigma * np.std(values, ddof=1))
    rank = ceil((learned.quantile or 0.0) * (len(values) + 1) - 1e-9)
    return float(np.sort(values)[rank - 1])


def _column_folds(past: Past, checks: Sequence[Check], run: Map) -> list[list[ColumnMeasure]]:
    """Return what was measured of the columns, window by window; when no column is asked for, of the first alone."""
    of_columns = any(check.univariate_test or check.univariate_distance for check in checks)
    cuts = past.cuts if of_columns else past.cuts[:1]
    found = list(run(partial(_measured, past, cuts, checks), blocks_of(past.rows.names, past.rows.rows)))
    return [[measure for block in found for measure in block[number]] for number in range(len(cuts))]


def _measured(
    past: Past, cuts: Sequence[Cut], checks: Sequence[Check], names: Sequence[str]
) -> list[list[ColumnMeasure]]:
    """Hold each window against the rest: the whole, which is sorted and counted once, without what the window holds."""
    table = past.table(names)
    whole = {name: prepare_column(name, table[name]) for name in names}
    folds = []
    for number, (start, end) in enumerate(cuts):
        fold = table.slice(start, end - start)
        columns = {name: [column.without(fold[name]) for column in whole[name]] for name in names}
        rest = Reference(table.num_rows - fold.num_rows, table.num_rows, columns)
        window = TableRows(sample_rows(fold, past.window_rows, number))
        folds.append(measure_columns(Comparison(rest, window, checks), names))
    return folds


def _folds(table: pa.Table, cuts: Sequence[Cut], window_rows: int) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Return the rest of the reference and a window of it, for each window."""
    for number, (start, end) in enumerate(cuts):
        rest = pa.concat_tables([table.slice(0, start), table.slice(end)])
        yield rest, sample_rows(table.slice(start, end - start), window_rows, number)


def _lesson(
    check: Check, index: int, past: Past, folds: Sequence[Sequence[ColumnMeasure]], weights: Mapping[str, float] | None
) -> Lesson:
    learned = check.taught
    if learned is None:
        raise ValueError(f"the check {check.name} learns nothing")
    cuts = past.answer_cuts if check.prediction is not None or _of_features(check) else past.cuts
    rows = int(np.median([min(end - start, past.window_rows) for start, end in cuts])) if cuts else 0
    told = LearnedThreshold(rule=learned.told, windows=len(cuts), rows=rows)
    if len(cuts) < learned.windows_needed:
        return Lesson(told, lacks=_too_few(len(cuts), learned))
    if check.univariate_test is not None:
        effects = [_effects(fold, index) for fold in folds]
        return Lesson(told, columns=_bounds(effects, learned, {name for fold in effects for name in fold}))
    if check.univariate_distance is not None:
        distances = [_distances(fold, index) for fold in folds]
        how = check.univariate_distance.aggregate
        of_window = [_aggregate(fold, found, weights, how) for fold, found in zip(folds, distances, strict=True)]
        shares = _shares(folds, index)
        told_all = all(name in shares for fold in distances for name in fold)
        return _taught(told, of_window, learned, _bounds(distances, learned, shares), of_share=told_all)
    if check.multivariate_test is not None:
        try:
            effects_of_rows = _joint_effects(check, past, folds[0], weights)
        except UnfitRowsError as error:
            return Lesson(told, lacks=str(error))
        return _taught(told, effects_of_rows, learned, of_share=True)
    of_share = check.prediction is not None and check.prediction.method in SHARES
    return _taught(told, _answer_distances(check, past), learned, of_share=of_share)


def _taught(
    told: LearnedThreshold,
    values: Sequence[float | None],
    learned: Learned,
    columns: Mapping[str, float] | None = None,
    *,
    of_share: bool,
) -> Lesson:
    known = [value for value in values if value is not None and isfinite(value)]
    told = told.model_copy(update={"windows": len(known)})
    if len(known) < learned.windows_needed:
        return Lesson(told, lacks=_too_few(len(known), learned))
    update = {"mean": float(np.mean(known)), "standard_deviation": float(np.std(known, ddof=1))}
    return Lesson(told.model_copy(update=update), bound_of(known, learned, of_share=of_share), columns or {})


def _too_few(windows: int, learned: Learned) -> str:
    return (
        f"the reference holds {windows} windows of this length, and {learned.windows_needed} are needed to learn "
        f"{learned.told}: take a longer reference, a shorter window, or state the bound"
    )


def _effects(fold: Sequence[ColumnMeasure], index: int) -> dict[str, float]:
    return {measure.name: measure.tests[index].effect for measure in fold if index in measure.tests}


def _distances(fold: Sequence[ColumnMeasure], index: int) -> dict[str, float]:
    found = {measure.name: measure.distances[index].value for measure in fold if index in measure.distances}
    return {name: value for name, value in found.items() if isfinite(value)}


def _shares(folds: Sequence[Sequence[ColumnMeasure]], index: int) -> set[str]:
    """Return the columns whose distance lies between 0 and 1."""
    return {m.name for fold in folds for m in fold if index in m.distances and m.distances[index].method in SHARES}


def _bounds(folds: Sequence[Mapping[str, float]], learned: Learned, shares: Collection[str]) -> dict[str, float]:
    """Return the bound of each column that enough windows hold."""
    names = dict.fromkeys(name for fold in folds for name in fold)
    values = {name: [fold[name] for fold in folds if name in fold] for name in names}
    return {
        name: bound_of(found, learned, of_share=name in shares)
        for name, found in values.items()
        if len(found) >= learned.windows_needed
    }


def _aggregate(
    fold: Sequence[ColumnMeasure], distances: Mapping[str, float], weights: Mapping[str, float] | None, how: Any
) -> float | None:
    if not distances:
        return None
    weight_of = weights_by_measure(fold, weights)
    return aggregated(list(distances.values()), [weight_of[name] for name in distances], how)


def _joint_effects(
    check: Check, past: Past, fold: Sequence[ColumnMeasure], weights: Mapping[str, float] | None
) -> list[float | None]:
    if check.multivariate_test is None:
        raise ValueError(f"the check {check.name} is no joint test")
    test, rows = check.multivariate_test, past.table(past.rows.names)
    own = past.features
    sides = Together(rows, rows, Together(own, own) if own is not None else None, past.no_features)
    task = joint_task(test, sides, weights_by_measure(fold, weights))
    table, cuts = task.reference, past.answer_cuts if _of_features(check) else past.cuts
    if table.num_rows < rows.num_rows and not _of_features(check):
        cuts = evenly(rows, table.num_rows, past.cuts)[1]
    effects: list[float | None] = []
    for rest, window in _folds(table, cuts, past.window_rows):
        try:
            effects.append(run_joint_test(replace(task, reference=rest, window=window)).effect)
        except UnfitRowsError:
            effects.append(None)
    return effects


def _of_features(check: Check) -> bool:
    """Whether a joint test looks at what the model makes of the rows."""
    reduction = check.multivariate_test.reduction if check.multivariate_test is not None else None
    return reduction is not None and reduction.model_features is not None


def _answer_distances(check: Check, past: Past) -> list[float | None]:
    if check.prediction is None or past.answers is None:
        raise ValueError(f"the check {check.name} needs the answers of the reference")
    table = pa.table({"prediction": past.answers})
    distances = []
    for rest, window in _folds(table, past.answer_cuts, past.window_rows):
        found = answer_distance(check.prediction, rest["prediction"], window["prediction"])
        distances.append(None if found is None else found.value)
    return distances
