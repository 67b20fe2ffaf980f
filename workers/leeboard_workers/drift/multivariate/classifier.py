"""Domain classifier: how well can one tell from a row whether it is from then or from now, and by which columns?

Boosted trees are fitted on all but one fold and rank the rows of that fold; the area under the ROC curve (AUC) is 0.5
where nothing tells the sides apart. Folds are made of spans of consecutive rows, so that neighbours in time do not give
each other away. Sources: Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", 2017; Kim et al.,
"Classification accuracy as a proxy for two-sample testing", 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from leeboard_workers.drift.multivariate.outcome import JointOutcome
from leeboard_workers.drift.multivariate.ranks import Ranking, auc_test
from leeboard_workers.drift.multivariate.sides import Rows, Sides

MOST_ROWS = 20_000
"""Rows of both sides that the classifier looks at."""
IMPORTANCE_ROWS = 500
"""Rows of a fold whose columns are shuffled to see what the classifier goes by."""


@dataclass(frozen=True)
class Fold:
    """A fitted classifier, and the rows that it has not seen."""

    model: HistGradientBoostingClassifier
    rows: Rows
    from_window: NDArray[np.bool_]
    ranking: Ranking


def domain_classifier(sides: Sides, origins: Sequence[str], *, folds: int, seed: int) -> JointOutcome:
    """Test whether a classifier can tell the sides apart.

    Args:
        sides: Rows of both sides.
        origins: The column that each number of a row comes from.
        folds: Parts of the rows; fewer where there are fewer spans.
        seed: Seed of the classifier and of the shuffling.

    Returns:
        Its statistic is the AUC, its effect 2 AUC - 1. The importance of a column is by how much the AUC falls when the
        column is shuffled (Breiman, "Random forests", 2001).
    """
    sides = sides.at_most(MOST_ROWS)
    parts = min(folds, sides.reference_spans, sides.window_spans)
    if parts < 2:  # noqa: PLR2004 (one to fit on, one to ask)
        note = "a side is a single span: nothing is left to fit on"
        return JointOutcome("DomainClassifier", 0.5, 1.0, 0.0, "no classifier could be fitted", (*sides.notes, note))
    with threadpool_limits(1):  # so few rows: threads would only wait for each other
        fitted = [_fold(sides, part, parts, seed) for part in range(parts)]
        importances = _importances(fitted, origins, seed)
    auc, p = auc_test([fold.ranking for fold in fitted], two_sided=False)
    return JointOutcome(
        method="DomainClassifier",
        statistic=auc,
        p_value=p,
        effect=max(2.0 * auc - 1.0, 0.0),
        told=f"a classifier tells then from now with an AUC of {auc:.3f}",
        notes=sides.notes,
        importances=importances,
    )


def _fold(sides: Sides, part: int, parts: int, seed: int) -> Fold:
    spans_then = np.repeat(np.arange(sides.reference_spans), sides.span)
    spans_now = np.repeat(np.arange(sides.window_spans), sides.span)
    out_then = spans_then * parts // sides.reference_spans == part
    out_now = spans_now * parts // sides.window_spans == part
    seen = np.vstack([sides.reference[~out_then], sides.window[~out_now]])
    from_window = np.repeat([False, True], [(~out_then).sum(), (~out_now).sum()])
    model = HistGradientBoostingClassifier(
        max_iter=50,
        max_leaf_nodes=8,
        l2_regularization=1.0,
        early_stopping=False,
        class_weight="balanced",
        random_state=seed,
    ).fit(seen, from_window)
    rows = np.vstack([sides.reference[out_then], sides.window[out_now]])
    scores = model.decision_function(rows)
    then = int(out_then.sum())
    ranking = Ranking(scores[:then], spans_then[out_then], scores[then:], spans_now[out_now])
    return Fold(model, rows, np.arange(len(rows)) >= then, ranking)


def _importances(folds: Sequence[Fold], origins: Sequence[str], seed: int) -> dict[str, float]:
    generator = np.random.default_rng(seed)
    places = np.array(origins)
    found = dict.fromkeys(origins, 0.0)
    for fold in folds:
        chosen = generator.permutation(len(fold.rows))[:IMPORTANCE_ROWS]
        rows, from_window = fold.rows[chosen], fold.from_window[chosen]
        if from_window.all() or not from_window.any():
            continue
        variants = [rows]
        for column in found:
            shuffled = rows.copy()
            mine = places == column
            shuffled[:, mine] = rows[generator.permutation(len(rows))][:, mine]
            variants.append(shuffled)
        scores = fold.model.decision_function(np.vstack(variants)).reshape(len(variants), len(rows))
        before = roc_auc_score(from_window, scores[0])
        for column, after in zip(found, scores[1:], strict=True):
            found[column] += max(float(before - roc_auc_score(from_window, after)), 0.0) / len(folds)
    return found
