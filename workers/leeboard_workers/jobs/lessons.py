"""Thresholds that a request's reference teaches: its windows are as long as the scored one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from leeboard.api.checks import Check
from leeboard.contract.documents import short_hash
from leeboard.contract.jobs import DriftRequest
from leeboard_workers.data.stored import fingerprint
from leeboard_workers.data.windows import instant
from leeboard_workers.drift.cuts import Cut, Instants, cut_by_rows, cut_by_time, round_down
from leeboard_workers.drift.learning import Lesson, Past, learn
from leeboard_workers.jobs.frame import Desk
from leeboard_workers.jobs.models import ModelError
from leeboard_workers.jobs.references import learned_once
from leeboard_workers.jobs.sides import Sides

_MICROSECONDS = 1_000_000


def lessons_of(
    checks: Sequence[Check],
    weights: Mapping[str, float] | None,
    features: Sequence[str],
    sides: Sides,
    desk: Desk,
) -> dict[str, Lesson]:
    """Return what the reference teaches the checks that do not state their bounds.

    It is learned once for a table; a reference in the log is another one in each window, and so are its lessons.

    Raises:
        DatasetError, ModelError: the reference cannot be had, or its times are none.
    """
    learning = [check for check in checks if check.taught is not None]
    if not learning:
        return {}
    request = sides.request
    rows = round_down(min(sides.log.rows.rows, sides.reference.features.rows))
    names = [name for name in features if name in sides.reference.features.names]
    share = desk.sharing(sides.reference.features.rows * len(names))

    def learned() -> dict[str, Lesson]:
        past = _past(names, rows, sides, learning)
        return learn(past, learning, weights=weights, run=share)

    ref = sides.reference.ref
    if ref is None:
        return learned()
    identity = short_hash(
        ref.model_dump(mode="json"),
        fingerprint(sides.reference.everything),
        names,
        sides.reference.features.rows,
        [check.document() for check in learning],
        None if weights is None else dict(weights),
        _length(request),
        rows,
        request.version if any(check.asks_the_model for check in learning) else "",
        request.seed,
    )
    return learned_once(desk.run.client, request.experiment, identity, learned)


def _past(names: Sequence[str], rows: int, sides: Sides, learning: Sequence[Check]) -> Past:
    features = sides.reference.features.select(names)
    order, cuts = _cut(sides.reference_times, features.rows, rows, sides.request)
    past = Past(features, cuts, rows, order)
    if not any(check.asks_the_model for check in learning):
        return past
    said = sides.answers_then
    answer_order, answer_cuts = _cut(sides.answer_times, len(said), rows, sides.request)
    said = said if answer_order is None else said.take(answer_order)
    past = replace(past, answers=said, answer_cuts=answer_cuts)
    if not any(check.looks_inside for check in learning):
        return past
    try:
        own, _ = sides.features_then()
    except ModelError as error:
        return replace(past, no_features=str(error))
    return replace(past, features=own if answer_order is None else own.take(answer_order))


def _cut(
    times: Instants | None, total: int, rows: int, request: DriftRequest
) -> tuple[pa.Array | None, tuple[Cut, ...]]:
    """Return rows in order of time and their windows; without times the order that they are stored in."""
    if times is None:
        return None, cut_by_rows(total, rows)
    order = np.argsort(times, kind="stable")
    spans = request.reference_windows or ()
    begun = [(_instant(span.from_time), _instant(span.to_time)) for span in spans]
    return pa.array(order), cut_by_time(times[order], _length(request), begun)


def _length(request: DriftRequest) -> int:
    return _instant(request.window_end_time) - _instant(request.window_start_time)


def _instant(time: str) -> int:
    return round(instant(time).timestamp() * _MICROSECONDS)
