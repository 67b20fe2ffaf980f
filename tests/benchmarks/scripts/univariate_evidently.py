"""evidently: one report, all six numbers of every column or its default preset (one number of every column)."""

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift
from evidently.presets import DataDriftPreset
from measured import measured

NUMERIC = ("ks", "wasserstein", "jensenshannon", "kl_div", "psi")
CATEGORICAL = ("chisquare", "jensenshannon", "kl_div", "psi")


def prepare(*, folder: str, preset: bool):
    """Read both sides and say which columns are which."""
    then, now = (pd.read_parquet(f"{folder}/{side}.parquet") for side in ("then", "now"))
    numbers = [name for name in then if then[name].dtype == float]
    levels = [name for name in then if name not in numbers]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=levels)
    reference, window = (Dataset.from_pandas(side, data_definition=definition) for side in (then, now))
    asked = [ValueDrift(column=name, method=method) for name in numbers for method in NUMERIC]
    asked += [ValueDrift(column=name, method=method) for name in levels for method in CATEGORICAL]
    metrics = [DataDriftPreset()] if preset else asked
    return lambda: len(Report(metrics).run(window, reference).dict()["metrics"])


measured(prepare)
