"""Corrections against scipy and against their definitions."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from leeboard.api.checks import Correction
from leeboard_workers.drift.correction import corrected

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(np.array)


@given(P_VALUES)
def test_benjamini_hochberg_is_scipys(p_values: Any):
    assert corrected(p_values, Correction.BENJAMINI_HOCHBERG) == pytest.approx(false_discovery_control(p_values))


@given(P_VALUES, st.floats(0.001, 0.5))
def test_holm_rejects_as_its_steps_do(p_values: Any, alpha: float):
    rejected = np.zeros(p_values.size, dtype=bool)
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[index] * (p_values.size - rank) >= alpha:
            break
        rejected[index] = True
    assert ((corrected(p_values, Correction.HOLM) < alpha) == rejected).all()


@given(P_VALUES)
def test_corrections_only_make_it_harder_and_keep_the_order(p_values: Any):
    by_p = np.argsort(p_values, kind="stable")
    for correction in Correction:
        adjusted = corrected(p_values, correction)
        assert (adjusted >= p_values - 1e-15).all()
        assert (np.diff(adjusted[by_p]) >= -1e-15).all()
        assert adjusted.max() <= 1


def test_the_usual_example():
    p_values = np.array([0.01, 0.04, 0.03])
    assert corrected(p_values, Correction.BONFERRONI) == pytest.approx([0.03, 0.12, 0.09])
    assert corrected(p_values, Correction.HOLM) == pytest.approx([0.03, 0.06, 0.06])
    assert corrected(p_values, Correction.NONE) == pytest.approx(p_values)
