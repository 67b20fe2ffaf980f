"""From how many rows on a change of a column is found, and how often none is called one.

`python -m tests.benchmarks.power` prints the table of docs/guides/drift-library.md. Reference and window have the same
number of rows, independent of each other; the seed of each cell is its number of rows. A column is found as
`univariateTest` finds it where the reference teaches nothing more: p below alpha and an effect of at least 0.05.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from leeboard.api.checks import CategoricalTest, NumericTest, UnivariateTest
from leeboard_workers.drift.levels import categorical_values
from leeboard_workers.drift.univariate import Pair, run_test
from leeboard_workers.drift.values import Values, numeric_values

SIZES = (100, 300, 1_000, 3_000, 10_000, 100_000)
TRIALS = 400
LARGEST_TRIALS = 100
"""At 100,000 rows."""
CHECK = UnivariateTest()
LEVELS = 10

Column = Callable[[np.random.Generator, int], npt.NDArray[Any]]


def _normal(shift: float = 0.0, scale: float = 1.0) -> Column:
    return lambda random, rows: random.normal(shift, scale, rows)


def _levels(moved: float = 0.0) -> Column:
    """Draw from ten even levels; a share of the rows of the last nine goes to the first."""

    def draw(random: np.random.Generator, rows: int) -> npt.NDArray[Any]:
        codes = random.integers(0, LEVELS, rows)
        codes[random.random(rows) < moved] = 0
        return codes.astype(str)

    return draw


CHANGES: dict[str, tuple[Column, Column]] = {
    "normal: none": (_normal(), _normal()),
    "normal: mean + 0.1 sd": (_normal(), _normal(shift=0.1)),
    "normal: mean + 0.25 sd": (_normal(), _normal(shift=0.25)),
    "normal: mean + 0.5 sd": (_normal(), _normal(shift=0.5)),
    "normal: sd x 1.25": (_normal(), _normal(scale=1.25)),
    "normal: sd x 1.5": (_normal(), _normal(scale=1.5)),
    "10 levels: none": (_levels(), _levels()),
    "10 levels: 5 % move to one": (_levels(), _levels(moved=0.05)),
    "10 levels: 10 % move to one": (_levels(), _levels(moved=0.1)),
    "10 levels: 20 % move to one": (_levels(), _levels(moved=0.2)),
}


def found(then: Column, now: Column, rows: int) -> tuple[float, float]:
    """Return the shares of trials with p below alpha, and with an effect of at least `minEffect` as well."""
    random = np.random.default_rng(rows)
    significant = drifted = 0
    trials = TRIALS if rows < SIZES[-1] else LARGEST_TRIALS
    for _ in range(trials):
        pair = Pair(_values(then(random, rows)), _values(now(random, rows)))
        outcome = run_test(pair, numeric=NumericTest.KOLMOGOROV_SMIRNOV, categorical=CategoricalTest.CHI_SQUARED)
        if outcome is not None and outcome.p_value < CHECK.alpha:
            significant += 1
            drifted += outcome.effect >= CHECK.smallest_effect
    return significant / trials, drifted / trials


def main() -> None:
    """Print the share of trials that called drift, and in brackets what the p-value alone would have called."""
    table = Table(
        "change", *(f"{rows:,}" for rows in SIZES), title=f"alpha {CHECK.alpha}, minEffect {CHECK.smallest_effect}"
    )
    for name, (then, now) in CHANGES.items():
        cells = [found(then, now, rows) for rows in SIZES]
        table.add_row(name, *(f"{drifted:.3f} ({alone:.3f})" for alone, drifted in cells))
    Console(width=140).print(table)


def _values(drawn: npt.NDArray[Any]) -> Values:
    return categorical_values(pa.array(drawn)) if drawn.dtype.kind == "U" else numeric_values(pa.array(drawn))


if __name__ == "__main__":
    main()
