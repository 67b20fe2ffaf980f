"""alibi-detect: KS of the numeric columns and chi-square of the categorical ones (TabularDrift)."""

import numpy as np
import pandas as pd
from alibi_detect.cd import TabularDrift
from measured import measured


def prepare(folder: str):
    """Fit the detector to the reference; levels become numbers, as it wants them."""
    then, now = (pd.read_parquet(f"{folder}/{side}.parquet") for side in ("then", "now"))
    categories = {}
    for number, name in enumerate(then):
        if then[name].dtype != float:
            levels = sorted({*then[name].unique(), *now[name].unique()})
            categories[number] = list(range(len(levels)))
            codes = {level: code for code, level in enumerate(levels)}
            then[name], now[name] = then[name].map(codes), now[name].map(codes)
    detector = TabularDrift(then.to_numpy(np.float64), p_val=0.05, categories_per_feature=categories)
    window = now.to_numpy(np.float64)

    def work() -> list[float]:
        return detector.predict(window, drift_type="feature")["data"]["p_val"].tolist()

    return work


measured(prepare)
