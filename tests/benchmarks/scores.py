"""Out-of-distribution scores of one request: from its columns to flags, and each detector given arrays.

The floor is a bare numpy product of the same shapes (the exponentials, for scores of logits). The peers score the same
rows; their scores must be ours but for sign and scale, else the benchmark fails.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from leeboard.api.outofdistribution import Detector
from leeboard_workers.ood.fitting import Wish, fit_on_rows
from tests.benchmarks.figures import Figure, median_seconds
from tests.benchmarks.peers import OURS, Environment, run
from tests.benchmarks.univariate import ALIBI

PYTORCH_OOD = Environment("pytorch-ood", ("pytorch-ood==0.4.0", "torch==2.13.0", "scikit-learn>=1.6"))

_CALLS = 200
_SHRUNK = ("mahalanobis", "relativeMahalanobis")


def figures() -> Iterator[Figure]:
    """From columns to flags, then each detector beside its floor and its peers."""
    yield from _from_columns()
    ours = run(OURS, "scores_ours", runs=0).answer
    pytorch = run(PYTORCH_OOD, "scores_pytorch_ood", runs=0).answer
    alibi = run(ALIBI, "scores_alibi", runs=0).answer
    for title, found in ours.items():
        if title in pytorch:
            _compare(title, np.array(found["scores"]), np.array(pytorch[title]["scores"]))
        for batch, (seconds, floor) in found["times"].items():
            what = f"{title}, batch of {batch}"
            if "isolationForest" not in title:
                yield Figure(what, "bare numpy", seconds, floor)
            if title in pytorch:
                yield Figure(what, "pytorch-ood", seconds, pytorch[title]["times"][batch])
            if title in alibi:
                yield Figure(what, "alibi-detect", seconds, alibi[title][batch])


def _from_columns() -> Iterator[Figure]:
    random = np.random.default_rng(0)
    names = [f"x{number}" for number in range(64)]
    reference = pa.table({name: random.normal(size=5_000) for name in names})
    wish = Wish(Detector.model_validate({"mahalanobis": {}}), 0.95, seed=0, provenance={})
    detector = fit_on_rows(wish, reference, None)
    with threadpool_limits(1, user_api="blas"):
        for batch in (1, 32):
            request = {name: random.normal(size=batch).tolist() for name in names}
            to_array = partial(np.array, list(request.values()), dtype=np.float64)
            seconds = median_seconds(partial(detector.score_rows, request), _CALLS)
            what = f"mahalanobis, 64 columns to flags, batch of {batch}"
            yield Figure(what, "reading the lists into an array", seconds, median_seconds(to_array, _CALLS))


def _compare(title: str, ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> None:
    """Hold the scores against the peer's: equal but for scale; by rank in log space, roughly where ours is shrunk."""
    name = title.split(maxsplit=1)[0]
    if name == "maxSoftmax":
        ours = np.exp(ours)
    likeness = float(np.corrcoef(ours, theirs)[0, 1])
    if likeness < (0.8 if name in _SHRUNK else 1.0 - 1e-6):
        raise AssertionError(f"{title}: the scores are not the peer's, their correlation is {likeness:.6f}")
