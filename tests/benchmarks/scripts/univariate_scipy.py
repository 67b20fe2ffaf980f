"""The exact loop over scipy: all six numbers of every column, the reference sorted and binned beforehand."""

import numpy as np
import pandas as pd
from measured import measured
from scipy import stats
from scipy.spatial.distance import jensenshannon

BINS = 20
FEW = 10


def prepare(folder: str):
    """Read both sides; the bins come from the reference alone."""
    then, now = (pd.read_parquet(f"{folder}/{side}.parquet") for side in ("then", "now"))
    edges = {
        name: np.unique(np.quantile(then[name], np.linspace(0, 1, BINS + 1)[1:-1]))
        for name in then
        if then[name].dtype == float
    }

    def numeric(name: str) -> list[float]:
        one, other = then[name].to_numpy(), now[name].to_numpy()
        test = stats.ks_2samp(one, other)
        distance = stats.wasserstein_distance(one, other)
        counts = [
            np.bincount(np.searchsorted(edges[name], side), minlength=edges[name].size + 1) for side in (one, other)
        ]
        return [test.statistic, test.pvalue, distance, *divergences(*counts)]

    def categorical(name: str) -> list[float]:
        one, other = then[name].value_counts(), now[name].value_counts()
        levels = one.index.union(other.index)
        counts = [side.reindex(levels, fill_value=0).to_numpy() for side in (one, other)]
        test = stats.chi2_contingency(np.array(counts), correction=False)
        return [test.statistic, test.pvalue, *divergences(*counts)]

    return lambda: {name: numeric(name) if name in edges else categorical(name) for name in then}


def divergences(one: np.ndarray, other: np.ndarray) -> list[float]:
    """Return Jensen-Shannon distance, Kullback-Leibler divergence and stability index of two rows of counts."""
    raw = jensenshannon(one, other, base=2)
    p, q = (one + 0.5) / (one + 0.5).sum(), (other + 0.5) / (other + 0.5).sum()
    return [raw, stats.entropy(q, p), stats.entropy(p, q) + stats.entropy(q, p)]


measured(prepare)
