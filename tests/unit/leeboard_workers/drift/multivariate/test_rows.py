"""How tables become rows of numbers, how rows become spans, and how few numbers stand for many."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA

from leeboard_workers.drift.multivariate import Sides
from leeboard_workers.drift.multivariate.encode import encoded
from leeboard_workers.drift.multivariate.reduce import principal_axes, principal_components, random_projection
from leeboard_workers.drift.multivariate.spans import resemblance

DRAW = np.random.default_rng(5)


def alone(reference: pa.Array, window: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    tables = encoded(pa.table({"x": reference}), pa.table({"x": window}), ["x"])
    assert not tables.refused
    return tables.reference, tables.window


@pytest.mark.parametrize(
    "column",
    [
        pa.array(DRAW.lognormal(sigma=3, size=5_000)),
        pa.array(DRAW.integers(0, 1_000, 5_000)),
        pa.array(DRAW.choice(["a", "b", "c"], 5_000)),
        pa.array(DRAW.choice([True, False], 5_000)),
        pa.array(DRAW.choice(["a", "b"], 5_000)).dictionary_encode(),
        pa.array(list(DRAW.normal(size=(5_000, 1)) * 100), pa.list_(pa.float64())),
    ],
    ids=["numbers", "integers", "levels", "booleans", "dictionary", "lists"],
)
def test_a_column_enters_with_variance_one(column: pa.Array):
    rows, same = alone(column, column)
    assert rows.var(axis=0).sum() == pytest.approx(1.0, abs=0.05)
    assert (rows == same).all()


def test_units_and_monotone_maps_do_not_matter():
    values, now = DRAW.normal(size=800), DRAW.normal(1, 2, size=700)
    one = alone(pa.array(values), pa.array(now))
    other = alone(pa.array(np.exp(values)), pa.array(np.exp(now)))
    assert np.allclose(one[0], other[0], atol=1e-6)
    assert np.allclose(one[1], other[1], atol=0.05)  # between two knots the line is drawn on another scale


def test_values_outside_the_reference_and_infinite_ones_have_the_farthest_rank():
    _, now = alone(pa.array(np.arange(100.0)), pa.array([-1e300, -np.inf, 0.0, 99.0, 1e9, np.inf]))
    assert now[:, 0].tolist() == sorted(now[:, 0].tolist())
    assert now[0, 0] == now[1, 0] < -2.5
    assert now[5, 0] == now[4, 0] > 2.5
    assert np.isfinite(now).all()


def test_numbers_too_near_each_other_or_too_large_for_a_slope_have_finite_ranks():
    for then in ([0.0, 5e-324, 1e-323, 1.0], [-1.7e308, 1.7e308, 0.0, 1.0]):
        reference, now = alone(pa.array(then), pa.array([*then, 3e-324, 0.5, 1e308, None]))
        assert np.isfinite(reference).all()
        assert np.isfinite(now).all()


def test_wild_lists_stand_at_a_bound_and_the_others_where_they_were():
    then = DRAW.normal(size=(500, 4))
    now = then + 3.0
    now[0], now[1] = 1e20, 1.7e308
    one, other = (pa.array(list(rows), pa.list_(pa.float64())) for rows in (then, now))
    reference, window = alone(one, other)
    assert np.abs(window[:2, :4]).max() < 100
    assert window[2:, :4].mean() == pytest.approx(3.0 / np.sqrt((then**2).mean()) / 1.0, rel=0.2)
    huge, _ = alone(pa.array(list(then * 1e307), pa.list_(pa.float64())), other)
    assert np.allclose(huge, reference, atol=1e-5)


def test_missing_values_stand_in_the_middle_and_are_told():
    then, now = alone(pa.array([1.0, 2.0, None, 4.0]), pa.array([None, float("nan"), 2.0]))
    assert now[:2, 0].tolist() == [0.0, 0.0]
    assert (now[:2, 1] > 0).all()
    assert now[2, 1] == 0.0
    assert then[2, 1] > 0


def test_unseen_levels_rare_levels_and_missing_ones_are_told_apart_from_the_known():
    _, now = alone(pa.array(["a", "b", "a", None]), pa.array(["a", "new", None, "newer"]))
    assert len(np.unique(now, axis=0)) == 3
    assert (now[1] == now[3]).all()
    many, _ = alone(pa.array([f"l{i}" for i in range(1_000)]), pa.array(["l1"]))
    assert many.shape[1] == 34


def test_logged_numbers_are_read_as_the_references_booleans_and_text_as_its_numbers():
    _, now = alone(pa.array([True, False, True]), pa.array([1.0, 0.0]))
    then, _ = alone(pa.array([True, False, True]), pa.array([True]))
    assert (now == then[:2]).all()
    then, now = alone(pa.array([1.0, 2.0]), pa.array(["1", "2.0", "words"]))
    assert (now[:2] == then).all()
    assert now[2, 1] > 0


def test_columns_without_any_value_or_of_one_value_are_defined():
    for column in (pa.nulls(5), pa.nulls(5, pa.float64()), pa.nulls(5, pa.string()), pa.array([3.0] * 5)):
        then, now = alone(column, column)
        assert np.isfinite(then).all()
        assert (then == now).all()


def test_lists_that_do_not_fit_and_nested_columns_are_refused_or_told():
    ragged = pa.array([[1.0], [1.0, 2.0]])
    tables = encoded(
        pa.table({"x": ragged, "y": [{"a": 1}] * 2}), pa.table({"x": ragged, "y": [{"a": 1}] * 2}), ["x", "y"]
    )
    assert tables.origins == ()
    assert tables.refused[0].startswith("x is left out: its lists differ in length")
    assert tables.refused[1].startswith("y is left out: columns of type struct")
    _, now = alone(pa.array([[1.0, 2.0], [3.0, 5.0]]), pa.array([[1.0, 2.0], [1.0], None, [float("nan"), 1.0]]))
    assert now[:, -1].tolist() == [0.0, 1.0, 1.0, 1.0]


def test_principal_axes_are_those_of_scikit_learn():
    rows = (DRAW.normal(size=(500, 6)) @ DRAW.normal(size=(6, 6)) + 3).astype(np.float32)
    mean, directions = principal_axes(rows, 3)
    fitted = PCA(3).fit(rows.astype(np.float64))
    assert np.allclose(mean, fitted.mean_, atol=1e-4)
    assert np.allclose(np.abs(directions.T @ fitted.components_.T), np.eye(3), atol=1e-3)
    assert (directions[np.abs(directions).argmax(axis=0), range(3)] > 0).all()
    explained = PCA(0.8).fit(rows.astype(np.float64))
    assert principal_axes(rows, None, 0.8)[1].shape[1] == explained.n_components_
    assert principal_components(rows, 2)(rows).shape == (500, 2)


def test_random_projections_keep_distances_about():
    rows = DRAW.normal(size=(30, 2_000)).astype(np.float32)
    fewer = random_projection(2_000, 400, seed=1)(rows)
    far, near = np.linalg.norm(rows[:15] - rows[15:], axis=1), np.linalg.norm(fewer[:15] - fewer[15:], axis=1)
    assert near / far == pytest.approx(np.ones(15), abs=0.2)
    assert random_projection(5, 400, seed=1)(rows) is rows


def test_spans_are_single_rows_where_rows_are_independent():
    assert resemblance(DRAW.normal(size=(2_000, 5)).astype(np.float32), 500) == 1
    assert resemblance(np.ones((100, 2), np.float32), 25) == 1


@pytest.mark.parametrize("length", [10, 40])
def test_spans_grow_with_how_long_rows_resemble_their_neighbours(length: int):
    rows = np.repeat(DRAW.normal(size=(4_000 // length, 3)), length, axis=0).astype(np.float32)
    assert length <= resemblance(rows, 1_000) <= 8 * length
    assert resemblance(rows, 4) == 4


def test_sides_are_cut_into_whole_spans_of_one_length():
    sides = Sides.cut(np.zeros((1_003, 2), np.float32), np.zeros((214, 2), np.float32), spans=7)
    assert (sides.span, sides.reference_spans, sides.window_spans) == (30, 33, 7)
    tiny = Sides.cut(np.zeros((3, 1), np.float32), np.zeros((50, 1), np.float32), spans=2)
    assert (tiny.span, len(tiny.reference), len(tiny.window)) == (3, 3, 48)


def test_fewer_rows_keep_the_spans_length_in_time():
    column = np.arange(100_000, dtype=np.float32)[:, None]
    sides = Sides.cut(column, column[:10_000], spans=10).at_most(4_000)
    assert len(sides.reference) + len(sides.window) <= 4_000
    assert sides.window_spans == 10
    of_a_span = sides.reference[: sides.span, 0]
    assert np.ptp(of_a_span) == pytest.approx(1_000, abs=10)  # every fifth row of a thousand
    assert sides.notes == (f"of {len(sides.reference):,} and {len(sides.window):,} rows, evenly spread",)
    assert sides.at_most(4_000) is sides
