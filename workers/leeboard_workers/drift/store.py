"""Keeps a prepared reference in a folder: reference.json and arrays.npz, no pickle, with a version.

Later runs read it instead of reading and sorting the reference again.
"""

import json
import zipfile
from pathlib import Path
from typing import Any, cast

import numpy as np

from leeboard_workers.drift.reference import Kind, PreparedColumn, Reference
from leeboard_workers.drift.values import CategoricalValues, NumericValues

SCHEMA_VERSION = 1
_DOCUMENT, _ARRAYS = "reference.json", "arrays.npz"


class StoredReferenceError(ValueError):
    """The folder holds no reference that can be read here."""


def save(reference: Reference, folder: Path) -> None:
    """Write a reference into a folder, which is made.

    The numbers of a column are an array of doubles, ascending; its levels stand in the document.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {}
    columns = []
    for parts in reference.columns.values():
        for column in parts:
            document: dict[str, Any] = {"source": column.source, "kind": column.kind, "message": column.message}
            values = column.values
            document |= {"missing": values.missing, "nulls": values.nulls}
            if isinstance(values, NumericValues):
                name = f"c{len(arrays)}"
                arrays[name] = values.finite
                document |= {"array": name, "below": values.below, "above": values.above}
            else:
                document |= {"counts": values.counts, "other": values.other, "otherLevels": values.other_levels}
            columns.append(document)
    document = {"schemaVersion": SCHEMA_VERSION, "rows": reference.rows, "totalRows": reference.total_rows}
    (folder / _DOCUMENT).write_text(json.dumps(document | {"columns": columns}))
    np.savez(folder / _ARRAYS, **arrays)


def load(folder: Path) -> Reference:
    """Read what `save` wrote.

    Raises:
        StoredReferenceError: it is missing, of a newer version, or not what `save` writes.
    """
    try:
        document = json.loads((folder / _DOCUMENT).read_text())
        version = document["schemaVersion"]
        if version > SCHEMA_VERSION:
            raise StoredReferenceError(
                f"the reference in {folder} is of version {version}, and this program reads up to {SCHEMA_VERSION}"
            )
        columns: dict[str, list[PreparedColumn]] = {}
        with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
            for column in document["columns"]:
                columns.setdefault(column["source"], []).append(_column(column, arrays))
        return Reference(int(document["rows"]), int(document["totalRows"]), columns)
    except (OSError, KeyError, TypeError, json.JSONDecodeError, zipfile.BadZipFile) as error:
        raise StoredReferenceError(f"there is no readable reference in {folder}: {error}") from error


def _column(document: dict[str, Any], arrays: Any) -> PreparedColumn:
    kind = cast("Kind", document["kind"])
    if "array" not in document:
        counted = CategoricalValues(
            counts=document["counts"],
            missing=document["missing"],
            other=document["other"],
            other_levels=document["otherLevels"],
            nulls=document["nulls"],
        )
        return PreparedColumn(document["source"], kind, counted, document["message"])
    finite = arrays[document["array"]]
    if (
        finite.dtype != np.float64
        or finite.ndim != 1
        or not (np.isfinite(finite).all() and (np.diff(finite) >= 0).all())
    ):
        raise StoredReferenceError(f"the numbers of column {document['source']} are not finite doubles, ascending")
    values = NumericValues(
        finite=finite,
        missing=document["missing"],
        below=document["below"],
        above=document["above"],
        nulls=document["nulls"],
    )
    return PreparedColumn(document["source"], kind, values, document["message"])
