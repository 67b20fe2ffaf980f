"""alibi-detect's outlier detectors alone: Mahalanobis (which learns on as it scores) and the isolation forest."""

from functools import partial

import numpy as np
from alibi_detect.od import IForest, Mahalanobis
from measured import measured
from score_rows import ALIBI, BATCHES, material, seconds


def prepare():
    """Fit both to the same rows."""

    def work() -> dict[str, dict[str, float]]:
        found = {}
        for workload in ALIBI:
            given = material(workload)
            if workload.name == "mahalanobis":
                detector = Mahalanobis(n_components=workload.width, start_clip=10**9)
                detector.score(given.rows)
            else:
                detector = IForest(n_estimators=100, max_samples=256)
                detector.fit(given.rows)
            calls = {
                str(batch): partial(detector.score, np.ascontiguousarray(given.request[:batch])) for batch in BATCHES
            }
            found[workload.title] = {batch: seconds(call) for batch, call in calls.items()}
        return found

    return work


measured(prepare)
