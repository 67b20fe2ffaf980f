"""Sends a labelled test pack through a deployed arm and through the stable version's, and compares what comes back."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from leeboard.contract.examinations import (
    ArmAddress,
    DifferentRow,
    Milliseconds,
    VerifiedMetric,
    VerifyReport,
    VerifyRequest,
)
from leeboard.contract.jobs import GateVerdict, JobOutcome
from leeboard_workers.data.datasets import DatasetError, read_dataset, sample_rows
from leeboard_workers.jobs.frame import Desk
from leeboard_workers.jobs.models import find_version, signature_inputs
from leeboard_workers.retrain.tables import labelled
from leeboard_workers.rollout import asking, page
from leeboard_workers.rollout.asking import ArmAt, ArmAwayError, BadRepliesError, Replies
from leeboard_workers.rollout.measuring import Comparable, comparable, is_classification, measured
from leeboard_workers.rollout.verdicts import check_metrics

_EXAMPLES = 20


def handle(request: VerifyRequest, desk: Desk) -> tuple[VerifyReport, Mapping[str, Path]]:
    """Verify the candidate.

    Raises:
        DatasetError: the test pack cannot be read, or lacks labels or columns of a model.
        ModelError: a version is missing.
        BadRepliesError: an arm's answers cannot be read, or the stable version's refuses the rows.
        ArmAwayError: an arm cannot be reached; may be tried again.
    """
    rows = _test_pack(request)
    mine = _asked(request, request.candidate, rows, desk)
    theirs = _asked(request, request.stable, rows, desk) if request.stable is not None else None
    if theirs is not None and theirs.trouble:
        raise BadRepliesError(f"the stable version {_number(request.stable)} cannot be compared with: {theirs.trouble}")
    report = compared(request, rows[_label(request)].to_pylist(), mine, theirs)
    target = desk.workdir / "report.html"
    target.write_text(page.verification(report, request, desk.run.run_id), encoding="utf-8")
    return report, {"report.html": target}


def _label(request: VerifyRequest) -> str:
    if request.dataset.label_column is None:
        raise DatasetError(f"the test pack {request.dataset.uri} names no label column: set dataset.labelColumn")
    return request.dataset.label_column


def _test_pack(request: VerifyRequest) -> pa.Table:
    ref, label = request.dataset, _label(request)
    rows = read_dataset(ref)
    if label not in rows.column_names:
        raise DatasetError(
            f"the test pack {ref.uri} has no label column {label!r}; it has {', '.join(rows.column_names)}"
        )
    known = labelled(rows, label)
    if not known.num_rows:
        raise DatasetError(f"no row of the test pack {ref.uri} has a label in the column {label!r}")
    return sample_rows(known, request.max_rows, request.seed)


def _asked(request: VerifyRequest, arm: ArmAddress, rows: pa.Table, desk: Desk) -> Replies:
    version = find_version(desk.run.client, request.model_name, arm.version)
    names = signature_inputs(desk.run.client, version)
    missing = [name for name in names if name not in rows.column_names]
    if missing:
        raise DatasetError(
            f"the test pack {request.dataset.uri} lacks the columns {', '.join(missing[:20])} of version {arm.version}"
        )
    others = {request.dataset.label_column, request.dataset.timestamp_column}
    inputs = rows.select(names or [name for name in rows.column_names if name not in others])
    try:
        return asking.ask(ArmAt(arm.address, request.model_deployment, request.protocol), inputs)
    except ArmAwayError as error:
        raise ArmAwayError(f"version {arm.version}: {error}") from error


def compared(request: VerifyRequest, labels: list[object], mine: Replies, theirs: Replies | None) -> VerifyReport:
    """Return the report on what both have answered.

    Args:
        request: What is verified.
        labels: One per row.
        mine: The candidate's answers.
        theirs: The stable version's; None: there is none.
    """
    names = [metric.name for metric in request.metrics]
    classifies = is_classification(names)
    candidate = comparable(labels, mine, classifies=classifies)
    stable = comparable(labels, theirs, classifies=classifies) if theirs is not None else None
    rows = candidate.answered if stable is None else candidate.answered & stable.answered
    checks = check_metrics(
        request.metrics,
        measured(names, candidate, rows),
        measured(names, stable, rows) if stable is not None else None,
    )
    different = (
        np.flatnonzero(rows & (candidate.predictions != stable.predictions))
        if stable is not None
        else np.array([], int)
    )
    outcome, passed, message = _conclusion(request, mine, len(labels), checks)
    return VerifyReport(
        request_hash=request.request_hash,
        outcome=outcome,
        message=message,
        permanent=outcome is JobOutcome.ERROR,
        passed=passed,
        version=request.candidate.version,
        stable_version=_number(request.stable),
        rows=len(labels),
        compared_rows=int(rows.sum()),
        refused_rows=mine.refused,
        failed_rows=mine.failures + mine.unasked,
        metrics=checks,
        different_rows=len(different),
        examples=()
        if stable is None
        else tuple(_example(int(row), candidate, stable) for row in different[:_EXAMPLES]),
        latency=_latency(mine),
        stable_latency=_latency(theirs) if theirs is not None else None,
    )


def _conclusion(
    request: VerifyRequest, mine: Replies, rows: int, checks: tuple[VerifiedMetric, ...]
) -> tuple[JobOutcome, bool, str]:
    who = f"version {request.candidate.version}"
    if mine.trouble:
        return JobOutcome.MEASURED, False, f"{who} failed on {mine.failures} rows of the test pack: {mine.trouble}"
    if mine.refused == rows:
        return JobOutcome.MEASURED, False, f"{who} refused all {rows} rows of the test pack as out of distribution"
    failed = [check.message for check in checks if check.verdict is GateVerdict.FAILED]
    if failed:
        return JobOutcome.MEASURED, False, f"{who} failed on {rows} rows of the test pack: {'; '.join(failed)}"
    undefined = [check.message for check in checks if check.verdict is GateVerdict.INCONCLUSIVE]
    if undefined:
        return JobOutcome.ERROR, False, f"{undefined[0]}: choose another metric, or a test pack that defines it"
    return JobOutcome.MEASURED, True, f"{who} passed on {rows} rows: {'; '.join(check.message for check in checks)}"


def _example(row: int, candidate: Comparable, stable: Comparable) -> DifferentRow:
    label, mine, theirs = (
        f"{cells[row]}"[:100] for cells in (candidate.truth, candidate.predictions, stable.predictions)
    )
    return DifferentRow(row=row, label=label, candidate=mine, stable=theirs)


def _latency(replies: Replies) -> Milliseconds | None:
    if not replies.seconds:
        return None
    p50, p95, p99 = (1000 * float(value) for value in np.quantile(replies.seconds, [0.5, 0.95, 0.99]))
    return Milliseconds(p50=p50, p95=p95, p99=p99)


def _number(arm: ArmAddress | None) -> str:
    return arm.version if arm is not None else ""
