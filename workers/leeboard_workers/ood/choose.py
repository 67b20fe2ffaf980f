"""Compares detectors on synthetic outliers, and lets `auto` choose by that.

The rows that judge are reference rows that the candidates were not fitted to, and none of those that calibrate: the
choice therefore takes nothing from the threshold's promise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from leeboard.api.outofdistribution import Detector, DetectorInput
from leeboard.contract.jobs import ExpectedDetection
from leeboard_workers.data.encoding import Encoded
from leeboard_workers.ood.calibrate import Calibration
from leeboard_workers.ood.detectors import Known, Matrix, Scorer, fit_scorer
from leeboard_workers.ood.fitted import score_encoded
from leeboard_workers.ood.metrics import separation

ALL = "all"
"""Every kind of outlier alike."""

_CANDIDATES = {
    DetectorInput.INSTANCES: ("mahalanobis", "relativeMahalanobis", "pca", "isolationForest", "knn"),
    DetectorInput.PROBABILITIES: ("maxSoftmax", "klMatching"),
    DetectorInput.LOGITS: ("maxLogit", "energy", "maxSoftmax", "klMatching"),
    DetectorInput.FEATURES: ("react", "mahalanobis", "relativeMahalanobis", "vim", "pca", "isolationForest", "knn"),
}
"""Detectors for each input, cheap ones first."""

_JUDGING_SHARE = 0.25
_MOST_FITTED = 20_000
_MOST_JUDGING = 2_000
_AS_GOOD = 0.005
_ROWS_FOR_LIFT = 1_000

Strange = Mapping[str, Encoded]
"""Outliers by kind."""


@dataclass(frozen=True)
class Choice:
    """What auto chose, and why."""

    detector: Detector
    compared: tuple[ExpectedDetection, ...]
    """One entry for each candidate, over all kinds of outliers alike."""


def choose(known: Known, strange: Strange, seed: int) -> Choice:
    """Return the detector with the largest mean AUROC over the kinds; of those within 0.005 of it the cheapest.

    Raises:
        ValueError: no candidate can be fitted to these rows, or there are no outliers to judge by.
    """
    if not strange:
        raise ValueError("auto needs at least two columns to make outliers from: choose a detector")
    order = np.random.default_rng([seed, 1]).permutation(len(known.rows))
    judging = order[: max(1, min(int(_JUDGING_SHARE * len(order)), _MOST_JUDGING))]
    fitting = order[len(judging) :][:_MOST_FITTED]
    part = replace(known, rows=known.rows[fitting], labels=None if known.labels is None else known.labels[fitting])
    compared = []
    for kind in _CANDIDATES[known.what]:
        if (kind == "relativeMahalanobis" and known.labels is None) or (
            kind in {"vim", "react"} and known.head is None
        ):
            continue
        _, scorer = fit_scorer(Detector.model_validate({kind: {}}), part, np.random.default_rng(seed))
        judged = expected(kind, scorer, lift_of(scorer, part.rows), known.rows[judging], strange, seed=seed)
        compared.append(judged[-1])
    best = max(row.auroc for row in compared)
    chosen = next(row for row in compared if row.auroc >= best - _AS_GOOD)
    return Choice(Detector.model_validate({chosen.detector: {}}), tuple(compared))


def expected(
    kind: str,
    scorer: Scorer,
    lift: float,
    belonging: Matrix | Encoded,
    strange: Strange,
    *,
    seed: int,
    calibration: Calibration | None = None,
) -> tuple[ExpectedDetection, ...]:
    """Measure a fitted detector: one entry for each kind of outlier, then one for all alike.

    Args:
        kind: Its name.
        scorer: The detector.
        lift: What an alarm adds to a score.
        belonging: Rows that belong and that it was not fitted to.
        strange: Outliers.
        seed: Seed of the resamples.
        calibration: Its thresholds, to tell what share of the outliers they flag.
    """
    if not isinstance(belonging, Encoded):
        belonging = Encoded(belonging, np.zeros((len(belonging), 0), dtype=bool))
    step = -(-len(belonging.matrix) // _MOST_JUDGING)
    known = score_encoded(scorer, Encoded(belonging.matrix[::step], belonging.alarms[::step]), lift)
    by_kind = {name: score_encoded(scorer, rows, lift) for name, rows in strange.items()}
    by_kind[ALL] = np.concatenate(list(by_kind.values()))
    return tuple(
        _row(kind, name, known, scores, seed=seed, calibration=calibration) for name, scores in by_kind.items()
    )


def lift_of(scorer: Scorer, reference: Matrix) -> float:
    """Return ten times what some reference rows' scores differ at most."""
    scores = scorer.score(reference[:: max(1, len(reference) // _ROWS_FOR_LIFT)])
    return 10.0 * float(np.ptp(scores)) or 1.0


def _row(
    kind: str, outliers: str, known: Matrix, strange: Matrix, *, seed: int, calibration: Calibration | None
) -> ExpectedDetection:
    found = separation(known, strange, np.random.default_rng([seed, 2]))
    figures = {
        f"{name}{suffix}": getattr(getattr(found, name), part)
        for name in ("auroc", "fpr_at_95_tpr", "aupr_out", "aupr_in", "detection_error")
        for suffix, part in (("", "value"), ("_low", "low"), ("_high", "high"))
    }
    flagged = float(calibration.flags(strange).mean()) if calibration is not None else None
    return ExpectedDetection(detector=kind, outliers=outliers, rows=len(strange), flagged=flagged, **figures)
