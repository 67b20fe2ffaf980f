"""Two-sample Kolmogorov-Smirnov test."""

import numpy as np

from leeboard.api.checks import NumericTest
from leeboard_workers.drift.univariate.outcome import TestOutcome
from leeboard_workers.drift.values import NumericValues


def kolmogorov_smirnov(reference: NumericValues, window: NumericValues) -> TestOutcome:
    """Compare the finite values of two columns.

    Statistic and effect are D, the largest distance between the empirical distribution functions. The p-value is
    two-sided, exact for up to 10,000 values a side and asymptotic above, as `scipy.stats.ks_2samp` decides
    (Hodges, "The significance probability of the Smirnov two-sample test", 1958).
    """
    if reference.finite[0] == reference.finite[-1] == window.finite[0] == window.finite[-1]:
        return TestOutcome(NumericTest.KOLMOGOROV_SMIRNOV.value, 0.0, 1.0, 0.0)
    from scipy.stats import ks_2samp  # noqa: PLC0415 (half a second that other jobs do not need)

    outcome = ks_2samp(reference.finite, window.finite, method="auto")
    statistic = float(outcome.statistic)
    return TestOutcome(
        NumericTest.KOLMOGOROV_SMIRNOV.value, statistic, float(np.clip(outcome.pvalue, 0.0, 1.0)), statistic
    )
