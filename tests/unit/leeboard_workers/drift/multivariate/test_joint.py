"""From two tables to a verdict, whatever the tables hold."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from leeboard.api.checks import Check
from leeboard.api.multivariate import MultivariateTest
from leeboard_workers.drift import compare
from leeboard_workers.drift.multivariate import (
    JointTask,
    Permuting,
    Sides,
    UnfitRowsError,
    cpu,
    energy_distance,
    run_joint_test,
)

TESTS: list[dict[str, Any]] = [
    {
        "maximumMeanDiscrepancy": {"permutations": 99, "reduce": {"pca": {"components": 6}}},
        "alpha": 0.05,
        "minEffect": 0.1,
    },
    {
        "energyDistance": {"permutations": 99, "reduce": {"randomProjection": {"components": 2}}},
        "alpha": 0.05,
        "minEffect": 0.1,
    },
    {"domainClassifier": {"folds": 2}, "minEffect": 0.1},
    {"pcaReconstruction": {"components": 1}, "minEffect": 0.1},
]
NAMES = [next(iter(test)) for test in TESTS]


def table(rows: int, seed: int, shift: float = 0.0) -> pa.Table:
    draw = np.random.default_rng(seed)
    level = draw.normal(size=rows)
    return pa.table(
        {
            "level": level + shift,
            "echo": level + 0.1 * draw.normal(size=rows) - shift,
            "carrier": draw.choice(["UA", "B6", None], rows),
            "late": draw.choice([True, False], rows),
        }
    )


def check(test: dict[str, Any]) -> Check:
    return Check(name="joint", multivariate_test=MultivariateTest.model_validate(test))


@pytest.mark.parametrize("test", TESTS, ids=NAMES)
def test_the_report_tells_of_drift_and_of_quiet(test: dict[str, Any]):
    reference = table(600, 1)
    drifted = compare(reference, table(400, 2, shift=1.0), checks=[check(test)])
    quiet = compare(reference, table(400, 3), checks=[check(test)])
    (then,), (now,) = quiet.checks, drifted.checks
    assert (then.kind, then.drifted, now.drifted) == ("multivariateTest", False, True)
    assert (now.statistic or 0.0) > 0.15 > (then.statistic or 0.0)
    assert now.threshold == 0.1
    assert "effect" in now.message
    assert "p = " in now.message
    assert set(now.worst_columns[:2]) == ({"level", "echo"} if "domainClassifier" in test else set())


@pytest.mark.parametrize("test", TESTS, ids=NAMES)
def test_odd_tables_give_defined_numbers(test: dict[str, Any]):
    odd = pa.table(
        {
            "constant": [1.0] * 30,
            "missing": pa.nulls(30, pa.float64()),
            "infinite": [float("inf"), float("-inf"), float("nan")] * 10,
            "huge": np.array([1e300, -1e300, 5e-324] * 10),
            "levels": [f"l{number}" for number in range(30)],
            "nested": [{"a": 1}] * 30,
        }
    )
    for window in (odd, odd.slice(0, 3), odd.take(list(range(29, -1, -1)))):
        for reference in (odd, odd.slice(10, 3)):
            (found,) = compare(reference, window, checks=[check(test)]).checks
            assert found.statistic is not None
            assert 0 <= found.statistic <= 1
            assert "nested is left out: columns of type struct" in found.message


@pytest.mark.parametrize("test", TESTS, ids=NAMES)
def test_too_little_to_test_is_a_sentence_and_no_drift(test: dict[str, Any]):
    some = table(50, 1)
    (few,) = compare(some, some.slice(0, 1), checks=[check(test)]).checks
    assert (few.statistic, few.drifted) == (None, False)
    assert few.message == "the window has 1 rows: a joint test needs 2 at least"
    nested = pa.table({"x": [{"a": 1}] * 9})
    (none,) = compare(nested, nested, checks=[check(test)]).checks
    assert none.message.startswith("no column can be tested jointly: x is left out: columns of type struct")


def test_the_smallest_effect_depends_on_the_method_unless_stated():
    tests = [MultivariateTest.model_validate({name: {}}) for name in NAMES]
    assert [test.smallest_effect for test in tests] == [0.3, 0.3, 0.8, 0.3]
    assert MultivariateTest.model_validate({"domainClassifier": {}, "minEffect": 0.0}).smallest_effect == 0.0


def test_columns_that_weigh_nothing_take_no_part():
    reference, window = table(300, 1), table(300, 2)
    window = window.set_column(0, "level", pa.array(np.full(300, 9.0)))
    test = MultivariateTest.model_validate(TESTS[0])
    weights = dict.fromkeys(reference.column_names, 1.0)
    assert run_joint_test(JointTask(test, reference, window, weights)).p_value == 0.01
    weights["level"] = 0.0
    assert run_joint_test(JointTask(test, reference, window, weights)).p_value > 0.05
    with pytest.raises(UnfitRowsError, match="no column can be tested jointly"):
        run_joint_test(JointTask(test, reference, window, {}))


@pytest.mark.parametrize("method", ["maximumMeanDiscrepancy", "energyDistance"])
def test_one_wild_list_does_not_hide_that_the_others_moved(method: str):
    draw = np.random.default_rng(0)
    rows = [draw.normal(size=(300, 4)), draw.normal(3, 1, size=(300, 4)), draw.normal(size=(300, 4))]
    rows[1][0] = rows[2][0] = 1e20
    then, moved, alike = (pa.table({"x": pa.array(list(side), pa.list_(pa.float64()))}) for side in rows)
    test = check({method: {"permutations": 99}, "minEffect": 0.2, "alpha": 0.05})
    assert [compare(then, now, [test]).checks[0].drifted for now in (moved, alike)] == [True, False]


def test_sums_that_overflow_are_a_sentence():
    sides = Sides(np.zeros((9, 2), np.float32), np.full((9, 2), 1e30, np.float32))
    with pytest.raises(UnfitRowsError, match="too large to be compared jointly"), np.errstate(all="ignore"):
        energy_distance(sides, permuting=Permuting(9), device=cpu())


@pytest.mark.parametrize("method", ["maximumMeanDiscrepancy", "energyDistance"])
def test_constant_columns_have_no_effect(method: str):
    same = pa.table({"x": [5.0] * 50})
    assert compare(same, same, [check({method: {}})]).checks[0].statistic == 0.0


def test_a_weight_counts_as_so_many_columns():
    reference, window = table(200, 1), table(200, 2, shift=0.3)
    test = MultivariateTest.model_validate({"energyDistance": {}})
    twice = reference.append_column("again", reference["level"]), window.append_column("again", window["level"])
    ones = dict.fromkeys(twice[0].column_names, 1.0)
    weighed = run_joint_test(JointTask(test, reference, window, {**ones, "level": 2.0}))
    doubled = run_joint_test(JointTask(test, *twice, ones))
    assert weighed.p_value == doubled.p_value
    assert weighed.effect == pytest.approx(doubled.effect, rel=1e-3)


def test_rows_that_resemble_their_neighbours_are_no_drift():
    """A week of a series that wanders over months differs from every other week; that alone is no drift."""
    draw = np.random.default_rng(7)
    wander = np.repeat(draw.normal(size=(40, 3)), 50, axis=0) + 0.2 * draw.normal(size=(2_000, 3))
    reference, window = (
        pa.table({f"x{at}": part[:, at] for at in range(3)}) for part in (wander[:1_600], wander[1_600:])
    )
    (careful,) = compare(reference, window, checks=[check({"maximumMeanDiscrepancy": {}, "minEffect": 0.0})]).checks
    (naive,) = compare(
        reference, window, checks=[check({"maximumMeanDiscrepancy": {}, "spans": 400, "minEffect": 0.0})]
    ).checks
    assert (naive.drifted, careful.drifted) == (True, False)
