"""How few random cuts separate a row from the others (Liu, Ting and Zhou, 2008, "Isolation forest").

scikit-learn grows the trees; they are kept and walked as plain arrays, so that serving needs no scikit-learn and the
artifact no pickle. The scores are minus scikit-learn's `score_samples`: 2^(-mean depth / expected depth), 0 to 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leeboard.api.outofdistribution import IsolationForest
from leeboard_workers.ood.detectors.known import Known, Matrix

_ROWS_AT_ONCE = 4_096


@dataclass(frozen=True)
class IsolationForestScorer:
    """Scores rows by their mean depth in the trees; all nodes of all trees lie in one array."""

    feature: NDArray[np.int32]
    """Column that a node looks at; any for a leaf."""
    threshold: Matrix
    """A row goes left when its value, as float32, is at most this; infinite for a leaf."""
    left: NDArray[np.int32]
    """Left child; the right one lies at `right`. A leaf is its own child."""
    right: NDArray[np.int32]
    depth: Matrix
    """Of leaves: cuts on the way, and how many more the rows that ended there would need."""
    roots: NDArray[np.int32]
    levels: int
    """Cuts on the longest way."""
    expected: float
    """Expected depth of a row, summed over the trees."""

    @classmethod
    def fit(cls, known: Known, options: IsolationForest, rng: np.random.Generator) -> Self:
        """Grow the trees."""
        import sklearn.ensemble  # noqa: PLC0415 (serving needs none of it)

        rows = min(options.rows_per_tree, len(known.rows))
        forest = sklearn.ensemble.IsolationForest(
            n_estimators=options.trees, max_samples=rows, random_state=int(rng.integers(2**31))
        ).fit(known.rows)
        trees = [_grown(estimator.tree_) for estimator in forest.estimators_]
        starts = np.cumsum([0, *(len(tree["left"]) for tree in trees)])
        return cls(
            feature=np.concatenate([tree["feature"] for tree in trees]),
            threshold=np.concatenate([tree["threshold"] for tree in trees]),
            left=_joined(trees, "left", starts),
            right=_joined(trees, "right", starts),
            depth=np.concatenate([tree["depth"] for tree in trees]),
            roots=starts[:-1].astype(np.int32),
            levels=max(estimator.get_depth() for estimator in forest.estimators_),
            expected=len(trees) * float(_expected_depth(np.array([rows]))[0]),
        )

    def score(self, rows: Matrix) -> Matrix:
        """Return 2^(-mean depth / expected depth) of each row."""
        scores = np.empty(len(rows))
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            scores[part] = np.exp2(-self._depths(rows[part].astype(np.float32)) / self.expected)
        return scores

    def _depths(self, rows: NDArray[np.float32]) -> Matrix:
        nodes = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        at = np.arange(len(rows))[:, None]
        for _ in range(self.levels):
            goes_left = rows[at, self.feature[nodes]] <= self.threshold[nodes]
            nodes = np.where(goes_left, self.left[nodes], self.right[nodes])
        depths: Matrix = self.depth[nodes].sum(axis=1)
        return depths

    def parameters(self) -> dict[str, Any]:
        """Return what is stored as JSON."""
        return {"levels": self.levels, "expected": self.expected}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored as arrays."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def restore(cls, parameters: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild the detector."""
        stored = {name: arrays[name] for name in _ARRAYS}
        return cls(**stored, levels=int(parameters["levels"]), expected=float(parameters["expected"]))


_ARRAYS = ("feature", "threshold", "left", "right", "depth", "roots")


def _grown(tree: Any) -> dict[str, NDArray[Any]]:
    """Return a tree as arrays: leaves are their own children, and hold the depth that a row has there."""
    own = np.arange(tree.node_count)
    leaf = tree.children_left < 0
    cuts = np.zeros(tree.node_count)
    for node in np.flatnonzero(~leaf):  # parents come before their children
        cuts[[tree.children_left[node], tree.children_right[node]]] = cuts[node] + 1.0
    return {
        "feature": np.where(leaf, 0, tree.feature).astype(np.int32),
        "threshold": np.where(leaf, np.inf, tree.threshold),
        "left": np.where(leaf, own, tree.children_left),
        "right": np.where(leaf, own, tree.children_right),
        "depth": np.where(leaf, cuts + _expected_depth(tree.n_node_samples), 0.0),
    }


def _joined(trees: list[dict[str, NDArray[Any]]], child: str, starts: NDArray[Any]) -> NDArray[np.int32]:
    shifted = [tree[child] + start for tree, start in zip(trees, starts[:-1], strict=True)]
    return np.concatenate(shifted).astype(np.int32)


def _expected_depth(rows: NDArray[Any]) -> Matrix:
    """Return the mean depth of an unsuccessful search among so many rows, 2 H(n - 1) - 2 (n - 1) / n."""
    count = np.maximum(rows.astype(np.float64), 2.0)
    mean = 2.0 * (np.log(count - 1.0) + np.euler_gamma) - 2.0 * (count - 1.0) / count
    depth: Matrix = np.where(rows <= 1, 0.0, np.where(rows == 2, 1.0, mean))  # noqa: PLR2004 (exact for two)
    return depth
