"""Faults of the data, each in one sentence that names the column."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from leeboard.api.quality import DataQuality, OnFinding
from leeboard_workers.data.rows import TableRows
from leeboard_workers.drift.quality import quality_report

ROWS = 400
DRAW = np.random.default_rng(0)
NUMBERS = pa.array(DRAW.uniform(0, 10, ROWS))
WORDS = pa.array(DRAW.choice(["iron", "stone"], ROWS))
BOOLEANS = pa.array([index % 2 == 0 for index in range(ROWS)])
LISTS = pa.array([[1.0]] * ROWS)
JANUARY, MAY = (
    pa.array([datetime(2026, month, 1) + timedelta(hours=hour) for hour in range(ROWS)], pa.timestamp("us"))  # noqa: DTZ001
    for month in (1, 5)
)
WRITTEN = pa.array([time.isoformat() for time in MAY.to_pylist()])
IDS = pa.array([f"id{index}" for index in range(3_000)])


def mixed(usual: pa.Array, strange: list[Any], share: float) -> pa.Array:
    """Return a column of which a share is strange."""
    many = round(share * ROWS)
    return pa.array([strange[index % len(strange)] for index in range(many)] + usual.to_pylist()[many:])


CASES = [
    ("as ever", NUMBERS, NUMBERS, None, ""),
    ("a few more missing", NUMBERS, mixed(NUMBERS, [None], 0.06), None, ""),
    ("many missing", NUMBERS, mixed(NUMBERS, [None, float("nan")], 0.2), "missing", "20.0% missing, 0.0% in the"),
    ("missing as often as ever", mixed(NUMBERS, [None], 0.2), mixed(NUMBERS, [None], 0.2), None, ""),
    ("all missing", NUMBERS, pa.nulls(ROWS, pa.float64()), "missing", "100.0% missing"),
    ("a column of no type", WORDS, pa.nulls(ROWS), "missing", "100.0% missing"),
    ("infinities", NUMBERS, mixed(NUMBERS, [float("inf"), float("-inf")], 0.1), "outOfRange", "40 of them infinite"),
    ("too large", NUMBERS, mixed(NUMBERS, [99.0], 0.05), "outOfRange", "5.0% outside the reference's 0.0"),
    ("one wild value", NUMBERS, mixed(NUMBERS, [1e300], 0.0025), None, ""),
    ("new words", WORDS, mixed(WORDS, ["wood", "ice"], 0.1), "unseenCategories", "such as ice, wood"),
    ("one new word", WORDS, mixed(WORDS, ["wood"], 0.0025), None, ""),
    ("only one word left", WORDS, pa.array(["iron"] * ROWS), "constantColumns", "a single value in all 400 rows"),
    ("only one number left", NUMBERS, pa.array([5.0] * ROWS), "constantColumns", "a single value"),
    ("constant as ever", pa.array([5.0] * ROWS), pa.array([5.0] * ROWS), None, ""),
    ("constant for three rows", NUMBERS, pa.array([5.0] * 3), None, ""),
    ("numbers that became words", NUMBERS, mixed(WORDS, ["1.5"], 0.5), "typeChanges", "holds text, and numbers"),
    ("numbers written as words", NUMBERS, pa.array([str(value) for value in NUMBERS.to_pylist()]), None, ""),
    ("words that became numbers", WORDS, NUMBERS, "typeChanges", "holds numbers, and text"),
    ("booleans logged as numbers", BOOLEANS, pa.array([float(value) for value in BOOLEANS.to_pylist()]), None, ""),
    ("numbers logged as integers", pa.array([0.0, 1.0] * 200), pa.array([0, 1] * 200), None, ""),
    ("nothing at all", NUMBERS, pa.array([], pa.float64()), None, ""),
    ("lists, which are compared in no way", LISTS, pa.array([[2.0]] * ROWS), None, ""),
    ("numbers that became lists", NUMBERS, LISTS, "typeChanges", "holds lists, and numbers"),
    ("lists that became numbers", LISTS, NUMBERS, "typeChanges", "holds numbers, and lists"),
    ("lists that are missing", LISTS, mixed(LISTS, [None], 0.2), "missing", "20.0% missing"),
    ("a later time", JANUARY, MAY, None, ""),
    ("a later day", JANUARY.cast(pa.date32()), MAY.cast(pa.date32()), None, ""),
    ("a clock that stands still", JANUARY, pa.array([MAY[0].as_py()] * ROWS), None, ""),
    ("times written as text", JANUARY, WRITTEN, None, ""),
    ("times that were text", WRITTEN, JANUARY, None, ""),
    ("times that became words", JANUARY, WORDS, "typeChanges", "holds text, and times"),
    ("times that became numbers", JANUARY, NUMBERS, "typeChanges", "holds numbers, and times"),
    ("NaN in a dictionary", NUMBERS, mixed(NUMBERS, [float("nan")], 0.2).dictionary_encode(), "missing", "20.0% miss"),
    ("other ids than 3,000 known ones", IDS, pa.array(["a1", "a2"] * 200), "unseenCategories", "100.0% are levels"),
    ("some of 3,000 ids", IDS, IDS[2_000:], None, ""),
]


@pytest.mark.parametrize(("sentence", "then", "now", "rule", "words"), CASES, ids=[case[0] for case in CASES])
def test_finds_faults(sentence: str, then: pa.Array, now: pa.Array, rule: str | None, words: str):
    report = quality_report("hygiene", DataQuality(), pa.table({"x": then}), pa.table({"x": now}))
    assert [finding.rule for finding in report.findings] == ([rule] if rule else []), sentence
    assert report.drifted is (rule is not None)
    assert report.statistic == len(report.findings)
    assert words in report.message
    assert report.worst_columns == (("x",) if rule else ())


def test_a_million_categories_are_unseen_in_one_sentence():
    then = pa.table({"id": pa.array([f"a{index}" for index in range(1000)])})
    now = pa.table({"id": pa.array([f"b{index}" for index in range(1_000_000)])})
    report = quality_report("hygiene", DataQuality(), then, now)
    assert report.message == "id: 100.0% are levels that the reference does not know, such as b0, b1, b10"


def test_columns_that_nobody_sends_and_columns_that_nobody_knows():
    then, now = pa.table({"a": NUMBERS, "id": NUMBERS}), pa.table({"a": NUMBERS, "b": NUMBERS})
    report = quality_report("hygiene", DataQuality(), then, now, expected=["a", "c"])
    told = [finding.message for finding in report.findings]
    assert told == ["c: the model takes it, and nobody sends it", "b: the reference does not know this column"]


def test_rows_that_were_logged_twice():
    table = pa.table({"a": NUMBERS})
    report = quality_report("hygiene", DataQuality(), table, table, doubled=40)
    assert [finding.rule for finding in report.findings] == ["duplicates"]
    assert not quality_report("hygiene", DataQuality(), table, table, doubled=4).drifted


def test_a_sample_holds_the_repeated_rows_against_all_rows():
    sample = TableRows(pa.table({"a": NUMBERS}), total=100_000)
    assert not quality_report("hygiene", DataQuality(), sample, sample, doubled=500).drifted
    [twice] = quality_report("hygiene", DataQuality(), sample, sample, doubled=25_000).findings
    assert twice.share == pytest.approx(0.2)


def test_a_column_that_cannot_be_read_takes_no_other_down():
    odd = pa.array([pa.scalar((1, 2, 3), pa.month_day_nano_interval()).as_py()] * ROWS, pa.month_day_nano_interval())
    big = pa.array([Decimal("1.5")] * ROWS, pa.decimal256(50, 3))
    then = pa.table({"odd": odd, "big": big, "a": NUMBERS})
    now = then.set_column(2, "a", mixed(NUMBERS, [None], 0.2))
    assert [fault.column for fault in quality_report("hygiene", DataQuality(), then, now).findings] == ["a"]


def test_two_columns_of_one_name_are_refused():
    twice = pa.Table.from_arrays([NUMBERS, WORDS], ["a", "a"])
    with pytest.raises(ValueError, match="the window has several columns named a: rename them"):
        quality_report("hygiene", DataQuality(), pa.table({"a": NUMBERS}), twice)


def test_a_column_that_vanished_is_told_when_nobody_knows_what_the_model_takes():
    then, now = pa.table({"a": NUMBERS, "b": NUMBERS}), pa.table({"a": NUMBERS})
    [gone] = quality_report("hygiene", DataQuality(), then, now).findings
    assert gone.message == "b: the reference holds it, and nobody sends it"


def test_what_is_ignored_is_no_fault():
    ignore = OnFinding.IGNORE
    check = DataQuality(type_changes=ignore, constant_columns=ignore, schema_differences=ignore)
    then = pa.table({"a": NUMBERS, "b": NUMBERS})
    now = pa.table({"a": pa.array([5.0] * ROWS), "b": WORDS, "c": WORDS})
    assert not quality_report("hygiene", check, then, now, expected=["d"]).drifted


def test_the_gravest_come_first_and_many_are_counted():
    then = pa.table({f"x{index}": NUMBERS for index in range(6)})
    now = pa.table({f"x{index}": mixed(NUMBERS, [None], 0.1 + index / 10) for index in range(6)})
    report = quality_report("hygiene", DataQuality(), then, now)
    assert report.worst_columns == ("x5", "x4", "x3", "x2", "x1")
    assert report.message.endswith("; and 3 more")
