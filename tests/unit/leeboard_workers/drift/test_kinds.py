"""What kind of drift it is, and what speaks for it."""

import numpy as np
import pytest

from leeboard.api.performance import Performance, PerformanceMetric
from leeboard.contract.jobs import CheckReport
from leeboard_workers.drift.estimation import Estimator
from leeboard_workers.drift.kinds import kinds_of
from leeboard_workers.drift.metrics import METRICS
from leeboard_workers.drift.outcomes import Outcomes
from leeboard_workers.drift.performance import Coverage, Guess, performance_report

INPUTS = CheckReport(
    name="columns", kind="univariateTest", drifted=True, worst_columns=("rain",), message="1 of 4 columns drifted"
)


def world(seed: int, *, spread: float = 1.0, concept: float = 1.0, base: float = 0.0) -> Outcomes:
    """Inputs of less spread are harder to tell; `concept` turns what they mean, `base` makes one outcome frequent."""
    draw = np.random.default_rng(seed)
    signal = draw.normal(base, 2 * spread, 4_000)
    p = 1 / (1 + np.exp(-signal))
    truth = (draw.random(4_000) < 1 / (1 + np.exp(-concept * signal))).astype(np.int64)
    return Outcomes(truth, (p > 0.5).astype(np.int64), ("0", "1"), np.column_stack([1 - p, p]))


def judged(window: Outcomes) -> CheckReport:
    reference = world(0)
    check = Performance(metrics=[PerformanceMetric(name="accuracy", max_drop=0.03)])
    expected = Estimator.fitted_on(reference).estimate(window, [METRICS["accuracy"]], 0)
    coverage = Coverage("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", window.rows, window.rows)
    return performance_report(
        "quality", check, coverage, window=window, reference=reference, guess=Guess(expected, expected)
    )


@pytest.mark.parametrize(
    ("sentence", "window", "inputs", "kinds"),
    [
        ("all as ever", world(1), False, []),
        ("harder inputs, and worse answers that they explain", world(1, spread=0.3), True, ["covariate"]),
        ("the same inputs, which now mean something else", world(1, concept=0.2), False, ["concept"]),
        ("other outcomes, as the inputs foretell", world(1, base=2.0), True, ["covariate", "label"]),
        ("everything at once", world(1, base=2.0, concept=-1.0), True, ["covariate", "label", "concept"]),
    ],
)
def test_names_the_kind(sentence: str, window: Outcomes, kinds: list[str], *, inputs: bool):
    checks = [INPUTS.model_copy(update={"drifted": inputs}), judged(window)]
    found = kinds_of(checks)
    assert [kind.kind for kind in found] == kinds, sentence
    assert all(kind.evidence for kind in found)


def test_too_few_labels_name_no_kind():
    early = world(1, base=2.0)
    early = Outcomes(early.truth[:300], early.answer[:300], early.classes, early.probabilities[:300])
    check = Performance(metrics=[PerformanceMetric(name="accuracy", max_drop=0.03)], min_coverage=0.6)
    coverage = Coverage("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", 4_000, early.rows)
    found = performance_report("quality", check, coverage, window=early, reference=world(0))
    assert found.performance.labels.effect > 0.1
    assert kinds_of([found]) == ()


def test_evidence_names_numbers():
    [concept] = kinds_of([judged(world(1, concept=0.2))])
    assert concept.evidence.startswith("inputs do not explain it: accuracy is 0.")
    [covariate] = kinds_of([INPUTS])
    assert covariate.evidence == "the inputs have changed: 1 of 4 columns drifted, most of all rain"


def test_the_estimate_is_told_while_labels_are_missing():
    window = world(1)
    check = Performance(metrics=[PerformanceMetric(name="accuracy", max_drop=0.03)])
    expected = Estimator.fitted_on(world(0)).estimate(window, [METRICS["accuracy"]], 0)
    coverage = Coverage("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", 4_000, 0)
    found = performance_report("quality", check, coverage, window=None, reference=None, guess=Guess({}, expected))
    assert found.statistic is None
    assert "by the answers' own confidence accuracy is about 0.7" in found.message
    assert found.performance.metrics[0].estimate_low < 0.775 < found.performance.metrics[0].estimate_high
