"""Refitting, going on, and a trainer that the user brought."""

import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from leeboard.api.shared import NoParameters
from leeboard.api.training import BuiltinTrainer, Trainer
from leeboard_workers.retrain.context import TrainedModel, TrainingContext, TrainingError
from leeboard_workers.retrain.tables import inputs_of, labelled, labels_of
from leeboard_workers.retrain.trainers import entrypoint, name_of, parameters_of, partialfit, refit, trainer_of

REFIT = Trainer(builtin=BuiltinTrainer(refit=NoParameters()))


def rows(number: int = 200, seed: int = 0, *, flipped: bool = False) -> pa.Table:
    draw = np.random.default_rng(seed)
    level, rain = draw.normal(size=(2, number))
    flood = (level > 0) != flipped
    return pa.table({"level": level, "rain": rain, "label": flood.astype(float)})


def context(previous: Any, train: pa.Table | None = None, **parameters: Any) -> TrainingContext:
    table = rows() if train is None else train
    return TrainingContext(
        train=table.slice(0, 180),
        validation=table.slice(180),
        features=("level", "rain"),
        label="label",
        parameters=parameters,
        seed=3,
        previous=previous,
    )


def champion(estimator: Any, labels: list[Any] | None = None) -> Any:
    table = rows(seed=1)
    truth = table["label"].to_numpy().astype(int) if labels is None else labels
    return estimator.fit(inputs_of(table, ["level", "rain"]), truth)


def test_refit_learns_from_scratch_with_the_champion_s_settings():
    old = champion(make_pipeline(StandardScaler(), LogisticRegression(C=0.5)))
    new = refit.train(context(old, rows(flipped=True))).model
    assert new is not old
    assert new[-1].C == 0.5
    assert new[-1].classes_.dtype.kind == "i"
    assert np.sign(new[-1].coef_[0, 0]) == -np.sign(old[-1].coef_[0, 0])


def test_refit_sets_parameters_and_seeds():
    forest = champion(RandomForestClassifier(n_estimators=5))
    one, other = (refit.train(context(forest, n_estimators=7)).model for _ in range(2))
    assert (one.n_estimators, one.random_state) == (7, 3)
    inputs = inputs_of(rows(seed=9), ["level", "rain"])
    assert (one.predict_proba(inputs) == other.predict_proba(inputs)).all()


@pytest.mark.parametrize(
    ("previous", "parameters", "words"),
    [
        (None, {}, "register a first version"),
        (object(), {}, "trainer.entrypoint"),
        (LogisticRegression(), {"depth": 3}, "no parameter depth"),
        (LogisticRegression(), {"C": -1}, "refuses the training rows"),
    ],
)
def test_refit_says_what_it_cannot_do(previous: Any, parameters: dict[str, Any], words: str):
    with pytest.raises(TrainingError, match=words):
        refit.train(context(previous, **parameters))


def test_partial_fit_goes_on_and_leaves_the_champion_alone():
    old = champion(make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0)))
    before = old[-1].coef_.copy()
    new = partialfit.train(context(old, rows(flipped=True))).model
    assert (old[-1].coef_ == before).all()
    assert (new[-1].coef_ != before).any()
    assert new[0].mean_ == pytest.approx(old[0].mean_)


def test_partial_fit_says_what_it_cannot_do():
    with pytest.raises(TrainingError, match="LogisticRegression cannot go on learning"):
        partialfit.train(context(champion(LogisticRegression())))
    with pytest.raises(TrainingError, match="register a first version"):
        partialfit.train(context(None))
    strange = rows().set_column(2, "label", pa.array([2.0] * 200))
    with pytest.raises(TrainingError, match="does not know"):
        partialfit.train(context(champion(SGDClassifier(random_state=0)), strange))


@pytest.fixture
def package() -> Iterator[types.ModuleType]:
    module = types.ModuleType("riverpackage")
    sys.modules["riverpackage"] = module
    yield module
    del sys.modules["riverpackage"]


def test_an_entrypoint_gets_the_context(package: types.ModuleType):
    def train(context: TrainingContext) -> TrainedModel:
        context.log({"loss": 0.5}, 1)
        model = LogisticRegression().fit(
            inputs_of(context.train, context.features), labels_of(context.train, context.label)
        )
        return TrainedModel(model, {"iterations": float(model.n_iter_[0])})

    package.train = train
    trained = trainer_of(Trainer(entrypoint="riverpackage:train"))(context(None))
    assert trained.metrics["iterations"] >= 1


@pytest.mark.parametrize(
    ("name", "words"),
    [("no_such_package_here:train", "cannot import"), ("riverpackage:missing", "has no function missing")],
)
@pytest.mark.usefixtures("package")
def test_an_entrypoint_that_is_not_there_is_named(name: str, words: str):
    with pytest.raises(TrainingError, match=words):
        entrypoint.load(name)


def test_an_entrypoint_that_fails_or_answers_nonsense_is_the_user_s_to_mend(package: types.ModuleType):
    def fails(_: TrainingContext) -> TrainedModel:
        raise KeyError("level")

    package.fails, package.nonsense = fails, lambda _: 42
    with pytest.raises(TrainingError, match="riverpackage:fails failed: KeyError"):
        entrypoint.load("riverpackage:fails")(context(None))
    with pytest.raises(TrainingError, match="returned int"):
        entrypoint.load("riverpackage:nonsense")(context(None))


def test_a_machine_in_need_is_not_the_trainer_s_fault(package: types.ModuleType):
    def starves(_: TrainingContext) -> TrainedModel:
        raise MemoryError

    package.starves = starves
    with pytest.raises(MemoryError):
        entrypoint.load("riverpackage:starves")(context(None))


def test_parameters_are_read_as_json_where_that_works():
    trainer = Trainer(
        builtin=BuiltinTrainer(refit=NoParameters()), parameters={"C": "0.5", "penalty": "l2", "n": "[1]"}
    )
    assert parameters_of(trainer) == {"C": 0.5, "penalty": "l2", "n": [1]}
    assert (name_of(trainer), name_of(Trainer(entrypoint="a:b"))) == ("refit", "a:b")
    assert trainer_of(REFIT) is refit.train


def test_labels_take_the_type_of_the_classes():
    table = pa.table({"label": [0.0, 1.0]})
    assert labels_of(table, "label", np.array([0, 1])).tolist() == [0, 1]
    assert labels_of(table, "label", np.array(["0", "1"])).tolist() == ["0", "1"]
    assert labels_of(table, "label", np.array([False, True])).dtype == bool
    assert labels_of(table, "label").dtype == np.int64
    assert labels_of(pa.table({"label": [0.5, 1.0]}), "label").dtype == np.float64


def test_rows_without_a_label_are_left_out():
    assert labelled(pa.table({"label": [1.0, None, float("nan")]}), "label").num_rows == 1
    assert labelled(pa.table({"label": ["a", None]}), "label").num_rows == 1
    with pytest.raises(TrainingError, match="no label column 'flood'"):
        labelled(pa.table({"label": [1.0]}), "flood")


def test_a_feature_that_is_missing_is_named():
    with pytest.raises(TrainingError, match="wind"):
        inputs_of(rows(), ["level", "wind"])
