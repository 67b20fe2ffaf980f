"""Bodies of labels: whatever the bytes say about themselves, they are read or refused in a sentence."""

import io
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.ipc
import pytest

from leeboard_workers.serving.collector.labels import ARROW_FILE, ARROW_STREAM, CSV, JSON, read_label_batch
from leeboard_workers.serving.collector.refusals import RefusedError

OWNER = ("air", "flights")
LABELS = {"request_id": pa.array(["QQQQQQQQ", "b"]), "label": pa.array([1.0, 2.0])}


def packed(columns: dict[str, pa.Array], *, file: bool = False, compression: str | None = None) -> bytes:
    batch = pa.record_batch(columns)
    sink = io.BytesIO()
    new = pa.ipc.new_file if file else pa.ipc.new_stream
    with new(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def read(body: bytes, kind: str = ARROW_STREAM) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_label_batch(body, kind, OWNER)["labels"]
    return found


def flipped(body: bytes) -> Iterator[bytes]:
    for at, byte in enumerate(body):
        for other in (byte ^ 0x01, byte ^ 0x80, 0xFF):
            yield body[:at] + bytes([other]) + body[at + 1 :]


@pytest.mark.parametrize("offsets", [[0, 8, 2**30], [0, 2**31 - 1, 9], [0, -5, 9], [8, 0, 9]])
def test_offsets_that_lead_out_of_the_body_are_refused(offsets: list[int]) -> None:
    right = np.array([0, 8, 9], np.int32).tobytes()
    body = packed(LABELS)
    assert body.count(right) == 1
    with pytest.raises(RefusedError, match="no Arrow IPC"):
        read(body.replace(right, np.array(offsets, np.int32).tobytes()))


@pytest.mark.parametrize("file", [False, True])
@pytest.mark.parametrize("compression", [None, "zstd"])
def test_no_flipped_byte_of_arrow_does_harm(file: bool, compression: str | None) -> None:  # noqa: FBT001 (a case)
    columns = LABELS | {"time": pa.array([0, 1], pa.timestamp("us", "UTC"))}
    columns["request_id"] = columns["request_id"].dictionary_encode()
    taken, sentences = 0, []
    for body in flipped(packed(columns, file=file, compression=compression)):
        try:
            read(body, ARROW_FILE if file else ARROW_STREAM)
            taken += 1
        except RefusedError as error:
            sentences.append(str(error))
    assert taken > 0
    assert 0 < max(map(len, sentences)) < 500


@pytest.mark.parametrize("file", [False, True])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_arrow_is_read_as_it_was_written(file: bool, compression: str | None) -> None:  # noqa: FBT001 (a case)
    columns = {
        "request_id": pa.array(["a", "b", "c"]).dictionary_encode(),
        "row": pa.array([0, 1, None], pa.int8()),
        "label": pa.array(["late", None, "1.5"], pa.large_string()),
        "reward": pa.array([None, 2.5, None], pa.float32()),
        "time": pa.array([0, 1_500_000, None], pa.timestamp("us")),
    }
    labels = read(packed(columns, file=file, compression=compression), ARROW_FILE if file else ARROW_STREAM)
    assert [(one["requestId"], one["row"], one.get("label"), one.get("reward")) for one in labels] == [
        ("a", 0, "late", None),
        ("b", 1, None, 2.5),
        ("c", 0, 1.5, None),
    ]
    assert labels[1]["time"] == 1.5


@pytest.mark.parametrize("file", [False, True])
def test_small_bodies_do_not_become_large_ones(file: bool) -> None:  # noqa: FBT001 (a case)
    before = pa.default_memory_pool().max_memory()
    body = packed(
        {"request_id": pa.array(["a" * 200_000_000]), "label": pa.array([1.0])}, file=file, compression="zstd"
    )
    after_packing = pa.default_memory_pool().max_memory()
    assert len(body) < 100_000
    with pytest.raises(RefusedError, match="unpacked body is larger than 64 MiB"):
        read(body, ARROW_FILE if file else ARROW_STREAM)
    assert pa.default_memory_pool().max_memory() == max(before, after_packing)


def test_one_long_text_of_a_dictionary_is_not_written_out_for_every_row() -> None:
    ids = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int32)), pa.array(["a" * 1_000_000]))
    with pytest.raises(RefusedError, match="the column request_id holds a text of more than 4096 bytes"):
        read(packed({"request_id": ids, "label": pa.array(np.ones(100_000))}))


@pytest.mark.parametrize(("batches", "sentence"), [(10_001, "more than 10000 batches"), (1_000, "larger than 64 MiB")])
def test_a_large_dictionary_is_not_looked_through_for_every_batch(batches: int, sentence: str) -> None:
    texts = pa.array(["a", *(f"{number:01000}" for number in range(1_000 if batches == 1_000 else 1))])
    ids = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), texts)
    batch = pa.record_batch({"request_id": ids, "label": pa.array([1.0])})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        for _ in range(batches):
            writer.write_batch(batch)
    began = time.monotonic()
    with pytest.raises(RefusedError, match=sentence):
        read(sink.getvalue())
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"time": pa.array([0], pa.timestamp("us", "Nowhere/Land"))}, "no Arrow IPC"),
        ({"time": pa.array([2**62], pa.timestamp("s"))}, "no Arrow IPC"),
        ({"label": pa.array([{"a": 1}])}, "the column label is of type struct"),
        ({"label": pa.array([[1.0]])}, "text, numbers, truth values and times are taken"),
        ({"lable": pa.array([0])}, "there is no column 'lable'"),
        ({"label": pa.array([None], pa.float64())}, "row 0: there is neither a label nor a reward"),
    ],
)
def test_columns_that_hold_no_labels_are_told(columns: dict[str, pa.Array], sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence):
        read(packed({"request_id": pa.array(["a"]), "label": pa.array([1.0])} | columns))


@pytest.mark.parametrize("label", [{"requestId": "r", "lable": 0}, {"requestId": "r", "label": None}])
@pytest.mark.parametrize("owner", [OWNER, None])
def test_a_label_that_says_nothing_is_refused(label: dict[str, Any], owner: tuple[str, str] | None) -> None:
    labels = [{"requestId": "q", "reward": 0.0}, label]
    body = labels if owner else {"namespace": "air", "modelDeployment": "flights", "labels": labels}
    with pytest.raises(RefusedError, match=r"labels\.1: there is neither a label nor a reward"):
        read_label_batch(orjson.dumps(body), JSON, owner)


@pytest.mark.parametrize(
    ("written", "label"),
    [
        *(("12", 12.0), ("-0.5", -0.5), ("+3.", 3.0), (".5", 0.5), ("1e5", 1e5), ("007", 7.0), (" 4 ", 4.0)),
        *((text, text) for text in ("1_2", "2024_01", "١٢", "0x10", "nan", "inf", "1e999", "1 2", "e5", ".")),
    ],
)
def test_what_is_not_written_in_decimal_digits_is_text(written: str, label: float | str) -> None:
    assert read(f"request_id,label\na,{written}\n".encode(), CSV)[0]["label"] == label


@pytest.mark.parametrize(
    ("header", "cells", "sentence"),
    [
        ("request_id,row,label", "a,1_0,1", "row must be a whole number, not '1_0'"),
        ("request_id,reward", "a,1_0", "reward must be a number, not '1_0'"),
        ("request_id,label,time", "a,1,1_700_000_000", "time must be"),
    ],
)
def test_digits_that_only_python_reads_are_no_number(header: str, cells: str, sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence):
        read(f"{header}\n{cells}\n".encode(), CSV)
