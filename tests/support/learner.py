"""Registers a model of the flights that can go on learning: `python -m tests.support.learner` prints its version."""

from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from leeboard.sandbox import flights
from leeboard.sandbox.models import register


def learner() -> Pipeline:
    """Make the untrained model: a linear one that learns row by row."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = make_column_transformer(
        (numbers, list(flights.NUMERIC)), (OneHotEncoder(handle_unknown="ignore"), list(flights.CATEGORICAL))
    )
    return make_pipeline(columns, SGDClassifier(loss="log_loss", alpha=1e-4, average=True, random_state=0))


if __name__ == "__main__":
    table = flights.load().between("2013-01-01", "2013-02-01")
    model = learner().fit(table[list(flights.FEATURES)], table[flights.LABEL])
    print(register(model, table, "2013-02-01T00:00:00Z"))  # noqa: T201 (its output)
