"""How often tests call drift what is none: the nominal level, held against simulation.

Both sides are drawn from one distribution, so every alarm is a false one. A rate is kept when chance alone would give
so many alarms at the nominal level at least once in a thousand tables.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from leeboard.api.checks import CategoricalTest, NumericTest
from leeboard.api.multivariate import (
    DomainClassifier,
    EnergyDistance,
    MaximumMeanDiscrepancy,
    MultivariateTest,
    PcaReconstruction,
)
from leeboard_workers.drift.levels import categorical_values
from leeboard_workers.drift.multivariate import JointTask, run_joint_test
from leeboard_workers.drift.univariate import Pair, run_test
from leeboard_workers.drift.values import Values, numeric_values
from tests.benchmarks.figures import Rate

ALPHA = 0.05
WORK = 4_000_000
"""Rows drawn for each line of the table, within the bounds on its trials."""
TRIALS = (200, 4_000)
SIZES = (50, 500, 5_000, 50_000, 1_000_000)

Draw = Callable[[np.random.Generator, int], Values]


@dataclass(frozen=True)
class Case:
    """A column to draw from."""

    test: str
    data: str
    draw: Draw


def _numbers(shape: Callable[[np.random.Generator, int], np.ndarray]) -> Draw:
    return lambda random, rows: numeric_values(pa.array(shape(random, rows)))


def _levels(count: int) -> Draw:
    shares = 1 / np.arange(1, count + 1)
    names = pa.array([f"l{level}" for level in range(count)])

    def draw(random: np.random.Generator, rows: int) -> Values:
        codes = random.choice(count, rows, p=shares / shares.sum())
        return categorical_values(pa.DictionaryArray.from_arrays(pa.array(codes), names))

    return draw


CASES = (
    Case("Kolmogorov-Smirnov", "normal", _numbers(lambda random, rows: random.normal(size=rows))),
    Case("Kolmogorov-Smirnov", "heavy tails", _numbers(lambda random, rows: random.standard_t(2, rows))),
    Case("Kolmogorov-Smirnov", "ties (Poisson 3)", _numbers(lambda random, rows: random.poisson(3, rows) * 1.0)),
    *(Case("chi-squared", f"{count} levels", _levels(count)) for count in (2, 10, 100, 1_000)),
)


JOINT: dict[str, tuple[MultivariateTest, tuple[int, ...]]] = {
    "maximum mean discrepancy": (MultivariateTest(maximum_mean_discrepancy=MaximumMeanDiscrepancy()), (100, 500)),
    "energy distance": (MultivariateTest(energy_distance=EnergyDistance()), (100, 500)),
    "PCA reconstruction": (MultivariateTest(pca_reconstruction=PcaReconstruction()), (100, 500, 5_000)),
    "domain classifier": (MultivariateTest(domain_classifier=DomainClassifier()), (100, 500)),
}
"""Joint tests, and the rows of the reference."""
JOINT_TRIALS = 200


def figures() -> Iterator[Rate]:
    """Rates of false alarms, the window as large as the reference and a quarter of it."""
    for case in CASES:
        for rows in SIZES:
            for window in (rows, rows // 4):
                yield _rate(case, rows, window)
    for name, (test, sizes) in JOINT.items():
        for rows in sizes:
            for window in (rows, rows // 4):
                yield _joint_rate(name, test, rows, window)


def _rate(case: Case, rows: int, window: int) -> Rate:
    trials = int(np.clip(WORK // (rows + window), *TRIALS))
    random = np.random.default_rng([rows, window, len(case.data)])
    alarms = 0
    for _ in range(trials):
        pair = Pair(case.draw(random, rows), case.draw(random, window))
        outcome = run_test(pair, numeric=NumericTest.KOLMOGOROV_SMIRNOV, categorical=CategoricalTest.CHI_SQUARED)
        alarms += outcome is not None and outcome.p_value < ALPHA
    return Rate(case.test, case.data, rows, window, ALPHA, trials, alarms)


def _joint_rate(name: str, test: MultivariateTest, rows: int, window: int) -> Rate:
    """Draw independent rows of eight columns that hang together; tests are told that rows are independent."""
    random = np.random.default_rng([rows, window, len(name)])
    alarms = 0
    for trial in range(JOINT_TRIALS):
        then, now = (_together(random, size) for size in (rows, window))
        told = test.model_copy(update={"spans": window})
        task = JointTask(told, then, now, dict.fromkeys(then.column_names, 1.0), seed=trial)
        alarms += run_joint_test(task).p_value < ALPHA
    return Rate(name, "8 columns", rows, window, ALPHA, JOINT_TRIALS, alarms)


def _together(random: np.random.Generator, rows: int) -> pa.Table:
    level = random.normal(size=rows)
    columns = {f"c{number}": level * number / 4 + random.normal(size=rows) for number in range(7)}
    return pa.table({**columns, "sky": np.where(level > 0.5, "clear", "cloudy")})
