"""The two sides of a comparison, each read when it is first needed: the window's rows, and the reference's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leeboard.api.base import seconds
from leeboard.api.shared import DatasetRef
from leeboard.contract.documents import short_hash
from leeboard.contract.jobs import DriftRequest
from leeboard_workers.data.datasets import DatasetError, is_downloaded, pinned, read_dataset, times_of
from leeboard_workers.data.logwindow import LogWindow, choose_predictions
from leeboard_workers.data.predictionlog import ANSWERS, LogRows, features_of, read_labelled, read_predictions
from leeboard_workers.data.rows import Rows, TableRows
from leeboard_workers.data.stored import StoredTable, all_rows, fingerprint
from leeboard_workers.data.windows import Window
from leeboard_workers.drift import reference as prepared
from leeboard_workers.drift.cuts import NO_TIME, Instants
from leeboard_workers.drift.outcomes import Outcomes, outcomes_of, probabilities_of
from leeboard_workers.jobs.frame import Desk
from leeboard_workers.jobs.insides import features_table
from leeboard_workers.jobs.models import LoadedModel, find_version, load, signature_inputs
from leeboard_workers.jobs.references import MAX_STORED_VALUES, prepared_once

ANSWERED_ROWS = 20_000
"""So many rows of the reference are answered by the model, at most."""


@dataclass(frozen=True)
class ReferenceRows:
    """The rows that a window is held against."""

    everything: Rows
    features: Rows
    """Without labels and times."""
    ref: DatasetRef | None
    """Where they lie, pinned; none: they are the log's own past."""
    story: str

    @property
    def label_column(self) -> str | None:
        """Which column was to hold the labels."""
        return self.ref.label_column if self.ref is not None else None

    @property
    def labelled(self) -> bool:
        """Whether there is such a column."""
        return self.label_column in self.everything.names

    @property
    def time_column(self) -> str | None:
        """Which column holds the rows' times, where there is one."""
        named = self.ref.timestamp_column if self.ref is not None else None
        return named if named in self.everything.names else None

    def in_time(self, names: Sequence[str]) -> pa.Table:
        """Return some features at once, in order of time where there is one."""
        if self.time_column is None:
            return self.features.table(names)
        order = pc.sort_indices(self.everything.column(self.time_column))
        return self.features.table(names).take(order)


@dataclass(frozen=True)
class AnsweredReference:
    """Rows of the reference with what the model says to them."""

    inputs: pa.Table
    times: pa.ChunkedArray | None
    labels: pa.ChunkedArray | None
    predictions: npt.NDArray[Any]
    probabilities: npt.NDArray[np.float64] | None
    classes: tuple[object, ...] | None
    """Of a classifier, in the order of its probabilities."""

    def outcomes(self, classes: tuple[object, ...] | None) -> Outcomes | None:
        """Return answers beside labels, by these classes; none: there are no labels."""
        if self.labels is None:
            return None
        said = pa.array(self.predictions)
        return outcomes_of(self.labels, said, classes=classes, probabilities=self.probabilities)


