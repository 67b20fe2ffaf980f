"""pytorch-ood: time of each call, and scores, of the same detectors on the same rows; as fast as its authors say."""

from functools import partial

import torch
from measured import measured
from pytorch_ood.detector import KNN, RMD, EnergyBased, KLMatching, Mahalanobis, MaxLogit, MaxSoftmax, ReAct, ViM
from score_rows import BATCHES, GOLDEN, WORKLOADS, Material, Workload, material, seconds


def scorer(workload: Workload, given: Material):
    """Return the peer's function from rows to scores; it works in float32."""
    rows, labels = torch.tensor(given.rows, dtype=torch.float32), torch.tensor(given.labels)
    weights = torch.tensor(given.weights.T, dtype=torch.float32)
    bias = torch.tensor(given.bias, dtype=torch.float32)
    ceiling = float(torch.quantile(rows.flatten()[:1_000_000], 0.9))
    made = {
        "maxSoftmax": lambda: MaxSoftmax.score,
        "maxLogit": lambda: MaxLogit.score,
        "energy": lambda: EnergyBased.score,
        "klMatching": lambda: KLMatching(None).fit_logits(rows, labels).predict_logits,
        "mahalanobis": lambda: Mahalanobis(None).fit_features(rows, labels).predict_features,
        "relativeMahalanobis": lambda: RMD(None).fit_features(rows, labels).predict_features,
        "vim": lambda: ViM(None, d=workload.width // 2, w=weights, b=bias).fit_features(rows, labels).predict_features,
        "react": lambda: ReAct(lambda x: x, lambda x: x @ weights.T + bias, threshold=ceiling).predict,
        "knn": lambda: KNN(None, k=5).fit_features(rows, labels).predict_features,
    }
    return made[workload.name]()


@torch.no_grad()
def scored(workloads: tuple[Workload, ...]) -> dict[str, dict[str, object]]:
    """Score every workload."""
    found = {}
    torch.set_num_threads(1)  # as on our side
    for workload in workloads:
        if workload.name == "isolationForest":
            continue
        given = material(workload)
        score = scorer(workload, given)
        request = torch.tensor(given.request, dtype=torch.float32)
        times = {}
        for batch in BATCHES:
            rows = request[:batch].contiguous()
            times[str(batch)] = seconds(lambda rows=rows, score=score: score(rows))
        found[workload.title] = {"times": times, "scores": score(request).flatten().tolist()}
    return found


def prepare(*, golden: bool = False):
    """Take the small workloads whose scores the tests hold, or those whose time counts."""
    return partial(scored, GOLDEN if golden else WORKLOADS)


measured(prepare)
