"""What every detector must do; one suite for all of them.

A new detector is done when `check_detector` passes for it.
"""

from pathlib import Path

import numpy as np

from leeboard.api.outofdistribution import Detector, DetectorInput
from leeboard_workers.ood.detectors import Labels, Matrix
from leeboard_workers.ood.fitted import FittedDetector
from leeboard_workers.ood.fitting import fit_on_outputs
from leeboard_workers.ood.store import ARRAYS, DOCUMENT, load, save

_ACCEPTANCE = 0.9
_SLACK = 0.05


class ConformanceError(AssertionError):
    """A detector breaks a promise that all detectors give."""


def check_detector(
    detector: Detector, what: DetectorInput, *, known: Matrix, labels: Labels | None, strange: Matrix, folder: Path
) -> None:
    """Hold a detector to everything that Leeboard promises.

    Args:
        detector: The detector.
        what: What its columns are.
        known: Rows that belong; the first half is the reference, the second half must pass.
        labels: Their classes, or none.
        strange: Rows that do not belong, as many as you like.
        folder: An empty folder.

    Raises:
        ConformanceError: it breaks a promise; the message says which.
    """
    import pyarrow as pa  # noqa: PLC0415 (only the suite hands labels over as Arrow)

    half = len(known) // 2
    classes = None if labels is None else pa.chunked_array([pa.array(labels[:half])])

    def fitted() -> FittedDetector:
        return fit_on_outputs(
            detector, what, known[:half], classes, acceptance=_ACCEPTANCE, seed=1, provenance={"origin": "conformance"}
        )

    one = fitted()
    _check_scores(one, known[half:], strange)
    _check_acceptance(one, known[half:])
    _check_bad_values(one, known[half:])
    _check_storage(one, fitted(), known[half:], folder)


def _demand(*, holds: bool, promise: str) -> None:
    if not holds:
        raise ConformanceError(promise)


def _check_scores(detector: FittedDetector, known: Matrix, strange: Matrix) -> None:
    scores = detector.score_matrix(known).scores
    _demand(holds=scores.shape == (len(known),) and scores.dtype == np.float64, promise="one float64 score per row")
    _demand(holds=bool(np.isfinite(scores).all()), promise="scores are finite")
    alone = np.array([detector.score_matrix(known[at : at + 1]).scores[0] for at in range(10)])
    _demand(holds=bool(np.allclose(alone, scores[:10], rtol=1e-9, atol=1e-9)), promise="a row's score is its own")
    _demand(holds=detector.score_matrix(known[:0]).scores.shape == (0,), promise="no rows give no scores")
    higher = float(np.median(detector.score_matrix(strange).scores)) > float(np.median(scores))
    _demand(holds=higher, promise="strange rows score higher")


def _check_acceptance(detector: FittedDetector, known: Matrix) -> None:
    judged = detector.score_matrix(known)
    passed = 1.0 - float(judged.flags.mean())
    _demand(holds=abs(passed - _ACCEPTANCE) < _SLACK, promise=f"{_ACCEPTANCE} of known rows pass, not {passed:.3f}")
    _demand(
        holds=bool(((judged.p_values > 0) & (judged.p_values <= 1)).all()), promise="p-values lie above 0 and up to 1"
    )
    order = np.argsort(judged.scores)
    _demand(holds=bool((np.diff(judged.p_values[order]) <= 0).all()), promise="p-values fall as scores rise")


def _check_bad_values(detector: FittedDetector, known: Matrix) -> None:
    for bad in (np.nan, np.inf, -np.inf):
        rows = known[:2].copy()
        rows[0, 0] = bad
        judged = detector.score_matrix(rows)
        _demand(holds=bool(judged.flags[0] and np.isfinite(judged.scores[0])), promise=f"a row with {bad} is flagged")
        untouched = detector.score_matrix(known[1:2]).scores[0]
        _demand(holds=bool(np.isclose(judged.scores[1], untouched)), promise="other rows do not mind")


def _check_storage(one: FittedDetector, again: FittedDetector, known: Matrix, folder: Path) -> None:
    save(one, folder / "one")
    save(again, folder / "again")
    for name in (DOCUMENT, ARRAYS):
        equal = (folder / "one" / name).read_bytes() == (folder / "again" / name).read_bytes()
        _demand(holds=equal, promise=f"equal input gives equal bytes of {name}")
    restored = load(folder / "one").score_matrix(known)
    original = one.score_matrix(known)
    _demand(holds=bool((restored.scores == original.scores).all()), promise="a stored detector scores bit by bit")
    _demand(holds=bool((restored.flags == original.flags).all()), promise="a stored detector judges the same")