class Sides:
    """What a request is answered from."""

    def __init__(self, request: DriftRequest, desk: Desk) -> None:
        """Read nothing yet."""
        self.request = request
        self._desk = desk

    @cached_property
    def window(self) -> Window:
        """The scored window."""
        return Window.between(self.request.window_start_time, self.request.window_end_time)

    @cached_property
    def log(self) -> LogWindow:
        """What all live arms answered in the window."""
        asked = self.request
        return choose_predictions(
            asked.log.predictions, asked.arms, [self.window], max_rows=asked.max_rows, seed=asked.seed
        )

    def labelled(self, label_delay: str) -> tuple[Window, LogRows]:
        """Return the window shifted back by the labels' delay, and what the stable version answered in it."""
        shifted = _back(self.window, label_delay)
        return shifted, self._labelled([shifted])

    def outcomes_then(self, label_delay: str, classes: tuple[object, ...] | None) -> Outcomes | None:
        """Return answers of the stable version beside labels on the reference; none: it has no labels.

        Raises:
            DatasetError, ModelError: reference or model cannot be had.
        """
        if self._earlier is None:
            return self.answered.outcomes(classes)
        table = self._labelled([_back(span, label_delay) for span in self._earlier]).table
        return logged_outcomes(table, classes) if table.num_rows else None

    @property
    def answers_then(self) -> pa.ChunkedArray:
        """What the stable version says to the reference, or said. Raises DatasetError, ModelError."""
        if self._earlier is None:
            return pa.chunked_array([pa.array(self.answered.predictions)])
        rows = self._logged_reference
        return rows.filter(pc.equal(rows["version"], self.request.version))["prediction"]

    @cached_property
    def reference_times(self) -> Instants | None:
        """When the reference's rows were; none: nobody knows. Raises DatasetError."""
        if self._earlier is not None:
            return _microseconds("time", self._logged_reference["time"])
        column = self.reference.time_column
        return None if column is None else _microseconds(column, self.reference.everything.column(column))

    @property
    def answer_times(self) -> Instants | None:
        """When the rows of `answers_then` were; none: nobody knows. Raises DatasetError, ModelError."""
        if self._earlier is not None:
            rows = self._logged_reference
            return _microseconds("time", rows.filter(pc.equal(rows["version"], self.request.version))["time"])
        column, times = self.reference.time_column, self.answered.times
        return None if column is None or times is None else _microseconds(column, times)

    def features_then(self) -> tuple[pa.Table, Instants | None]:
        """Return what the model's last hidden layer makes of rows of the reference, and when they were.

        Raises:
            DatasetError, ModelError: reference or model cannot be had, or the model has no such layer.
        """
        if self._earlier is None:
            return self._features(self.answered.inputs), self.answer_times
        rows = self._logged_reference
        rows = rows.filter(pc.equal(rows["version"], self.request.version))
        return self._features(features_of(rows)), self.answer_times

    def features_now(self) -> pa.Table:
        """Return the same of rows of the window, in order of time. Raises ModelError."""
        return self._features(self.log.in_time(self.log.features.names))

    def _features(self, rows: pa.Table) -> pa.Table:
        names = [name for name in self.model.features or rows.column_names if name in rows.column_names]
        return features_table(self.model, rows.select(names))

    @property
    def classes(self) -> tuple[object, ...] | None:
        """Classes of the model, in the order of its probabilities; none: it answers numbers, or does not tell."""
        return _classes(getattr(self.model.model, "classes_", None))

    def _labelled(self, windows: Sequence[Window]) -> LogRows:
        asked = self.request
        stable = [arm for arm in asked.arms if arm.version == asked.version]
        return read_labelled(asked.log, stable, windows, max_rows=asked.max_rows, seed=asked.seed, columns=ANSWERS)

    @property
    def _earlier(self) -> tuple[Window, ...] | None:
        spans = self.request.reference_windows
        return None if spans is None else tuple(Window.between(span.from_time, span.to_time) for span in spans)

    @cached_property
    def _earlier_rows(self) -> LogRows:
        asked = self.request
        return read_predictions(asked.log, asked.arms, self._earlier or (), max_rows=asked.max_rows, seed=asked.seed)

    @property
    def _logged_reference(self) -> pa.Table:
        return self._earlier_rows.table

    @cached_property
    def reference(self) -> ReferenceRows:
        """The reference's rows. Raises DatasetError, ModelError."""
        asked = self.request
        if asked.reference_windows is not None:
            first, last = asked.reference_windows[0].from_time, asked.reference_windows[-1].to_time
            many = len(asked.reference_windows)
            story = f"the log from {first} to {last}" if many == 1 else f"{many} windows of the log since {first}"
            logged = TableRows(self._earlier_rows.features, total=self._earlier_rows.total_rows)
            return ReferenceRows(logged, logged, None, story)
        if asked.reference is not None:
            ref, story = asked.reference, asked.reference.uri
        else:
            version = find_version(self._desk.run.client, asked.model_name, asked.version)
            ref, story = version.training_data, f"training data of version {version.number}"
        ref = pinned(ref)
        rows = _rows_of(ref, asked.max_rows, asked.seed)
        others = (ref.label_column, ref.timestamp_column)
        return ReferenceRows(rows, rows.select([name for name in rows.names if name not in others]), ref, story)

    def prepared(self, names: Sequence[str]) -> prepared.Reference | Rows:
        """Return these columns of the reference, prepared; a large one as rows, to be read column by column."""
        asked, rows = self.request, self.reference.features
        rows = rows.select([name for name in names if name in rows.names])
        ref = self.reference.ref
        if ref is None or rows.rows * len(rows.names) > MAX_STORED_VALUES:
            return rows
        identity = short_hash(ref.model_dump(mode="json"), fingerprint(rows), list(rows.names), rows.rows, asked.seed)
        client, run = self._desk.run.client, self._desk.sharing(rows.rows * len(rows.names))
        return prepared_once(client, asked.experiment, identity, lambda: prepared.prepare(rows, run=run))

    @cached_property
    def expected(self) -> tuple[str, ...]:
        """Columns that the stable version takes; empty: nobody knows."""
        client = self._desk.run.client
        return tuple(signature_inputs(client, find_version(client, self.request.model_name, self.request.version)))

    @cached_property
    def model(self) -> LoadedModel:
        """The stable version. Raises ModelError."""
        return load(self._desk.run.client, self.request.model_name, self.request.version)

    @cached_property
    def answered(self) -> AnsweredReference:
        """What the stable version says to the reference. Raises DatasetError, ModelError."""
        from leeboard_workers.retrain.answers import answers_of  # noqa: PLC0415 (only what needs answers needs it)

        rows = self.reference.everything.thinned(ANSWERED_ROWS, self.request.seed)
        inputs = rows.table(self._inputs())
        answers = answers_of(self.model.model, inputs.to_pandas())
        label = self.reference.label_column
        labels = rows.column(label) if label is not None and self.reference.labelled else None
        time = self.reference.time_column
        times = rows.column(time) if time is not None else None
        return AnsweredReference(
            inputs, times, labels, answers.predict, answers.probabilities, _classes(answers.classes)
        )

    def _inputs(self) -> list[str]:
        names = list(self.model.features or self.reference.features.names)
        missing = [name for name in names if name not in self.reference.everything.names]
        if missing:
            raise DatasetError(
                f"the reference lacks {', '.join(missing)}, which version {self.request.version} takes: name a "
                "reference that has every column of the model"
            )
        return names


