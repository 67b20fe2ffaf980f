"""Reads the labels of POST /v1/labels: JSON, CSV (`leeboard.contract.labelfile`) or Arrow IPC with the same columns.

A body is taken whole or not at all, and the answer names what is wrong line by line: whoever sends labels must not have
to find out which of them arrived.
"""

import io
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from leeboard.contract.labelfile import COLUMNS, BadLine, label_of, read_labels
from leeboard.contract.serving import Label, LabelBatch
from leeboard_workers.serving.collector.arrowbody import read_batches, rows_of
from leeboard_workers.serving.collector.bodies import check_names, check_time, read_json, sentence_of, told
from leeboard_workers.serving.collector.refusals import RefusedError

JSON = "application/json"
CSV = "text/csv"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
ARROW_FILE = "application/vnd.apache.arrow.file"

MAX_LABELS = 100_000
_TOLD = 5

Owner = tuple[str, str]


def read_label_batch(body: bytes, kind: str, owner: Owner | None) -> dict[str, Any]:
    """Return the labels of a body as a LabelBatch document.

    Args:
        body: Unpacked.
        kind: Media type; anything unknown counts as JSON, as curl sends it.
        owner: Namespace and ModelDeployment of the path; none: the document says.

    Raises:
        RefusedError: a label cannot be read; the sentence says which.
    """
    if kind in {CSV, ARROW_STREAM, ARROW_FILE}:
        if owner is None:
            path = "/v1/labels/{namespace}/{modelDeployment}"
            raise RefusedError(f"{kind} says not whose labels they are: send it to {path}")
        labels = _csv(body) if kind == CSV else _arrow(body, file=kind == ARROW_FILE)
    else:
        document = read_json(body)
        if owner is None:
            batch = _batch(document)
            owner, labels = (batch.namespace, batch.model_deployment), batch.labels
        else:
            given = document if isinstance(document, list) else _member(document)
            labels = _batch({"namespace": owner[0], "modelDeployment": owner[1], "labels": given}).labels
    check_names(*owner)
    for at, label in enumerate(labels):
        if label.label is None and label.reward is None:
            raise RefusedError(f"labels.{at}: there is neither a label nor a reward")
        if label.time is not None:
            check_time(f"labels.{at}.time", label.time)
    documents = [label.document() for label in labels]
    return {"namespace": owner[0], "modelDeployment": owner[1], "labels": documents}


def _batch(document: Any) -> LabelBatch:
    try:
        return LabelBatch.model_validate(document)
    except ValidationError as error:
        raise RefusedError(sentence_of(error)) from error


def _member(document: Any) -> Any:
    if not isinstance(document, dict) or "labels" not in document:
        raise RefusedError('the body must be a list of labels, or {"labels": […]}')
    return document["labels"]


def _csv(body: bytes) -> list[Label]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError(f"the file is not UTF-8: {error}") from error
    labels: list[Label] = []
    bad: list[BadLine] = []
    try:
        for found in read_labels(io.StringIO(text, newline="")):
            if isinstance(found, BadLine):
                bad.append(found)
                if len(bad) > _TOLD:
                    break
            else:
                labels.append(found[1])
                _check_count(len(labels))
    except ValueError as error:
        raise RefusedError(str(error)) from error
    if bad:
        raise RefusedError(told((f"line {line.line}: {line.sentence}" for line in bad), _TOLD))
    if not labels:
        raise RefusedError("the file holds no labels")
    return labels


def _arrow(body: bytes, *, file: bool) -> list[Label]:
    labels: list[Label] = []
    for batch in read_batches(body, COLUMNS, file=file):
        _check_count(len(labels) + batch.num_rows)
        for cells in rows_of(batch):
            labels.append(_row_label(len(labels), cells))
    if not labels:
        raise RefusedError("the table holds no labels")
    return labels


def _row_label(row: int, cells: dict[str, Any]) -> Label:
    try:
        return label_of(cells)
    except ValueError as error:
        raise RefusedError(f"row {row}: {error}") from error


def _check_count(count: int) -> None:
    if count > MAX_LABELS:
        sentence = f"a body must hold at most {MAX_LABELS} labels: send several"
        raise RefusedError(sentence, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
