"""What people's tables hold sooner or later: a number comes out, or a sentence, and nothing falls."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from leeboard.api.checks import CategoricalDistance, Check, NumericDistance, NumericTest, UnivariateDistance
from leeboard.api.checks import UnivariateTest as Test
from leeboard_workers.drift import compare
from leeboard_workers.drift.univariate import Pair, measure_distance
from leeboard_workers.drift.univariate.chi_squared import chi_squared
from leeboard_workers.drift.univariate.kolmogorov_smirnov import asymptotic, kolmogorov_smirnov
from leeboard_workers.drift.values import CategoricalValues, numeric_values

DRAW = np.random.default_rng(11)
CHECKS = [Check(name="test", univariate_test=Test(numeric=NumericTest.AUTO))] + [
    Check(name=method.value.lower(), univariate_distance=UnivariateDistance(numeric=method))
    for method in NumericDistance
]
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)

HARD = {
    "one value": pa.array([4.2] * 500),
    "one row": pa.array([1.0]),
    "all ties but one": pa.array([0.0] * 499 + [1.0]),
    "subnormal": pa.array(DRAW.uniform(0, 1, 500) * 1e-310),
    "huge": pa.array(DRAW.uniform(-1, 1, 500) * 1.7e308),
    "2^53 integers": pa.array(2**53 + DRAW.integers(0, 9, 500), pa.int64()),
    "64 bit integers": pa.array([2**64 - 1, 0] * 250, pa.uint64()),
    "no rows": pa.array([], pa.float64()),
    "all missing": pa.nulls(500, pa.float64()),
    "no type": pa.nulls(500),
    "NaN alone": pa.array([float("nan")] * 500),
    "infinities alone": pa.array([float("inf"), float("-inf")] * 250),
    "half floats": pa.array(DRAW.normal(size=500).astype(np.float16)),
    "decimals": pa.array([Decimal(number) / 8 for number in range(500)], pa.decimal128(30, 20)),
    "booleans": pa.array([True, False, None] * 160),
    "text": pa.array(["b", "a", "", None, "ä"] * 100),
    "numbers as text": pa.array(["1", "2.5", "x", None] * 120),
    "levels in no order": pa.DictionaryArray.from_arrays(pa.array([2, 0, 1] * 150), pa.array(["z", "a", "m"])),
    "every row a level": pa.array([f"id{number}" for number in range(3_000)]),
    "dates": pa.array([date(2026, 1, 1) + timedelta(days=number % 90) for number in range(500)]),
    "far dates": pa.array([date(1, 1, 1), date(9999, 12, 31)] * 250),
    "times": pa.array([MOMENT + timedelta(hours=number) for number in range(500)], pa.timestamp("us", "UTC")),
    "times elsewhere": pa.array([MOMENT] * 500, pa.timestamp("ns", "Asia/Tokyo")),
    "times nowhere": pa.array([datetime(2026, 1, 1)] * 500, pa.timestamp("ms")),  # noqa: DTZ001 (on purpose)
    "times of day": pa.array([time(number % 24) for number in range(500)]),
    "durations": pa.array([timedelta(seconds=number) for number in range(500)]),
    "bytes": pa.array([b"a", b"\xff"] * 250),
    "lists": pa.array([[1.0]] * 500),
    "structs": pa.array([{"a": 1}] * 500),
}


def told(column: Any) -> bool:
    return bool(column.message) or column.test is not None


@pytest.mark.parametrize("name", HARD)
def test_a_hard_column_has_numbers_or_a_sentence_and_spares_the_others(name: str):
    plain = pa.chunked_array([DRAW.normal(size=len(HARD[name]))])
    table = pa.table({"hard": HARD[name], "plain": plain})
    report = compare(table, table, CHECKS)
    assert all(told(column) for column in report.columns)
    assert not report.drifted
    columns = {column.name: column for column in report.columns}
    if len(plain):
        assert columns["plain"].test.statistic == 0
    for check in report.checks:
        assert check.statistic is None or check.statistic == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ["one value", "subnormal", "huge", "2^53 integers", "text", "booleans"])
@pytest.mark.parametrize("other", HARD)
def test_any_column_may_come_where_another_was(name: str, other: str):
    report = compare(pa.table({"hard": HARD[name]}), pa.table({"hard": HARD[other]}), CHECKS)
    assert all(told(column) for column in report.columns)
    report.to_dict(), report.to_arrow()


@pytest.mark.parametrize("rows", [2_000, 60_000, 3_000_000])
@pytest.mark.parametrize("z", [0.15, 0.5, 1.0, 1.49, 2.5, 6.0])
def test_the_asymptotic_p_value_is_scipys(rows: int, z: float):
    statistic = z / np.sqrt(rows)
    assert asymptotic(statistic, rows) == pytest.approx(stats.kstwo.sf(statistic, rows), rel=0.01)


FLOATS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60)


@settings(max_examples=80)
@given(FLOATS, FLOATS)
def test_order_scale_and_sides_do_not_matter(one: Any, other: Any):
    then, now = numeric_values(pa.array(one)), numeric_values(pa.array(other))
    found = kolmogorov_smirnov(Pair(then, now))
    assert kolmogorov_smirnov(Pair(now, then)).p_value == pytest.approx(found.p_value, rel=1e-9)
    shuffled = kolmogorov_smirnov(Pair(numeric_values(pa.array(one[::-1])), now))
    assert shuffled == found
    doubled = [numeric_values(pa.array([value * 2 for value in side])) for side in (one, other)]
    assert kolmogorov_smirnov(Pair(*doubled)) == found
    for method in NumericDistance:
        distance, scaled = (
            measure_distance(pair, numeric=method, categorical=CategoricalDistance.AUTO).value
            for pair in (Pair(then, now), Pair(*doubled))
        )
        assert scaled == pytest.approx(distance, rel=1e-6, abs=1e-9)


@settings(max_examples=60)
@given(FLOATS, st.integers(0, 60))
def test_parts_that_are_merged_are_the_whole(values: Any, cut: int):
    column = pa.array([*values, None, float("nan"), float("inf")])
    whole, merged = numeric_values(column), numeric_values(column[:cut]).merged(numeric_values(column[cut:]))
    assert np.array_equal(merged.finite, whole.finite)
    assert (merged.missing, merged.nulls, merged.above) == (whole.missing, whole.nulls, whole.above)


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 500), min_size=1),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 500), min_size=1),
)
def test_levels_may_be_named_and_ordered_as_one_likes(then: Any, now: Any):
    found = chi_squared(CategoricalValues(then, 0), CategoricalValues(now, 0))
    renamed = [{f"z{5 - 'abcdef'.index(level)}": count for level, count in side.items()} for side in (then, now)]
    other = chi_squared(*(CategoricalValues(side, 0) for side in renamed))
    assert 0 <= found.p_value <= 1
    if len({*then.values(), *now.values()}) == len(then) + len(now):  # ties may be pooled in another order
        assert (other.p_value, other.effect) == (pytest.approx(found.p_value), pytest.approx(found.effect))
    swapped = chi_squared(CategoricalValues(now, 0), CategoricalValues(then, 0))
    assert (swapped.statistic, swapped.effect) == (pytest.approx(found.statistic), pytest.approx(found.effect))