def logged_outcomes(known: pa.Table, classes: tuple[object, ...] | None) -> Outcomes:
    """Return logged answers beside the labels that came for them."""
    width = len(classes) if classes is not None else 0
    logged = "probabilities" in known.column_names and width > 0
    return outcomes_of(
        known["label"],
        known["prediction"],
        classes=classes,
        probabilities=probabilities_of(known["probabilities"], width) if logged else None,
        groups=known["request_id"],
    )


def _back(window: Window, delay: str) -> Window:
    shift = timedelta(seconds=seconds(delay))
    return Window(window.start - shift if window.start else None, window.end - shift if window.end else None)


def _rows_of(ref: DatasetRef, max_rows: int, seed: int) -> Rows:
    if is_downloaded(ref):
        return TableRows(read_dataset(ref)).thinned(max_rows, seed)
    return all_rows(StoredTable.of(ref)).thinned(max_rows, seed)


def _microseconds(name: str, column: pa.ChunkedArray) -> Instants:
    """Return instants; rows without one come before all others, so that no window holds them."""
    found: Instants = pc.fill_null(pc.cast(times_of(name, column), pa.int64()), NO_TIME).to_numpy()
    return found


def _classes(found: Any) -> tuple[object, ...] | None:
    return None if found is None else tuple(value.item() if hasattr(value, "item") else value for value in found)
