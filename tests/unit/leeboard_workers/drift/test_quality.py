"""Faults of the data, each in one sentence that names the column."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from leeboard.api.quality import DataQuality, OnFinding
from leeboard_workers.drift.quality import quality_report

ROWS = 400
DRAW = np.random.default_rng(0)
NUMBERS = pa.array(DRAW.uniform(0, 10, ROWS))
WORDS = pa.array(DRAW.choice(["iron", "stone"], ROWS))
BOOLEANS = pa.array([index % 2 == 0 for index in range(ROWS)])


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
    ("lists, which are compared in no way", pa.array([[1.0]] * ROWS), pa.array([[2.0]] * ROWS), None, ""),
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
