"""How calm learned thresholds are, and what they see: days of flights against four weeks of them.

`python -m tests.benchmarks.learned` prints the table of docs/concepts/drift.md; it takes some minutes on two cores.

A window is a day; every second flight is taken. The reference is four of January and February's weeks, in order of
time; a quiet year is made of the other four, whole weeks drawn with replacement, so no window is in the reference that
taught its threshold. A change fills every window from its first on. Episodes are raised as in `tests.benchmarks.calm`.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from leeboard.api.checks import Check
from leeboard.sandbox import flights
from leeboard_workers.data.rows import TableRows
from leeboard_workers.drift import Past, compare, learn
from leeboard_workers.drift.cuts import round_down
from leeboard_workers.drift.learning import Lesson
from tests.benchmarks.calm import DAYS, WEEKS, YEAR_WEEKS, episodes_of

THINNED = 2
YEARS = 20
STEPS = 7
"""Days in which a change must be found."""
TRIALS = 8
CHECKS: dict[str, Check] = {
    name: Check.model_validate({"name": "c", **members})
    for name, members in {
        "univariateTest: {}": {"univariateTest": {}},
        "univariateTest: {minEffect: 0.05}": {"univariateTest": {"minEffect": 0.05}},
        "univariateTest: {minEffect: 0.3}": {"univariateTest": {"minEffect": 0.3}},
        "univariateTest: {learned: {sigma: 2}}": {"univariateTest": {"learned": {"sigma": 2}}},
        "univariateTest: {learned: {sigma: 3}}": {"univariateTest": {"learned": {"sigma": 3}}},
        "univariateTest: {learned: {sigma: 3}, driftedShare: 0.1}": {
            "univariateTest": {"learned": {"sigma": 3}, "driftedShare": 0.1}
        },
        "univariateTest: {learned: {sigma: 4}, driftedShare: 0.05}": {
            "univariateTest": {"learned": {"sigma": 4}, "driftedShare": 0.05}
        },
        "univariateDistance: {}": {"univariateDistance": {}},
        "univariateDistance: {threshold: 0.1}": {"univariateDistance": {"threshold": 0.1}},
        "univariateDistance: {learned: {sigma: 3}}": {"univariateDistance": {"learned": {"sigma": 3}}},
        "univariateDistance: {learned: {quantile: 0.95}}": {"univariateDistance": {"learned": {"quantile": 0.95}}},
        "univariateDistance: {learned: {sigma: 3}, aggregate: Max}": {
            "univariateDistance": {"learned": {"sigma": 3}, "aggregate": "Max"}
        },
        "univariateDistance: {numeric: JensenShannon, learned: {sigma: 3}}": {
            "univariateDistance": {"numeric": "JensenShannon", "learned": {"sigma": 3}}
        },
    }.items()
}

Day = Callable[[np.random.Generator, int], pa.Table]


@cache
def day(date: pd.Timestamp) -> pa.Table:
    """Return the flights of a day."""
    table = _year().between(str(date), str(date + pd.Timedelta(days=1))).sort_values(flights.TIME)
    return pa.Table.from_pandas(table.iloc[::THINNED][list(flights.FEATURES)], preserve_index=False)


def week(first: pd.Timestamp) -> list[pa.Table]:
    """Return its days."""
    return [day(first + pd.Timedelta(days=number)) for number in range(DAYS)]


def season(first: str) -> Day:
    """Return the days from one on."""
    return lambda _random, number: day(pd.Timestamp(first) + pd.Timedelta(days=number))


def winter(random: np.random.Generator, number: int) -> pa.Table:
    """Return a day of the winter, on the weekday of its number."""
    return week(WEEKS[random.choice(len(WEEKS))])[number % DAYS]


def other_unit(random: np.random.Generator, number: int) -> pa.Table:
    """Return a day of the winter with temperatures in Celsius."""
    table = winter(random, number)
    celsius = pc.multiply(pc.subtract(table["temperature"], 32.0), 5 / 9)
    return table.set_column(table.column_names.index("temperature"), "temperature", celsius)


def new_carrier(random: np.random.Generator, number: int) -> pa.Table:
    """Return a day of the winter on which every tenth flight is of a carrier that nobody knows."""
    table = winter(random, number)
    carrier = pc.if_else(pa.array(np.arange(len(table)) % 10 == 0), "XX", table["carrier"])
    return table.set_column(table.column_names.index("carrier"), "carrier", carrier)


CHANGES: dict[str, Day] = {
    "May": season("2013-05-06"),
    "July": season("2013-07-01"),
    "temperature in Celsius": other_unit,
    "a tenth of a new carrier": new_carrier,
}


class Watch:
    """A check with what its reference taught."""

    def __init__(self, check: Check, seed: int) -> None:
        """Draw a reference and learn from it."""
        random = np.random.default_rng(seed)
        chosen = sorted(random.choice(len(WEEKS), len(WEEKS) // 2, replace=False))
        days = [table for number in chosen for table in week(WEEKS[number])]
        self.others = [number for number in range(len(WEEKS)) if number not in chosen]
        self.reference = pa.concat_tables(days)
        self.check = check
        ends = np.cumsum([len(table) for table in days])
        cuts = tuple(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))
        rows = round_down(int(np.median([len(table) for table in days])))
        self.lessons: dict[str, Lesson] = learn(Past(TableRows(self.reference), cuts, rows), [check])

    def drifted(self, window: pa.Table) -> bool:
        """Hold a day against the reference."""
        return compare(self.reference, window, [self.check], lessons=self.lessons).checks[0].drifted


def quiet_year(watch: Watch, seed: int) -> list[bool]:
    """Return the verdicts of a year of days in which nothing changes."""
    random = np.random.default_rng(seed)
    found = [[watch.drifted(table) for table in week(WEEKS[number])] for number in watch.others]
    return [moved for number in random.choice(len(found), YEAR_WEEKS) for moved in found[number]]


def days_until(watch: Watch, change: Day, seed: int) -> int | None:
    """Return after how many days an episode is raised; none: not within `STEPS`."""
    random = np.random.default_rng(seed)
    raised = episodes_of([watch.drifted(change(random, number)) for number in range(STEPS)])
    return raised[0] if raised else None


def main() -> None:
    """Print what each check says of quiet years, and of changes."""
    table = Table("check", "drifted days", "episodes a year", "at most", *CHANGES)
    for name, check in CHECKS.items():
        watches = [Watch(check, seed) for seed in range(YEARS)]
        years = [quiet_year(watch, seed) for seed, watch in enumerate(watches)]
        counts = [len(episodes_of(year)) for year in years]
        found = [[days_until(watches[seed], change, seed) for seed in range(TRIALS)] for change in CHANGES.values()]
        cells: list[Any] = [" ".join(str(count or "-") for count in counts) for counts in found]
        table.add_row(name, f"{np.mean(years):.1%}", f"{np.mean(counts):.2f}", str(max(counts)), *cells)
        Console(width=200).print(table)


@cache
def _year() -> flights.Flights:
    return flights.load()


if __name__ == "__main__":
    main()
