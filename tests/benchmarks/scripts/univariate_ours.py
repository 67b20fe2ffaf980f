"""Leeboard: all six numbers of every column."""

import pyarrow.parquet
from measured import measured

from leeboard.api.checks import CategoricalDistance, Check, NumericDistance, UnivariateDistance, UnivariateTest
from leeboard_workers.data.rows import TableRows
from leeboard_workers.drift import compare
from leeboard_workers.drift import prepare as prepared

DISTANCES = (
    (NumericDistance.WASSERSTEIN, CategoricalDistance.JENSEN_SHANNON),
    (NumericDistance.JENSEN_SHANNON, CategoricalDistance.JENSEN_SHANNON),
    (NumericDistance.KULLBACK_LEIBLER, CategoricalDistance.KULLBACK_LEIBLER),
    (NumericDistance.POPULATION_STABILITY, CategoricalDistance.POPULATION_STABILITY),
)
CHECKS = [Check(name="test", univariate_test=UnivariateTest())] + [
    Check(name=f"d{place}", univariate_distance=UnivariateDistance(numeric=numeric, categorical=categorical))
    for place, (numeric, categorical) in enumerate(DISTANCES)
]


def prepare(folder: str):
    """Read both sides, and prepare the reference."""
    then, now = (pyarrow.parquet.read_table(f"{folder}/{side}.parquet") for side in ("then", "now"))
    reference = prepared(TableRows(then))
    return lambda: len(compare(reference, now, CHECKS).columns)


measured(prepare)
