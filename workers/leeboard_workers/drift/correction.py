"""Corrections of p-values for testing many columns at once."""

import numpy as np

from leeboard.api.checks import Correction
from leeboard_workers.drift.values import Floats


def corrected(p_values: Floats, correction: Correction) -> Floats:
    """Return the adjusted p-values, each comparable with alpha, in the order given.

    Bonferroni and Holm ("A simple sequentially rejective multiple test procedure", 1979) bound the chance of any
    false alarm; Benjamini and Hochberg (1995) bound the expected share of false alarms among the alarms.
    """
    count = p_values.size
    if count == 0 or correction is Correction.NONE:
        return p_values.copy()
    if correction is Correction.BONFERRONI:
        return np.minimum(p_values * count, 1.0)
    order = np.argsort(p_values, kind="stable")
    ascending = p_values[order]
    if correction is Correction.HOLM:
        adjusted = np.maximum.accumulate(ascending * (count - np.arange(count)))
    else:
        adjusted = np.minimum.accumulate((ascending * count / np.arange(1, count + 1))[::-1])[::-1]
    result = np.empty(count)
    result[order] = np.minimum(adjusted, 1.0)
    return result
