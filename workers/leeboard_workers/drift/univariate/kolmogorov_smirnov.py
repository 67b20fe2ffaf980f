"""Two-sample Kolmogorov-Smirnov test."""

import numpy as np
from scipy.special import gammaln, kolmogorov

from leeboard.api.checks import NumericTest
from leeboard_workers.drift.univariate.outcome import TestOutcome
from leeboard_workers.drift.univariate.pair import Pair

EXACT_UP_TO = 10_000
"""With more values on either side the p-value is asymptotic, as scipy decides."""
_TERMS = 400
_LARGE = 2_000
_ALIKE = 1.4
"""Where n D^1.5 does not reach it, the probability of a large sample is 1 to three digits."""
_TAIL = 2.2
"""Where n D² reaches it, twice the one-sided probability is the two-sided one to 15 digits (Simard and L'Ecuyer)."""


def kolmogorov_smirnov(pair: Pair) -> TestOutcome:
    """Compare the finite values of two columns.

    Statistic and effect are D, the largest distance between the empirical distribution functions. The p-value is
    two-sided, exact for up to 10,000 values a side (Hodges, "The significance probability of the Smirnov two-sample
    test", 1958) and asymptotic above, as `scipy.stats.ks_2samp` decides.
    """
    then, now = (side.finite for side in pair.numbers)
    statistic = pair.gap.largest
    exact = max(then.size, now.size) <= EXACT_UP_TO
    if statistic == 0:
        p_value = 1.0
    elif exact:
        from scipy.stats import ks_2samp  # noqa: PLC0415 (half a second that other jobs do not need)

        p_value = float(np.clip(ks_2samp(then, now, method="auto").pvalue, 0.0, 1.0))
    else:
        p_value = asymptotic(statistic, then.size * now.size / (then.size + now.size))
    reason = f"exact p-value: at most {EXACT_UP_TO} values a side" if exact else "asymptotic p-value"
    return TestOutcome(NumericTest.KOLMOGOROV_SMIRNOV.value, statistic, p_value, statistic, reason)


def asymptotic(statistic: float, effective: float) -> float:
    """Return P(D >= statistic) for the one-sample D of `effective` rows, as scipy approximates the two-sample one.

    The survival function is scipy's (Simard and L'Ecuyer, "Computing the two-sided Kolmogorov-Smirnov distribution",
    2011), except at both ends for large samples, where scipy's exact sums take up to seconds: the tail is summed by
    quadrature, and samples that are nearly alike get Kolmogorov's limit.
    """
    rows = max(round(effective), 1)
    if rows >= _LARGE and statistic < 0.5:  # noqa: PLR2004 (half of all)
        if rows * statistic**2 >= _TAIL:
            return min(2 * _one_sided(rows, statistic), 1.0)
        if rows * statistic**1.5 <= _ALIKE:
            return float(kolmogorov(np.sqrt(rows) * statistic))
    from scipy.stats import kstwo  # noqa: PLC0415 (half a second that other jobs do not need)

    return float(np.clip(kstwo.sf(statistic, rows), 0.0, 1.0))


def _one_sided(rows: int, statistic: float) -> float:
    """Return P(D+ >= statistic): the sum of Birnbaum and Tingey (1951) over all rows, taken at some of them.

    Its terms are a smooth bell, and the trapezoidal rule is as good as the sum: for 2,000 rows and more the relative
    error of 400 terms is that of the logarithms, below 1e-9.
    """
    stride = rows * (1 - statistic) / _TERMS
    places = stride * np.arange(1, _TERMS)
    share = places / rows + statistic
    logs = (
        gammaln(rows + 1)
        - gammaln(places + 1)
        - gammaln(rows - places + 1)
        + (places - 1) * np.log(share)
        + (rows - places) * np.log1p(-share)
    )
    return float(statistic * stride * np.exp(logs).sum())
