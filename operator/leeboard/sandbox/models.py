"""The models that data scientists bring to the sandbox: the first one, one that is broken, and one in other units.

Run as `python -m leeboard.sandbox.models first|broken|fraction FLIGHTS.parquet`; prints the registered version.
"""

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from leeboard.contract import tags
from leeboard.sandbox.flights import CATEGORICAL, FEATURES, LABEL, TIME

MODEL = "flights"
METRIC = "roc_auc"
"""What authors measure, on flights that they held out, before they register a model."""


def first_model() -> Pipeline:
    """Make the untrained first model: boosted trees over numbers and one-hot categories."""
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(CATEGORICAL)), remainder="passthrough"
    )
    return make_pipeline(columns, HistGradientBoostingClassifier(max_iter=60, learning_rate=0.08, random_state=0))


def linear_model() -> Pipeline:
    """Make an untrained linear model: what it is told in other units leads it far astray."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(CATEGORICAL)), remainder=numbers
    )
    return make_pipeline(columns, LogisticRegression(max_iter=1000))


class Moody(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that looks fine offline, and answers slowly and often not at all once it serves."""

    def __init__(self, classifier: Pipeline, pause: float = 0.25, failing: float = 0.2) -> None:
        self.classifier = classifier
        self.pause = pause
        self.failing = failing
        self.classes_ = classifier.classes_

    def fit(self, _rows: Any, _labels: Any) -> "Moody":
        """Do nothing: the classifier inside is fitted."""
        return self

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Predict, in a bad mood."""
        self._be_moody()
        return np.asarray(self.classifier.predict(rows))

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        """Predict probabilities, in a bad mood."""
        self._be_moody()
        return np.asarray(self.classifier.predict_proba(rows))

    def _be_moody(self) -> None:
        time.sleep(self.pause)  # this model's fault, to be noticed by the latency
        if random.random() < self.failing:  # noqa: S311 (moods are no secrets)
            raise RuntimeError("the feature store did not answer")


def measured(model: Pipeline, table: pd.DataFrame) -> float:
    """Train on most of the flights, and return the metric on the others."""
    train, test = train_test_split(table, test_size=0.2, random_state=0)
    model.fit(train[list(FEATURES)], train[LABEL])
    return float(roc_auc_score(test[LABEL], model.predict_proba(test[list(FEATURES)])[:, 1]))


def register(model: Any, table: pd.DataFrame, trained_until: str, metric: float | None = None) -> str:
    """Log and register a model with its lineage, and return its version.

    Args:
        model: fitted, takes the features by name.
        table: the rows it was trained on, label included.
        trained_until: RFC 3339 time; no row at or after it was trained on.
        metric: what its author measured.
    """
    mlflow.set_experiment("flights")
    features = table[list(FEATURES)]
    with mlflow.start_run() as run:
        if metric is not None:
            mlflow.log_metric(METRIC, metric)
        folder = Path("training-data")
        local = Path(f"/tmp/leeboard-{run.info.run_id}.parquet")  # noqa: S108 (named by the run)
        table[[*FEATURES, LABEL]].to_parquet(local, index=False)
        mlflow.log_artifact(str(local), str(folder))
        local.unlink()
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(features.head(100), np.asarray([0, 1])),
            input_example=features.head(1),
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
        )
        data = {
            "uri": mlflow.get_artifact_uri(f"{folder}/{local.name}"),
            "format": "Parquet",
            "labelColumn": LABEL,
        }
    lineage = {tags.TRAINING_DATA: json.dumps(data), tags.TRAINING_CUTOFF: trained_until}
    version = mlflow.register_model(info.model_uri, MODEL, tags=lineage)
    return str(version.version)


def main() -> None:
    """Train and register what was asked for."""
    kind, path = sys.argv[1:3]
    table = pd.read_parquet(path)
    make = first_model
    if kind == "fraction":
        table["hour"] /= 24  # of the day: in other units than those in which it will be asked
        make = linear_model
    metric = measured(make(), table)
    model: Any = make().fit(table[list(FEATURES)], table[LABEL])
    if kind == "broken":
        model = Moody(model)
    print(register(model, table, f"{table[TIME].max().ceil('D'):%Y-%m-%dT%H:%M:%SZ}", metric))


if __name__ == "__main__":
    main()
