"""What a model itself makes of rows before it answers: the numbers of its last hidden layer."""

import numpy as np
import pyarrow as pa

from leeboard_workers.drift import FEATURES
from leeboard_workers.jobs.models import LoadedModel, ModelError


def features_table(loaded: LoadedModel, rows: pa.Table) -> pa.Table:
    """Return one column, a list of numbers for each row.

    Raises:
        ModelError: the model has no such layer, or does not take the rows.
    """
    from leeboard_workers.ood.outputs import outputs_of  # noqa: PLC0415 (only what looks inside needs it)

    if not hasattr(loaded.model, "get_params"):
        raise ModelError("the model is of a flavour that tells nothing of its insides: reduce by pca instead")
    try:
        found = outputs_of(loaded.model, rows.to_pandas()).features
    except ValueError as error:
        raise ModelError(f"the model does not take these rows: {error}") from error
    if found is None:
        raise ModelError("the model has no hidden layer, so no features of its own: reduce by pca instead")
    width = found.shape[1]
    flat = pa.array(np.ascontiguousarray(found, dtype=np.float32).reshape(-1))
    offsets = pa.array(np.arange(len(found) + 1, dtype=np.int32) * width)
    return pa.table({FEATURES: pa.ListArray.from_arrays(offsets, flat)})
