"""Scores on the same rows as pytorch-ood 0.4.0 gave them: equal but for a positive scale and its float32.

The golden file is what `scores_pytorch_ood.py` of the benchmarks answers when it is told {"golden": true}.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from leeboard.api.outofdistribution import Detector, DetectorInput
from leeboard_workers.ood.detectors import Head, Known, fit_scorer

TESTS = Path(__file__).parents[3]
GOLDEN = json.loads((TESTS / "golden" / "ood" / "pytorch-ood.json").read_text())
LOGITS = ("maxSoftmax", "maxLogit", "energy", "klMatching")
BOUND = {"mahalanobis": 0.06, "relativeMahalanobis": 0.06}  # our covariances are shrunk, theirs are not
OPTIONS = {"vim": {"dimensions": 4}, "knn": {"neighbours": 5}}


@pytest.fixture(scope="module")
def score_rows() -> ModuleType:
    spec = importlib.util.spec_from_file_location("score_rows", TESTS / "benchmarks" / "scripts" / "score_rows.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["score_rows"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("title", GOLDEN)
def test_scores_are_those_of_pytorch_ood(score_rows: ModuleType, title: str) -> None:
    workload = next(one for one in score_rows.GOLDEN if one.title == title)
    given = score_rows.material(workload)
    what = DetectorInput.LOGITS if workload.name in LOGITS else DetectorInput.FEATURES
    known = Known(given.rows, given.labels, what, Head(given.weights, given.bias))
    detector = Detector.model_validate({workload.name: OPTIONS.get(workload.name, {})})
    ours = fit_scorer(detector, known, np.random.default_rng(0))[1].score(given.request)
    theirs = np.array(GOLDEN[title])
    if workload.name == "maxSoftmax":
        ours = np.exp(ours)
        theirs = theirs - theirs.min() + ours.min()  # theirs is minus the largest probability
    slope, start = np.polyfit(theirs, ours, 1)
    assert slope > 0.0
    apart = np.abs(slope * theirs + start - ours).max() / np.ptp(ours)
    assert apart < BOUND.get(workload.name, 1e-5)
