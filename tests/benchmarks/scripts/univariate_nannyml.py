"""nannyml: KS, Wasserstein and Jensen-Shannon of the numeric columns, chi-square and Jensen-Shannon of the others."""

import nannyml
import pandas as pd
from measured import measured


def prepare(folder: str):
    """Fit the calculator to the reference; the window is one chunk."""
    then, now = (pd.read_parquet(f"{folder}/{side}.parquet") for side in ("then", "now"))
    levels = [name for name in then if then[name].dtype != float]
    for side in (then, now):
        side[levels] = side[levels].astype("category")
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=list(then),
        treat_as_categorical=levels,
        continuous_methods=["kolmogorov_smirnov", "wasserstein", "jensen_shannon"],
        categorical_methods=["chi2", "jensen_shannon"],
        chunk_number=1,
    )
    calculator.fit(then)
    return lambda: len(calculator.calculate(now).to_df())


measured(prepare)
