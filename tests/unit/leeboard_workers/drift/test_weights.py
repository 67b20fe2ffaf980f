"""What matters to a model, told by input column."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from leeboard_workers.drift.weights import importances

ROWS = 2_000


@pytest.fixture(scope="module")
def inputs():
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "a": draw.normal(size=ROWS),
            "a_b": 100 * draw.normal(size=ROWS),
            "c": draw.choice(["x", "y", "z"], ROWS),
        }
    )


@pytest.fixture(scope="module")
def labels(inputs: pd.DataFrame):
    return pd.Series(((inputs["a"] + 2 * (inputs["c"] == "x")) > 0.5).astype(int))


def prepared(last: Any):
    numeric = make_pipeline(SimpleImputer(), StandardScaler())
    return make_pipeline(make_column_transformer((numeric, ["a", "a_b"]), (OneHotEncoder(), ["c"])), last)


@pytest.mark.parametrize(
    "last",
    [
        LogisticRegression(),
        RandomForestClassifier(20, random_state=0),
        HistGradientBoostingClassifier(max_iter=10, max_leaf_nodes=8, random_state=0),
    ],
    ids=["coefficients", "trees", "permutation"],
)
def test_derived_features_count_for_the_column_they_come_from(inputs: pd.DataFrame, labels: pd.Series, last: Any):
    found = importances(prepared(last).fit(inputs, labels), inputs, labels, seed=0)
    assert list(found) == ["a", "a_b", "c"]
    assert sum(found.values()) == pytest.approx(1.0)
    assert found["a"] > 0.3
    assert found["c"] > 0.3
    assert found["a_b"] < 0.05


def test_coefficients_do_not_depend_on_units(inputs: pd.DataFrame, labels: pd.Series):
    numbers = inputs[["a", "a_b"]]
    plain = importances(LinearRegression().fit(numbers, labels), numbers, labels, seed=0)
    scaled = numbers.assign(a=numbers["a"] * 1_000)
    other = importances(LinearRegression().fit(scaled, labels), scaled, labels, seed=0)
    assert other == pytest.approx(plain)


def test_mixed_features_are_asked_by_permutation(inputs: pd.DataFrame, labels: pd.Series):
    numbers = inputs[["a", "a_b"]]
    model = make_pipeline(StandardScaler(), PCA(2), LogisticRegression()).fit(numbers, labels)
    assert importances(model, numbers, labels, seed=0)["a"] > 0.9


def test_selected_features_keep_their_columns(inputs: pd.DataFrame, labels: pd.Series):
    numbers = inputs[["a_b", "a"]]
    model = make_pipeline(SelectKBest(k=1), LogisticRegression()).fit(numbers, labels)
    assert importances(model, numbers, labels, seed=0) == pytest.approx({"a_b": 0.0, "a": 1.0})


def test_without_labels_what_moves_the_answers_matters(inputs: pd.DataFrame, labels: pd.Series):
    model = prepared(HistGradientBoostingClassifier(max_iter=10, max_leaf_nodes=8, random_state=0)).fit(inputs, labels)
    assert importances(model, inputs, None, seed=0)["a_b"] < 0.05


def test_a_model_that_looks_at_nothing_weighs_all_alike(inputs: pd.DataFrame, labels: pd.Series):
    found = importances(DummyClassifier().fit(inputs, labels), inputs, labels, seed=0)
    assert set(found.values()) == {1 / 3}


def test_regression_and_seeds(inputs: pd.DataFrame):
    target = inputs["a"] * 3
    numbers = inputs[["a", "a_b"]]
    model = RandomForestRegressor(10, random_state=0).fit(numbers, target)
    assert importances(model, numbers, target, seed=0)["a"] > 0.95


def test_equal_seeds_give_equal_weights(inputs: pd.DataFrame, labels: pd.Series):
    model = prepared(HistGradientBoostingClassifier(max_iter=10, max_leaf_nodes=8, random_state=0)).fit(inputs, labels)
    assert importances(model, inputs, labels, seed=5) == importances(model, inputs, labels, seed=5)


def test_any_predictor_can_be_asked(inputs: pd.DataFrame):
    class Pyfunc:
        def predict(self, rows: int) -> Any:
            return rows["c"].to_numpy()

    assert importances(Pyfunc(), inputs, None, seed=0) == {"a": 0.0, "a_b": 0.0, "c": 1.0}
