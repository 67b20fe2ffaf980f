"""What every detector must do; one suite for all of them.

A new detector is done when `check_detector` passes for it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leeboard.api.outofdistribution import Calibration, Detector, DetectorInput
from leeboard_workers.ood.detectors import Head, Labels, Matrix
from leeboard_workers.ood.fitted import FittedDetector
from leeboard_workers.ood.fitting import Wish, fit_on_outputs
from leeboard_workers.ood.store import ARRAYS, DOCUMENT, load, save

_ACCEPTANCE = 0.9
_SLACK = 0.05


class ConformanceError(AssertionError):
    """A detector breaks a promise that all detectors give."""


@dataclass(frozen=True)
class Case:
    """What a detector is held to."""

    detector: Detector
    what: DetectorInput
    """What the columns are."""
    known: Matrix
    """Rows that belong; the first half is the reference, the second half must pass."""
    strange: Matrix
    """Rows that do not belong, as many as you like."""
    labels: Labels | None = None
    """Classes of the known rows."""
    head: Head | None = None
    """Last layer of the model, for detectors that need it."""
    calibration: Calibration = Calibration.POOLED


def check_detector(case: Case, folder: Path) -> None:
    """Hold a detector to everything that Leeboard promises.

    Args:
        case: The detector and rows for it.
        folder: An empty folder.

    Raises:
        ConformanceError: it breaks a promise; the message says which.
    """
    import pyarrow as pa  # noqa: PLC0415 (only the suite hands labels over as Arrow)

    half = len(case.known) // 2
    classes = None if case.labels is None else pa.chunked_array([pa.array(case.labels[:half])])
    provenance = {"origin": "conformance"}
    wish = Wish(case.detector, _ACCEPTANCE, seed=1, provenance=provenance, calibration=case.calibration)

    def fitted() -> FittedDetector:
        return fit_on_outputs(wish, case.what, case.known[:half], classes, head=case.head)

    one = fitted()
    fresh = case.known[half:]
    _check_scores(one, fresh, case.strange)
    _check_forms(one, fresh)
    _check_acceptance(one, fresh)
    _check_bad_values(one, fresh)
    _check_storage(one, fitted(), fresh, folder)


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


def _check_forms(detector: FittedDetector, known: Matrix) -> None:
    scores = detector.score_matrix(known).scores
    order = np.random.default_rng(0).permutation(len(known))
    turned = detector.score_matrix(known[order]).scores
    _demand(holds=bool(np.allclose(turned, scores[order], rtol=1e-9, atol=1e-9)), promise="order does not matter")
    single = known.astype(np.float32)
    forms: tuple[Any, ...] = (
        single,
        np.asfortranarray(single.astype(np.float64)),
        np.repeat(single, 2, axis=1)[:, ::2],
    )
    for form in forms:
        likewise = detector.score_matrix(form).scores
        exact = detector.score_matrix(single.astype(np.float64)).scores
        _demand(holds=likewise.dtype == np.float64, promise="float64 scores, whatever the rows are of")
        _demand(holds=bool(np.allclose(likewise, exact, rtol=1e-9, atol=1e-9)), promise="layout and type do not matter")
    before = known.copy()
    detector.score_matrix(known)
    _demand(holds=bool((before == known).all()), promise="rows are left as they were")


def _check_acceptance(detector: FittedDetector, known: Matrix) -> None:
    judged = detector.score_matrix(known)
    passed = 1.0 - float(judged.flags.mean())
    _demand(holds=abs(passed - _ACCEPTANCE) < _SLACK, promise=f"{_ACCEPTANCE} of known rows pass, not {passed:.3f}")
    _demand(
        holds=bool(((judged.p_values > 0) & (judged.p_values <= 1)).all()), promise="p-values lie above 0 and up to 1"
    )
    if detector.by_class is None:
        order = np.argsort(judged.scores)
        _demand(holds=bool((np.diff(judged.p_values[order]) <= 0).all()), promise="p-values fall as scores rise")
    for level in (0.02, 0.1, 0.5):
        share = float((judged.p_values <= level).mean())
        _demand(holds=share <= level + _SLACK, promise=f"p-values of at most {level} are as rare, not {share:.3f}")


def _check_bad_values(detector: FittedDetector, known: Matrix) -> None:
    untouched = detector.score_matrix(known[1:2]).scores[0]
    for bad in (np.nan, np.inf, -np.inf, 1e200, -1e200, 1e308):
        for place in (0, slice(None)):
            rows = known[:2].copy()
            rows[0, place] = bad
            judged = detector.score_matrix(rows)
            _demand(
                holds=bool(judged.flags[0] and np.isfinite(judged.scores[0])), promise=f"a row with {bad} is flagged"
            )
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
