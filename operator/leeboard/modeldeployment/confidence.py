"""How sure a count is: what holds back a verdict on three requests. Pure."""

import math

Z_95 = 1.6448536269514722
"""95 % quantile of the standard normal distribution."""


def wilson_lower(hits: float, total: float) -> float:
    """Return the one-sided 95 % lower bound of a rate.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).

    Args:
        hits: How often it happened, at most `total`.
        total: Out of how many, more than 0.
    """
    rate = min(hits / total, 1.0)
    spread = Z_95 * math.sqrt(rate * (1 - rate) / total + Z_95**2 / (4 * total**2))
    return max(0.0, (rate + Z_95**2 / (2 * total) - spread) / (1 + Z_95**2 / total))


def wilson_upper(hits: float, total: float) -> float:
    """Return the one-sided 95 % upper bound of a rate; as `wilson_lower`."""
    return 1.0 - wilson_lower(max(0.0, total - hits), total)
