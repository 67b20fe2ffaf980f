"""Maximum mean discrepancy and energy distance: how far apart the means of both sides lie in a kernel's space.

Sources: Gretton et al., "A kernel two-sample test", JMLR 13, 2012 (the unbiased estimate, lemma 6); Székely and Rizzo,
"Testing for equal distributions in high dimension", 2004 (the energy distance is the discrepancy of the kernel
-‖x - y‖: Sejdinovic et al., 2013); Rahimi and Recht, "Random features for large-scale kernel machines", 2007.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.drift.multivariate.arrangements import arranged, p_value
from leeboard_workers.drift.multivariate.device import Device
from leeboard_workers.drift.multivariate.features import FREQUENCIES, sum_features
from leeboard_workers.drift.multivariate.kernels import Gaussian, Kernel, NegativeDistance, median_sigma
from leeboard_workers.drift.multivariate.outcome import JointOutcome, UnfitRowsError
from leeboard_workers.drift.multivariate.pairs import PairSums, sum_pairs
from leeboard_workers.drift.multivariate.sides import Sides

EXACT_ROWS = 20_000
"""With more rows on both sides together, random features stand for the kernel, or fewer rows for all."""
_ROUNDING = 2e-7
"""What float32 leaves open of a discrepancy, in values of the kernel."""
_SUMMED = 1e-4
"""What it leaves open of sums over a block of equal values, which do not cancel."""


@dataclass(frozen=True)
class Permuting:
    """How the p-value is found."""

    permutations: int = 200
    seed: int = 0


def maximum_mean_discrepancy(
    sides: Sides, *, bandwidths: tuple[float, ...] = (1.0,), permuting: Permuting, device: Device
) -> JointOutcome:
    """Test by the squared maximum mean discrepancy with a Gaussian kernel.

    Exact for up to `EXACT_ROWS` rows, by random features of the kernel above; a note says so.

    Args:
        sides: Rows of both sides.
        bandwidths: In medians of the reference's distances; the kernel is the mean over them.
        permuting: How the p-value is found.
        device: Where to compute.
    """
    kernel = Gaussian(median_sigma(sides.reference), bandwidths)
    arrangements = arranged(sides, permuting.permutations, permuting.seed)
    if len(sides.reference) + len(sides.window) <= EXACT_ROWS:
        sums, notes = sum_pairs(sides, kernel, arrangements, device), sides.notes
    else:
        sums = sum_features(sides, kernel, arrangements, device, permuting.seed)
        note = f"approximated by {FREQUENCIES:,} random features, since there are more than {EXACT_ROWS:,} rows"
        notes = (*sides.notes, note)
    return _outcome(sums, kernel, sides, method="MaximumMeanDiscrepancy", told="MMD²", notes=notes)


def energy_distance(sides: Sides, *, permuting: Permuting, device: Device) -> JointOutcome:
    """Test by the energy distance 2E‖X - Y‖ - E‖X - X'‖ - E‖Y - Y'‖.

    Exact for up to `EXACT_ROWS` rows; above, of as many rows; a note says so.
    """
    sides = sides.at_most(EXACT_ROWS)
    kernel = NegativeDistance(median_sigma(sides.reference))
    sums = sum_pairs(sides, kernel, arranged(sides, permuting.permutations, permuting.seed), device)
    return _outcome(sums, kernel, sides, method="EnergyDistance", told="the energy distance", notes=sides.notes)


def discrepancies(sums: PairSums, reference_rows: int, window_rows: int) -> NDArray[np.float64]:
    """Return the unbiased squared discrepancy of each arrangement."""
    return (
        sums.within_reference / (reference_rows * (reference_rows - 1))
        + sums.within_window / (window_rows * (window_rows - 1))
        - 2.0 * sums.across / (reference_rows * window_rows)
    )


def _outcome(
    sums: PairSums, kernel: Kernel, sides: Sides, *, method: str, told: str, notes: tuple[str, ...]
) -> JointOutcome:
    """Read statistic, p-value and effect off the sums.

    The effect is the root of the share of both sides' spread that lies between them (DISCO: Rizzo and Székely, 2010),
    as if there were as many rows on either side: a correlation between side and place in the kernel's space. What the
    permutations show on average lies between any two sides of such rows, and does not count.

    Raises:
        UnfitRowsError: the sums overflowed.
    """
    n, m = len(sides.reference), len(sides.window)
    found = discrepancies(sums, n, m)
    if not np.isfinite(found).all():
        raise UnfitRowsError("the rows hold numbers too large to be compared jointly: exclude the largest columns")
    observed = float(found[0])
    alike = 0.5 * float(sums.within_reference[0] / (n * (n - 1)) + sums.within_window[0] / (m * (m - 1)))
    within, between = max(kernel.itself - alike, 0.0), max(observed - float(found[1:].mean()), 0.0) / 4.0
    if max(within, abs(observed)) <= _SUMMED * kernel.itself:
        return JointOutcome(method, 0.0, 1.0, 0.0, "the rows of both sides are all equal", notes)
    return JointOutcome(
        method=method,
        statistic=observed,
        p_value=p_value(found, _ROUNDING * kernel.itself),
        effect=sqrt(between / (between + within)) if between > 0 else 0.0,
        told=f"{told} is {observed:.3g}",
        notes=notes,
    )
