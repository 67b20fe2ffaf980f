"""Leeboard's detectors: time of each call, scores, and the floor, a bare numpy product of the same shapes."""

from functools import partial

import numpy as np
from measured import measured
from score_rows import BATCHES, WORKLOADS, Material, Workload, material, seconds
from threadpoolctl import threadpool_limits

from leeboard.api.outofdistribution import Detector, DetectorInput
from leeboard_workers.ood.detectors import Head, Known, fit_scorer

LOGITS = ("maxSoftmax", "energy", "klMatching")


def floor(workload: Workload, given: Material, batch: int):
    """Return the work that no implementation can go under: its product, or the exponentials."""
    rows = np.ascontiguousarray(given.request[:batch])
    if workload.name in LOGITS:
        return lambda: np.exp(rows).sum(axis=1)
    wide = {
        "mahalanobis": workload.width,
        "relativeMahalanobis": 2 * workload.width,
        "vim": workload.width // 2 + workload.classes,
        "react": workload.classes,
        "knn": workload.rows,
        "isolationForest": 1,
    }[workload.name]
    other = np.random.default_rng(1).normal(size=(workload.width, wide))
    if workload.name.lower().endswith("mahalanobis") and workload.classes > 1:
        means = np.random.default_rng(2).normal(size=(workload.width, workload.classes))
        return lambda: (rows @ other, rows @ means)
    return lambda: rows @ other


def prepare():
    """Fit each detector when its turn comes."""
    threadpool_limits(1, user_api="blas")  # as the transformer does

    def work() -> dict[str, dict[str, object]]:
        found = {}
        for workload in WORKLOADS:
            given = material(workload)
            what = DetectorInput.LOGITS if workload.name in LOGITS else DetectorInput.FEATURES
            known = Known(given.rows, given.labels, what, Head(given.weights, given.bias))
            options = {"dimensions": workload.width // 2} if workload.name == "vim" else {}
            options |= {"neighbours": 5, "maxReferenceRows": workload.rows} if workload.name == "knn" else {}
            detector = Detector.model_validate({workload.name: options})
            _, scorer = fit_scorer(detector, known, np.random.default_rng(0))
            times = {}
            for batch in BATCHES:
                rows = np.ascontiguousarray(given.request[:batch])
                times[str(batch)] = [
                    seconds(partial(scorer.score, rows)),
                    seconds(floor(workload, given, batch)),
                ]
            found[workload.title] = {"times": times, "scores": scorer.score(given.request).tolist()}
        return found

    return work


measured(prepare)
