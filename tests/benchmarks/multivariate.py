"""Maximum mean discrepancy of all columns at once, with 100 permutations; and the same code on torch."""

from collections.abc import Iterator

import pytest

from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import OURS, Environment, run

TORCH = Environment(
    "alibi-detect-torch",
    ("alibi-detect[torch]==0.13.0", "array-api-compat==1.16.0", "pyarrow==20.0.0", "deltalake", "--editable", "."),
)
SIZES = ((1_000, 32), (1_000, 768), (2_000, 32), (2_000, 768), (5_000, 32), (5_000, 768))
LARGE = (10_000, 20_000)
"""Rows that the peer takes minutes or too much memory for; here memory must grow with the rows, not their square."""


def figures() -> Iterator[Figure]:
    """Discrepancy and p-value beside alibi-detect's, on the CPU; then on torch's best device beside numpy."""
    for rows, width in SIZES:
        size = f"MMD, {rows // 1000}k x {rows // 1000}k, {width} columns"
        ours = run(OURS, "multivariate_ours", runs=3, rows=rows, width=width)
        peer = run(TORCH, "multivariate_alibi", runs=0, rows=rows, width=width)
        if ours.answer["statistic"] != pytest.approx(peer.answer["statistic"], rel=0.02):
            raise AssertionError(f"{size}: {ours.answer} is not the peer's {peer.answer}")
        yield Figure(size, "alibi-detect", ours.seconds, peer.seconds, ours.peak_mb, peer.peak_mb)
        torch = run(TORCH, "multivariate_ours", runs=3, rows=rows, width=width)
        if torch.answer["statistic"] != pytest.approx(ours.answer["statistic"], rel=1e-3):
            raise AssertionError(f"{size}: {torch.answer} on torch is not {ours.answer}")
        where = torch.answer["device"]
        yield Figure(size, f"the same on {where}", ours.seconds, torch.seconds, ours.peak_mb, torch.peak_mb)
    small = run(OURS, "multivariate_ours", runs=1, rows=LARGE[0], width=32)
    large = run(OURS, "multivariate_ours", runs=0, rows=LARGE[1], width=32)
    size = f"MMD, {LARGE[1] // 1000}k x {LARGE[1] // 1000}k by random features, 32 columns"
    half = f"exact, {LARGE[0] // 1000}k x {LARGE[0] // 1000}k"
    yield Figure(size, half, large.seconds, small.seconds, large.peak_mb, small.peak_mb)
