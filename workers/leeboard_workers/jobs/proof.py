"""What both models are worth on the rows that each gate looks at: the holdout, a slice of it, or a table of its own."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from leeboard.api.shared import DatasetRef
from leeboard.api.training import Gate
from leeboard.contract.jobs import RetrainRequest
from leeboard_workers.data.datasets import read_dataset, sample_rows
from leeboard_workers.jobs.course import Course
from leeboard_workers.retrain.context import TrainingError
from leeboard_workers.retrain.fitting import Trained, metrics_on
from leeboard_workers.retrain.gates import Evidence
from leeboard_workers.retrain.lineage import rfc3339
from leeboard_workers.retrain.slices import rows_in
from leeboard_workers.retrain.tables import labelled

LEAST_ROWS = 50
"""So many rows a slice or a data set must hold, unless its gate says otherwise."""
MAX_ROWS = 1_000_000
"""More rows of a gate's data set are sampled."""


@dataclass(frozen=True)
class Proof:
    """Measures challenger and champion on the same rows."""

    request: RetrainRequest
    course: Course
    challenger: Trained
    _tables: dict[str, pa.Table] = field(default_factory=dict)

    @cached_property
    def holdout(self) -> Evidence:
        """What both are worth on the holdout."""
        rows = self.course.split.holdout
        champion = self._champion(rows, self.course.rows.label)
        return Evidence(self.challenger.metrics, champion, rows.num_rows, _doubt(self.request, self.course))

    def for_gates(self) -> list[Evidence]:
        """Return what each gate is decided on, in the gates' order.

        Raises:
            TrainingError: a slice or a data set does not fit the models; the message names the gate.
            DatasetError: a data set cannot be read.
        """
        return [self._for(gate) for gate in self.request.evaluation.gates]

    def _for(self, gate: Gate) -> Evidence:
        if gate.slice is None and gate.dataset is None:
            return self.holdout
        try:
            return self._on_part(gate)
        except TrainingError as error:
            raise TrainingError(f"the gate {gate.name}: {error}") from error

    def _on_part(self, gate: Gate) -> Evidence:
        rows, label = self.course.split.holdout, self.course.rows.label
        if gate.dataset is not None:
            rows, label = self._table(gate.dataset), str(gate.dataset.label_column)
        if gate.slice is not None:
            rows = rows_in(rows, gate.slice)
        where, least = _where(gate), gate.min_rows or LEAST_ROWS
        few = f"{where} has {rows.num_rows} rows, and {least} are asked for" if rows.num_rows < least else ""
        doubt = (self.holdout.inconclusive if gate.dataset is None else "") or few
        if doubt:
            return Evidence({}, None, rows.num_rows, doubt, where)
        mine = metrics_on(self.challenger.trained.model, rows, self.course.features, label)
        return Evidence(mine, self._champion(rows, label), rows.num_rows, "", where)

    def _table(self, ref: DatasetRef) -> pa.Table:
        name = ref.model_dump_json()
        if name not in self._tables:
            rows = labelled(read_dataset(ref), str(ref.label_column))
            self._tables[name] = sample_rows(rows, MAX_ROWS, self.request.seed)
        return self._tables[name]

    def _champion(self, rows: pa.Table, label: str) -> dict[str, float] | None:
        champion = self.course.champion
        if champion is None:
            return None
        classes: Any = getattr(self.challenger.trained.model, "classes_", None)
        return metrics_on(champion.model, rows, champion.features or self.course.features, label, classes)


def _where(gate: Gate) -> str:
    sliced = [f"the slice {gate.slice}"] if gate.slice is not None else []
    return " of ".join([*sliced, *([gate.dataset.uri] if gate.dataset is not None else [])])


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
