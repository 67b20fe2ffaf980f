"""Reads Arrow IPC that strangers send: nothing is unpacked beyond the bound of bodies, no cell is read unchecked.

Arrow trusts what it reads. A wrong offset leads it out of its memory, and packed buffers say themselves how large they
become; so messages are looked at before Arrow unpacks them, and batches before anybody reads a cell.
"""

import struct
from collections.abc import Collection, Iterator
from http import HTTPStatus
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from leeboard_workers.serving.collector.bodies import MAX_BODY_BYTES
from leeboard_workers.serving.collector.refusals import RefusedError

MAX_TEXT_BYTES = 4096
"""Of one cell; a text of a dictionary stands in as many rows as like."""

MAX_MESSAGES = 10_000
"""Batches and dictionaries of one body."""

_TOO_MUCH = f"the unpacked body is larger than {MAX_BODY_BYTES // 2**20} MiB: send less at once"
_MOST_LOOKED_AT = 8 * MAX_BODY_BYTES
_FILE_HEAD = b"ARROW1\0\0"
_BATCH, _DICTIONARY = "record batch", "dictionary"
_UNREADABLE = (pa.ArrowException, OSError, OverflowError, MemoryError, ValueError, KeyError, struct.error)
_PLAIN = (pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_timestamp)
_TEXT = (pa.types.is_string, pa.types.is_large_string)
_TAKEN = "text, numbers, truth values and times are taken"
_ROWS_AT_ONCE = 1000


def read_batches(body: bytes, known: Collection[str], *, file: bool) -> Iterator[pa.RecordBatch]:
    """Read the batches of a stream, or of a file, which is a stream with a head and a table of contents.

    Args:
        body: The bytes.
        known: Names that columns may have.
        file: Whether it is a file.

    Raises:
        RefusedError: it is none, a column has another name or type, or it would become too large.
    """
    if file:
        if not body.startswith(_FILE_HEAD):
            raise RefusedError("the body is no Arrow IPC: it does not begin as a file does")
        body = body[len(_FILE_HEAD) :]
    try:
        _check_size(body)
        reader = pa.ipc.open_stream(pa.BufferReader(body))
        _check_schema(reader.schema, known)
        looked_at = 0
        for batch in reader:
            looked_at += batch.get_total_buffer_size()  # a dictionary counts with each batch that uses it
            if looked_at > _MOST_LOOKED_AT:
                raise RefusedError(_TOO_MUCH, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            batch.validate(full=True)
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                _check_texts(name, column)
            yield batch
    except _UNREADABLE as error:
        raise _refusal(error) from error


def rows_of(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Return the rows of a checked batch, a few of which are in memory at once.

    Raises:
        RefusedError: a cell is nothing that Python can hold, such as a time of the year 100 000.
    """
    for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
        try:
            rows = batch.slice(start, _ROWS_AT_ONCE).to_pylist()
        except _UNREADABLE as error:
            raise _refusal(error) from error
        yield from rows


def _refusal(error: Exception) -> RefusedError:
    return RefusedError(f"the body is no Arrow IPC: {str(error)[:300]}")


def _check_schema(schema: pa.Schema, known: Collection[str]) -> None:
    if unknown := [name for name in schema.names if name not in known]:
        raise RefusedError(f"there is no column {unknown[0][:80]!r}; known are {', '.join(known)}")
    if len(set(schema.names)) < len(schema.names):
        raise RefusedError("the table has a column twice")
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if not any(is_taken(kind) for is_taken in (*_PLAIN, *_TEXT)):
            raise RefusedError(f"the column {field.name} is of type {str(field.type)[:80]}; {_TAKEN}")


def _check_texts(name: str, column: pa.Array) -> None:
    texts = column.dictionary if pa.types.is_dictionary(column.type) else column
    if (
        any(is_text(texts.type) for is_text in _TEXT)
        and (pc.max(pc.binary_length(texts)).as_py() or 0) > MAX_TEXT_BYTES
    ):
        raise RefusedError(f"the column {name} holds a text of more than {MAX_TEXT_BYTES} bytes")


def _check_size(body: bytes) -> None:
    """Refuse a stream whose packed buffers become larger than a body may be."""
    unpacked = messages = 0
    reader = pa.ipc.MessageReader.open_stream(pa.BufferReader(body))
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return
        messages += 1
        if messages > MAX_MESSAGES:
            sentence = f"the stream has more than {MAX_MESSAGES} batches: send larger ones"
            raise RefusedError(sentence, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if message.type in {_BATCH, _DICTIONARY} and message.body is not None:
            unpacked += sum(_unpacked_lengths(message))
        if unpacked > MAX_BODY_BYTES:
            raise RefusedError(_TOO_MUCH, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _unpacked_lengths(message: pa.ipc.Message) -> Iterator[int]:
    """Return how large each packed buffer of a message says that it becomes.

    The fields stand in Arrow's Message.fbs: a Message's header is its field 2; a DictionaryBatch's batch its field 1; a
    RecordBatch's buffers its field 2, its compression its field 3.
    """
    head = memoryview(message.metadata)
    batch = _follow(head, 0)
    for field in (2, 1) if message.type == _DICTIONARY else (2,):
        batch = _follow(head, _field(head, batch, field))
    packed, buffers = _field(head, batch, 3), _field(head, batch, 2)
    if not packed or not buffers:
        return
    body = memoryview(message.body)
    vector = _follow(head, buffers)
    (count,) = struct.unpack_from("<I", head, vector)
    for offset, length in struct.iter_unpack("<qq", head[vector + 4 : vector + 4 + 16 * count]):
        if length > 0:
            yield max(0, struct.unpack_from("<q", body, offset)[0])  # -1: it is not packed


def _follow(head: memoryview, at: int) -> int:
    (offset,) = struct.unpack_from("<I", head, at)
    return at + int(offset)


def _field(head: memoryview, table: int, number: int) -> int:
    """Return where a field of a flatbuffer's table stands; 0 when it is left out."""
    entries = table - struct.unpack_from("<i", head, table)[0]
    (length,) = struct.unpack_from("<H", head, entries)
    place = 4 + 2 * number
    if place >= length:
        return 0
    (offset,) = struct.unpack_from("<H", head, entries + place)
    return table + int(offset) if offset else 0
