"""Metrics against scikit-learn's, with and without weights."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from leeboard_workers.drift.metrics import METRICS, metric_of
from leeboard_workers.drift.outcomes import Outcomes, outcomes_of, probabilities_of


def classified(rows: int, classes: int, seed: int) -> Outcomes:
    draw = np.random.default_rng(seed)
    probabilities = draw.dirichlet(np.ones(classes), rows).round(2) + 1e-3
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    truth = draw.integers(0, classes, rows)
    truth[:classes] = np.arange(classes)
    names = tuple("abcdef"[:classes])
    return Outcomes(truth, probabilities.argmax(axis=1), names, probabilities)


def reference(name: str, rows: Outcomes, weights: np.ndarray) -> float:
    """What scikit-learn says."""
    truth, answer, p = rows.truth, rows.answer, rows.probabilities
    if name in ("mae", "rmse", "r2", "mape", "quantile_loss"):
        functions = {
            "mae": sk.mean_absolute_error,
            "rmse": sk.root_mean_squared_error,
            "r2": sk.r2_score,
            "mape": sk.mean_absolute_percentage_error,
            "quantile_loss": lambda *a, **k: sk.mean_pinball_loss(*a, alpha=0.5, **k),
        }
        return functions[name](truth, answer, sample_weight=weights)
    binary = p.shape[1] == 2
    known = np.eye(p.shape[1])[truth]
    if name in ("roc_auc", "average_precision"):
        rank = {"roc_auc": sk.roc_auc_score, "average_precision": sk.average_precision_score}[name]
        columns = [1] if binary else range(p.shape[1])
        return float(np.mean([rank(known[:, c], p[:, c], sample_weight=weights) for c in columns]))
    if name == "log_loss":
        return sk.log_loss(truth, p, sample_weight=weights)
    if name == "brier":
        return float(np.average(((p - known) ** 2).sum(axis=1) / 2, weights=weights))
    if name == "f1":
        return sk.f1_score(truth, answer, average="binary" if binary else "macro", sample_weight=weights)
    with_weights = {"accuracy": sk.accuracy_score, "balanced_accuracy": sk.balanced_accuracy_score}
    return with_weights[name](truth, answer, sample_weight=weights)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "name", ["accuracy", "balanced_accuracy", "f1", "roc_auc", "average_precision", "log_loss", "brier"]
)
@settings(max_examples=25)
@given(seed=st.integers(0, 1000), weighted=st.booleans())
def test_metrics_of_classes_are_scikit_learns(name: str, classes: int, seed: int, *, weighted: bool):
    rows = classified(60, classes, seed)
    weights = np.random.default_rng(seed).poisson(1.0, 60).astype(float) + 1 if weighted else np.ones(60)
    assert METRICS[name].prepare(rows)(weights) == pytest.approx(reference(name, rows, weights), abs=1e-12)


@pytest.mark.parametrize("name", ["mae", "rmse", "r2", "mape", "quantile_loss"])
@settings(max_examples=25)
@given(seed=st.integers(0, 1000))
def test_metrics_of_numbers_are_scikit_learns(name: str, seed: int):
    draw = np.random.default_rng(seed)
    truth = draw.normal(5, 2, 50)
    rows = Outcomes(truth, truth + draw.normal(size=50))
    weights = draw.poisson(1.0, 50).astype(float) + 1
    assert METRICS[name].prepare(rows)(weights) == pytest.approx(reference(name, rows, weights))


def test_a_quantile_has_its_own_loss():
    rows = Outcomes(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    assert metric_of("quantile_loss", 0.9).prepare(rows)(np.ones(2)) == pytest.approx((0.9 * 1 + 0.1 * 2) / 2)


def test_weights_count_rows():
    """A row of weight two is that row twice."""
    rows = classified(40, 2, 5)
    twice = Outcomes(*(np.concatenate([part, part[:10]]) for part in (rows.truth, rows.answer)), rows.classes)
    weights = np.ones(40)
    weights[:10] = 2
    for name in ("accuracy", "balanced_accuracy", "f1"):
        assert METRICS[name].prepare(rows)(weights) == pytest.approx(METRICS[name].prepare(twice)(np.ones(50)))


def test_calibration_error_does_not_grow_as_rows_get_fewer():
    def error(rows: int, seed: int, off: float) -> float:
        draw = np.random.default_rng(seed)
        p = draw.uniform(0.5, 0.9, rows)
        truth = (draw.random(rows) < p + off).astype(np.int64)
        found = Outcomes(truth, np.ones(rows, np.int64), ("0", "1"), np.column_stack([1 - p, p]))
        return METRICS["calibration_error"].prepare(found)(np.ones(rows))

    calm = np.mean([error(300, seed, 0.0) for seed in range(60)])
    assert calm < 0.04, "the plain estimate would be about 0.09"
    assert error(200_000, 0, 0.1) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "r2", "mape"])
def test_what_is_not_defined_is_no_number(name: str):
    same = np.zeros(4)
    rows = Outcomes(same, same + 1)
    if name in ("roc_auc", "average_precision"):
        rows = Outcomes(same.astype(int), same.astype(int), ("0", "1"), np.full((4, 2), 0.5))
        always = Outcomes(1 - rows.truth, rows.answer, rows.classes, rows.probabilities)
        assert np.isnan(METRICS[name].prepare(always)(np.ones(4)))
    assert np.isnan(METRICS[name].prepare(rows)(np.ones(4)))


# -- reading --


@pytest.mark.parametrize(
    ("sentence", "classes", "columns", "codes"),
    [
        ("integers logged as doubles", [0, 1], (pa.array([0.0, 1.0]), pa.array([1.0, 1.0])), ([0, 1], [1, 1])),
        ("booleans logged as doubles", [False, True], (pa.array([0.0, 1.0]), pa.array([1.0, 0.0])), ([0, 1], [1, 0])),
        ("numbers labelled with booleans", [0, 1], (pa.array([False, True]), pa.array([1.0, 0.0])), ([0, 1], [1, 0])),
        ("words", ["no", "yes"], (pa.array(["yes", "no"]), pa.array(["yes", "yes"])), ([1, 0], [1, 1])),
        ("numbers labelled with words", [0, 1], (pa.array(["1", "0"]), pa.array([1.0, 0.0])), ([1, 0], [1, 0])),
        (
            "a label that the model does not know",
            [0, 1],
            (pa.array([7.0, 1.0]), pa.array([1.0, 1.0])),
            ([2, 1], [1, 1]),
        ),
        ("a missing label", [0, 1], (pa.array([None, 1.0]), pa.array([1.0, 1.0])), ([1], [1])),
        ("a refused row", [0, 1], (pa.array([0.0, 1.0]), pa.array([None, 0.0])), ([1], [0])),
        ("a label that is no number", [0, 1], (pa.array([float("nan"), 1.0]), pa.array([1.0, 0.0])), ([1], [0])),
        ("nothing at all", [0, 1], (pa.array([], pa.float64()), pa.array([], pa.float64())), ([], [])),
        ("columns without a type", [0, 1], (pa.nulls(2), pa.nulls(2)), ([], [])),
    ],
)
def test_reads_classes_however_they_were_logged(
    sentence: str, classes: list[object], columns: tuple[pa.Array, pa.Array], codes: tuple[list[int], list[int]]
):
    rows = outcomes_of(*columns, classes=classes)
    assert (rows.truth.tolist(), rows.answer.tolist()) == codes, sentence


def test_reads_numbers_and_leaves_out_what_is_not_finite():
    truth = pa.chunked_array([pa.array([1.0, None, float("inf"), 2.0]), pa.array([3.0])])
    rows = outcomes_of(truth, pa.array(["1", "2", "3", "nan", "3.5"]), classes=None, groups=pa.array(list("aabbb")))
    assert (rows.truth.tolist(), rows.answer.tolist(), rows.groups.tolist()) == ([1.0, 3.0], [1.0, 3.5], [0, 1])


def test_probabilities_of_another_width_are_of_no_use():
    column = pa.chunked_array([pa.array([[0.2, 0.8], None, [0.1, 0.2, 0.7]])])
    assert probabilities_of(column, 2)[0].tolist() == [0.2, 0.8]
    assert np.isnan(probabilities_of(column, 2)[1:]).all()
    assert probabilities_of(column, 4) is None
    assert probabilities_of(pa.array([1.0]), 2) is None
    known = probabilities_of(column, 2)
    rows = outcomes_of(pa.array([1, 0, 1]), pa.array([1, 1, 1]), classes=[0, 1], probabilities=known)
    assert rows.rows == 1, "rows without probabilities cannot be judged by them"
