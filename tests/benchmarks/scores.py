"""Out-of-distribution scores of one request."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from leeboard.api.outofdistribution import Detector, Mahalanobis
from leeboard_workers.ood.fitting import Wish, fit_on_rows
from tests.benchmarks.figures import Figure, median_seconds


def figures() -> Iterator[Figure]:
    """Mahalanobis of 64 numeric columns, from the request's columns to flags; the floor is one product alone."""
    random = np.random.default_rng(0)
    names = [f"x{number}" for number in range(64)]
    reference = pa.table({name: random.normal(size=5_000) for name in names})
    detector = fit_on_rows(Wish(Detector(mahalanobis=Mahalanobis()), 0.95, seed=0, provenance={}), reference, None)
    for batch in (1, 32):
        request = {name: random.normal(size=batch).tolist() for name in names}
        left, right = random.normal(size=(batch, 64)), random.normal(size=(64, 64))
        yield Figure(
            f"Mahalanobis, 64 columns, batch of {batch}",
            "one matrix product",
            median_seconds(lambda request=request: detector.score_rows(request), 200),
            median_seconds(lambda left=left, right=right: left @ right, 200),
        )
