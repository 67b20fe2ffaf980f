"""alibi-detect: MMD² and its p-value, on torch."""

import numpy as np
from alibi_detect.cd import MMDDrift
from measured import measured


def prepare(rows: int, width: int):
    """Draw both sides, as ours are drawn."""
    random = np.random.default_rng(0)
    then = random.normal(size=(rows, width)).astype(np.float32)
    now = (random.normal(size=(rows, width)) + 0.1).astype(np.float32)
    detector = MMDDrift(then, backend="pytorch", n_permutations=100, device="cpu")

    def work() -> dict[str, float]:
        found = detector.predict(now)["data"]
        return {"statistic": float(found["distance"]), "p_value": float(found["p_val"])}

    return work


measured(prepare)
