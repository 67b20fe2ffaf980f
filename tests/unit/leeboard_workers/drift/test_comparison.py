"""A window against its reference: verdicts, weights, columns that cannot be compared, any number of workers."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from leeboard.api.checks import (
    Aggregate,
    Check,
    OutOfDistributionIncrease,
    Prediction,
    UnivariateDistance,
    UnivariateTest,
)
from leeboard.api.performance import Performance, PerformanceMetric
from leeboard.api.quality import DataQuality
from leeboard_workers.data.rows import TableRows
from leeboard_workers.drift import Answers, Strangers, compare, prepare, weighing

TEST = Check(name="columns", univariate_test=UnivariateTest())
DISTANCE = Check(name="distance", univariate_distance=UnivariateDistance())
ANSWERS = Check(name="answers", prediction=Prediction())
STRANGERS = Check(name="strangers", out_of_distribution_rate=OutOfDistributionIncrease())


def table(rows: int, shift: float = 0.0, seed: int = 0):
    draw = np.random.default_rng(seed)
    return pa.table(
        {
            "a": draw.normal(shift, 1, rows),
            "b": draw.gamma(2.0, size=rows),
            "c": draw.choice(["x", "y", "z"], rows),
        }
    )


def by_name(columns: Any):
    return {column.name: column for column in columns}


def test_alike_windows_stay_quiet():
    found = compare(table(5_000), table(3_000, seed=1), checks=[TEST, DISTANCE])
    assert not found.drifted
    assert [check.statistic for check in found.checks] == [0.0, pytest.approx(0.02, abs=0.03)]


def test_a_moved_column_drifts_by_its_weight():
    moved = table(3_000, shift=0.5, seed=1)
    heavy = compare(table(5_000), moved, checks=[TEST], weights={"a": 3.0, "b": 1.0, "c": 1.0})
    light = compare(table(5_000), moved, checks=[TEST], weights={"a": 1.0, "b": 3.0, "c": 3.0})
    assert heavy.checks[0].statistic == pytest.approx(0.6)
    assert heavy.checks[0].drifted
    assert heavy.checks[0].worst_columns == ("a",)
    assert not light.checks[0].drifted


def test_significance_without_effect_is_no_drift():
    found = compare(table(200_000), table(200_000, shift=0.03, seed=1), checks=[TEST])
    column = by_name(found.columns)["a"].test
    assert column.corrected_p_value < 0.01
    assert column.effect < 0.05
    assert not column.drifted


def test_effect_without_significance_is_no_drift():
    column = by_name(compare(table(5_000), table(12, shift=0.2, seed=3), checks=[TEST]).columns)["a"].test
    assert column.effect > 0.05
    assert not column.drifted


def test_the_largest_distance_counts_when_asked_for():
    largest = Check(name="max", univariate_distance=UnivariateDistance(aggregate=Aggregate.MAX))
    found = compare(table(5_000), table(3_000, shift=0.5, seed=1), checks=[largest])
    assert found.checks[0].statistic == pytest.approx(by_name(found.columns)["a"].distance.statistic)


def test_a_column_that_cannot_be_compared_takes_no_other_down():
    then = table(500).append_column("lists", [[[1]] * 500]).append_column("gone", [[1.0] * 500])
    now = table(400, seed=1).append_column("lists", [[[1]] * 400]).append_column("extra", [[1.0] * 400])
    columns = by_name(compare(then, now, checks=[TEST, DISTANCE]).columns)
    assert "list" in columns["lists"].message
    assert columns["gone"].message == "the window has no such column"
    assert columns["extra"].message == "the reference has no such column"
    assert columns["a"].test is not None
    assert sum(column.weight for column in columns.values()) == pytest.approx(1.0)


def test_text_where_the_reference_has_numbers_is_read_as_numbers():
    then, now = pa.table({"n": [1.0, 2.0, 3.0] * 100}), pa.table({"n": ["1", "2", "3"] * 80})
    column = compare(then, now, checks=[TEST]).columns[0]
    assert (column.type, column.test.drifted) == ("numeric", False)


def test_nothing_to_compare_is_no_drift():
    empty = pa.table({"a": pa.nulls(10, pa.float64())})
    found = compare(empty, empty, checks=[TEST, DISTANCE])
    assert [check.statistic for check in found.checks] == [None, None]
    assert not found.drifted


def test_columns_come_by_weighted_movement():
    found = compare(table(5_000), table(3_000, shift=0.5, seed=1), checks=[TEST])
    assert found.columns[0].name == "a"


def test_the_numbers_are_the_same_on_any_number_of_workers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(weighing, "BLOCK_VALUES", 10_000)
    then, now = table(5_000), table(3_000, shift=0.5, seed=1)
    with ThreadPoolExecutor(3) as pool:
        shared = compare(then, now, checks=[TEST, DISTANCE], run=pool.map)
    alone = compare(then, now, checks=[TEST, DISTANCE])
    assert shared == alone


def test_answers_are_held_against_the_reference_s():
    draw = np.random.default_rng(0)
    then = pa.chunked_array([draw.random(2_000) < 0.2])
    quiet, loud = (pa.chunked_array([(draw.random(1_000) < rate).astype(float)]) for rate in (0.2, 0.6))
    rows = table(50)
    assert not compare(rows, rows, checks=[ANSWERS], answers=Answers(then, quiet)).drifted
    found = compare(rows, rows, checks=[ANSWERS], answers=Answers(then, loud))
    assert found.drifted
    assert found.prediction_distribution.labels == ("false", "true")


def test_numeric_answers_use_the_reference_s_quantiles():
    draw = np.random.default_rng(0)
    then, now = (pa.chunked_array([draw.normal(mean, 1, 4_000)]) for mean in (0.0, 1.0))
    rows = table(50)
    assert compare(rows, rows, checks=[ANSWERS], answers=Answers(then, now)).checks[0].statistic > 0.3


def test_strangers_count_by_their_lower_bound():
    rows = table(50)

    def rate(share: float, scored: int = 400) -> Any:
        flags = [index < share * scored for index in range(scored)] + [None] * 10
        strangers = Strangers(pa.chunked_array([flags]), acceptance=0.95)
        return compare(rows, rows, checks=[STRANGERS], strangers=strangers).checks[0]

    assert rate(0.2).drifted
    assert not rate(0.05).drifted
    assert not rate(1 / 3, scored=3).drifted
    assert rate(0.2).threshold == pytest.approx(0.1)


def test_without_a_detector_the_check_says_what_to_do():
    rows = table(50)
    check = compare(rows, rows, checks=[STRANGERS]).checks[0]
    assert check.statistic is None
    assert "spec.outOfDistribution" in check.message


def test_faults_of_the_data_are_looked_for_beside_drift():
    hygiene = Check(name="hygiene", data_quality=DataQuality())
    then, now = table(500), table(400, seed=1).set_column(0, "a", pa.nulls(400, pa.float64()))
    found = compare(then, now, checks=[TEST, hygiene])
    assert [check.kind for check in found.checks] == ["univariateTest", "dataQuality"]
    assert found.checks[1].message == "a: 100.0% missing, 0.0% in the reference"
    kept = compare(prepare(TableRows(then)), now, checks=[TEST, hygiene])
    assert kept.checks[0] == found.checks[0]
    assert (kept.checks[1].statistic, kept.checks[1].message) == (
        None,
        "a prepared reference holds no rows, which dataQuality looks at: hand in the rows",
    )


def test_performance_names_the_function_that_takes_outcomes():
    quality = Check(name="quality", performance=Performance(metrics=[PerformanceMetric(name="mae", max_drop=1)]))
    with pytest.raises(ValueError, match=r"call leeboard_workers\.drift\.performance\.performance_report"):
        compare(table(50), table(50), checks=[TEST, quality])


def test_two_columns_of_one_name_are_refused():
    twice = pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], ["a", "a"])
    with pytest.raises(ValueError, match="the reference has several columns named a: rename them"):
        compare(twice, table(50))


def test_the_document_concludes_from_the_checks():
    moved = compare(table(5_000), table(3_000, shift=0.5, seed=1), checks=[TEST]).to_dict()
    assert moved["message"] == "The window drifted: columns found it, most of all in a. This is covariate drift."
    assert [kind["kind"] for kind in moved["kinds"]] == ["covariate"]
    quiet = compare(table(5_000), table(3_000, seed=1), checks=[TEST]).to_dict()
    assert quiet["message"] == "The window looks like the reference: columns found no drift."
    lists = pa.table({"x": [[1]] * 5})
    nothing = compare(lists, lists, checks=[TEST, DISTANCE]).to_dict()
    assert nothing["outcome"] == "Insufficient"
    assert nothing["message"] == "Nothing could be compared: no column could be compared; the columns say why"


def test_several_checks_of_a_kind_each_use_their_own_settings():
    strict = Check(name="strict", univariate_test=UnivariateTest(min_effect=0.5))
    found = compare(table(5_000), table(3_000, shift=0.5, seed=1), checks=[TEST, strict])
    assert [check.drifted for check in found.checks] == [True, False]
    assert by_name(found.columns)["a"].test.threshold == pytest.approx(0.05)
