"""Stores a fitted detector as `detector.json` and `arrays.npz`: no pickle, equal detectors give equal bytes."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import DetectorInput
from leeboard.contract.jobs import ExpectedDetection
from leeboard_workers.data.encoding import Column, Encoder, ListColumn, NumericColumn, TextColumn
from leeboard_workers.ood.calibrate import Calibration, ClassCalibration
from leeboard_workers.ood.detectors import SCORERS
from leeboard_workers.ood.fitted import FittedDetector

DOCUMENT = "detector.json"
ARRAYS = "arrays.npz"
SCHEMA_VERSION = 2

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can tell


def save(detector: FittedDetector, folder: Path) -> None:
    """Write the two files into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    columns, arrays = _encoder_parts(detector.encoder)
    arrays |= {f"scorer.{name}": array for name, array in detector.scorer.arrays().items()}
    arrays["calibration.scores"] = detector.calibration.scores
    classes = detector.by_class.classes if detector.by_class is not None else {}
    arrays |= {f"calibration.class.{number}": of_class.scores for number, of_class in classes.items()}
    document = {
        "schemaVersion": SCHEMA_VERSION,
        "kind": detector.kind,
        "input": detector.input.value,
        "acceptance": detector.acceptance,
        "threshold": detector.calibration.threshold,
        "classThresholds": {str(number): of_class.threshold for number, of_class in classes.items()} or None,
        "lift": detector.lift,
        "parameters": detector.scorer.parameters(),
        "columns": columns,
        "provenance": detector.provenance,
        "expected": [row.document() for row in detector.expected],
    }
    (folder / DOCUMENT).write_text(json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n")
    (folder / ARRAYS).write_bytes(_packed(arrays))


def load(folder: Path) -> FittedDetector:
    """Read a detector.

    Raises:
        ValueError: the files are not a detector that this version of Leeboard can read.
    """
    try:
        return decode((folder / DOCUMENT).read_bytes(), (folder / ARRAYS).read_bytes())
    except OSError as error:
        raise ValueError(f"{folder} holds no detector: {error}") from error


def decode(document_bytes: bytes, array_bytes: bytes) -> FittedDetector:
    """Rebuild a detector from the contents of its two files.

    Raises:
        ValueError: they are not a detector that this version of Leeboard can read.
    """
    try:
        document = _readable(json.loads(document_bytes))
        with np.load(io.BytesIO(array_bytes), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        columns = document["columns"]
        return FittedDetector(
            kind=document["kind"],
            input=DetectorInput(document["input"]),
            acceptance=document["acceptance"],
            scorer=SCORERS[document["kind"]].restore(
                document["parameters"],
                {name.removeprefix("scorer."): array for name, array in arrays.items() if name.startswith("scorer.")},
            ),
            calibration=(pooled := Calibration(arrays["calibration.scores"], document["threshold"])),
            encoder=None if columns is None else _encoder(columns, arrays),
            lift=document["lift"],
            provenance=document["provenance"],
            by_class=_by_class(document["classThresholds"], arrays, pooled),
            expected=tuple(ExpectedDetection.model_validate(row) for row in document["expected"]),
        )
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"this is no detector that this version of Leeboard can read: {error}") from error


def _readable(document: dict[str, Any]) -> dict[str, Any]:
    if document["schemaVersion"] != SCHEMA_VERSION or document["kind"] not in SCORERS:
        raise ValueError(f"schema {document['schemaVersion']}, kind {document['kind']!r}")
    return document


def _packed(arrays: dict[str, NDArray[Any]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(arrays):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), content.getvalue())
    return packed.getvalue()


def _by_class(
    thresholds: dict[str, float] | None, arrays: dict[str, NDArray[Any]], pooled: Calibration
) -> ClassCalibration | None:
    if thresholds is None:
        return None
    classes = {
        int(number): Calibration(arrays[f"calibration.class.{number}"], threshold)
        for number, threshold in thresholds.items()
    }
    return ClassCalibration(pooled, classes)


def _encoder_parts(encoder: Encoder | None) -> tuple[list[dict[str, Any]] | None, dict[str, NDArray[Any]]]:
    if encoder is None:
        return None, {}
    columns: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    for at, column in enumerate(encoder.columns):
        if isinstance(column, NumericColumn):
            tails = {"below": column.below, "above": column.above, "oftenMissing": column.often_missing}
            columns.append({"name": column.name, "type": "numeric"} | tails)
            arrays |= {f"column.{at}.{part}": getattr(column, part) for part in ("knots", "scores", "known")}
        elif isinstance(column, TextColumn):
            levels = {"levels": column.levels, "rare": sorted(column.rare), "oftenMissing": column.often_missing}
            columns.append({"name": column.name, "type": "text"} | levels)
        else:
            columns.append({"name": column.name, "type": "list"})
            arrays |= {f"column.{at}.mean": column.mean, f"column.{at}.scale": column.scale}
    return columns, arrays


def _encoder(columns: list[dict[str, Any]], arrays: dict[str, NDArray[Any]]) -> Encoder:
    return Encoder(tuple(_column(stored, f"column.{at}", arrays) for at, stored in enumerate(columns)))


def _column(stored: dict[str, Any], prefix: str, arrays: dict[str, NDArray[Any]]) -> Column:
    name = stored["name"]
    if stored["type"] == "numeric":
        knots, scores, known = (arrays[f"{prefix}.{part}"] for part in ("knots", "scores", "known"))
        return NumericColumn(
            name, knots, scores, stored["below"], stored["above"], known, often_missing=stored["oftenMissing"]
        )
    if stored["type"] == "text":
        return TextColumn(name, tuple(stored["levels"]), frozenset(stored["rare"]), stored["oftenMissing"])
    return ListColumn(name, arrays[f"{prefix}.mean"], arrays[f"{prefix}.scale"])
