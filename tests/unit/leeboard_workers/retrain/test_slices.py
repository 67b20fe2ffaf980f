"""Row filters: what they let through, and what they say when they cannot be read."""

from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leeboard_workers.retrain.context import TrainingError
from leeboard_workers.retrain.slices import rows_in

ROWS = pa.table(
    {
        "n": [0, 1, 2, 3, 4],
        "hour": pa.array([5.0, 6.0, 12.0, None, float("nan")]),
        "airline": ["AA", "UA", "AA", None, "DL"],
        "late": pa.array([1.0, 0.0, 1.0, 0.0, 1.0]),
        "day of week": [1, 2, 3, 4, 5],
        "at": pa.array([datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 6)]),
        "kind": pa.array(["a", "b", "a", "b", "a"]).dictionary_encode(),
    }
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("hour < 12", [0, 1]),
        ("12 > hour", [0, 1]),
        ("6 <= hour <= 12", [1, 2]),
        ("not hour < 12", [2, 4]),
        ("airline == 'AA'", [0, 2]),
        ("airline != 'AA'", [1, 4]),
        ('airline in ("AA", "UA")', [0, 1, 2]),
        ('airline not in ["AA", "UA"]', [4]),
        ("airline in ()", []),
        ("hour < 6 or airline == 'DL'", [0, 4]),
        ("(hour < 6 or hour > 6) and late == True", [0, 2]),
        ("late == 1 and n > -1", [0, 2, 4]),
        ("`day of week` >= 4", [3, 4]),
        ("at >= '2026-01-04T00:00:00Z'", [3, 4]),
        ("kind == 'b'", [1, 3]),
        ("airline == '`n`'", []),
    ],
)
def test_keeps_the_rows_that_the_slice_lets_through(text: str, kept: list[int]):
    assert rows_in(ROWS, text)["n"].to_pylist() == kept


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("depth < 3", "the column 'depth', and there is none; there are n, hour"),
        ("airline < 3", "the column 'airline', which holds string, with 3"),
        ("n == 'three'", "the column 'n', which holds int64, with 'three'"),
        ("at > 'tomorrow'", "the column 'at'"),
        ("hour <", "cannot be read"),
        ("hour", "at 'hour'"),
        ("hour < n", "at 'n'"),
        ("1 < 2", "at '2'"),
        ("hour + 1 < 2", "at 'hour + 1'"),
        ("len(airline) == 2", "at 'len(airline)'"),
        ("airline.str.len() > 1", "cannot be read at"),
        ("__import__('os').system('true') == 0", "cannot be read at"),
        ("hour is None", "at 'hour'"),
        ("hour < None", "at 'None'"),
        ("hour in n", "at 'hour'"),
        ("`day of week` + 1 < 3", "at '`day of week` + 1'"),
        ("(" * 300, "cannot be read"),
        ("n < 1; n > 2", "cannot be read"),
        ("n < 1j", "at '1j'"),
        ("n = 1", "cannot be read"),
        ("[n for n in (1,)] == 1", "cannot be read at"),
    ],
)
def test_what_is_no_slice_says_where_and_what_to_write(text: str, words: str):
    with pytest.raises(TrainingError) as refusal:
        rows_in(ROWS, text)
    assert words in str(refusal.value)


@given(
    st.lists(st.integers(-5, 5), max_size=20),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    st.integers(-5, 5),
    st.booleans(),
)
def test_agrees_with_pandas(numbers: list[int], sign: str, value: int, negated: bool):  # noqa: FBT001
    table = pa.table({"n": pa.array(numbers, pa.int64())})
    text = f"not n {sign} {value}" if negated else f"n {sign} {value}"
    frame = pd.DataFrame({"n": pd.Series(numbers, dtype="int64")})
    assert rows_in(table, text)["n"].to_pylist() == frame.query(text)["n"].tolist()
