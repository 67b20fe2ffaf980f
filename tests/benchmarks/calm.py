"""How often a quiet year alarms, and after how many windows a change does: the real comparison, the real episodes.

`python -m tests.benchmarks.calm` prints both as tables; it takes about half an hour on two cores. `… calm univariate`
takes the checks whose name holds the word.

A year is made of whole weeks of January and February's flights, drawn with replacement, so that hours, weekdays and
weather hang together as they do; the reference is four of those weeks. One flight in ten is taken. A change fills every
window from its first on.
"""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from leeboard.api.checks import DEFAULT_THRESHOLD, Check, UnivariateDistance, UnivariateTest
from leeboard.api.driftmonitor import DriftMonitor, DriftMonitorStatus, MonitorRun, WindowVerdict
from leeboard.api.multivariate import (
    DomainClassifier,
    EnergyDistance,
    MaximumMeanDiscrepancy,
    MultivariateTest,
    PcaReconstruction,
)
from leeboard.control.clock import iso
from leeboard.driftmonitor import episodes
from leeboard.sandbox import flights
from leeboard_workers.data.rows import TableRows
from leeboard_workers.drift import Past, compare, learn
from leeboard_workers.drift.cuts import cut_by_time, round_down

THINNED = 10
WEEKS = pd.date_range("2013-01-07", "2013-02-25", freq="7D")
REFERENCE_WEEKS = 4
YEAR_WEEKS = 52
YEARS = 20
STEPS = 4
"""Windows in which a change must be found."""
TRIALS = 4
DAYS = 7
START = datetime(2026, 1, 5, tzinfo=UTC)

MONITOR = DriftMonitor.model_validate(
    {
        "metadata": {"name": "calm", "namespace": "calm", "uid": "calm", "generation": 1},
        "spec": {"modelDeploymentRef": {"name": "calm"}, "schedule": {"every": "7d"}, "window": {"duration": "7d"}},
    }
)
UNIVARIATE = (
    (0.05, 0.3),
    (0.1, 0.3),
    (0.2, 0.3),
    (0.3, 0.3),
    (0.4, 0.3),
    (0.2, 0.5),
    (0.3, 0.5),
    (0.4, 0.15),
    (0.5, 0.05),
    (0.6, 0.05),
)
"""`minEffect` and `driftedShare`, stated."""
CHECKS = {
    "univariateTest": Check(name="columns", univariate_test=UnivariateTest()),
    "univariateDistance": Check(name="distance", univariate_distance=UnivariateDistance()),
    "univariateDistance, threshold 0.1": Check(
        name="distance", univariate_distance=UnivariateDistance(threshold=DEFAULT_THRESHOLD)
    ),
    **{
        f"univariateTest, minEffect {effect}, driftedShare {share}": Check(
            name="columns", univariate_test=UnivariateTest(min_effect=effect, drifted_share=share)
        )
        for effect, share in UNIVARIATE
    },
    "maximumMeanDiscrepancy": Check(
        name="mmd", multivariate_test=MultivariateTest(maximum_mean_discrepancy=MaximumMeanDiscrepancy())
    ),
    "energyDistance": Check(name="energy", multivariate_test=MultivariateTest(energy_distance=EnergyDistance())),
    "domainClassifier": Check(name="trees", multivariate_test=MultivariateTest(domain_classifier=DomainClassifier())),
    "pcaReconstruction": Check(name="pca", multivariate_test=MultivariateTest(pca_reconstruction=PcaReconstruction())),
}


@cache
def days_of(first: pd.Timestamp, count: int = DAYS) -> tuple[pa.Table, ...]:
    """Return the flights of some days, each by itself."""
    table = _year().between(str(first), str(first + pd.Timedelta(days=count)))
    whole = table.iloc[::THINNED]
    starts = [first + pd.Timedelta(days=day) for day in range(count)]
    return tuple(_features(whole[whole[flights.TIME].dt.floor("D") == day]) for day in starts)


def week(random: np.random.Generator) -> pa.Table:
    """Return a week of the winter."""
    return pa.concat_tables(days_of(WEEKS[random.choice(len(WEEKS))]))


def season(first: str) -> Callable[[np.random.Generator, int], pa.Table]:
    """Return the weeks from a day on."""
    start = pd.Timestamp(first)
    return lambda _random, number: pa.concat_tables(days_of(start + pd.Timedelta(days=DAYS * number)))


def other_unit(random: np.random.Generator, _number: int) -> pa.Table:
    """Return a week of the winter with temperatures in Celsius."""
    table = week(random)
    place = table.column_names.index("temperature")
    celsius = pc.multiply(pc.subtract(table["temperature"], 32.0), 5 / 9)
    return table.set_column(place, "temperature", celsius)


def broken_relation(random: np.random.Generator, _number: int) -> pa.Table:
    """Return a week of the winter, each flight with the dew point of another: no column shows it."""
    table = week(random)
    place = table.column_names.index("dew_point")
    return table.set_column(place, "dew_point", table["dew_point"].take(pa.array(random.permutation(len(table)))))


CHANGES = {
    "May": season("2013-05-06"),
    "July": season("2013-07-01"),
    "temperature in Celsius": other_unit,
    "dew point of another flight": broken_relation,
}


class Watch:
    """A check with its reference, four weeks of the winter, and what they teach."""

    def __init__(self, check: Check, random: np.random.Generator) -> None:
        """Draw the reference, and learn from it."""
        chosen = sorted(random.choice(len(WEEKS), REFERENCE_WEEKS, replace=False))
        days = [day for number in chosen for day in days_of(WEEKS[number])]
        self.reference = pa.concat_tables(days)
        self.check = check
        dates = np.repeat(np.arange(len(days)), [len(day) for day in days])
        rows = round_down(len(self.reference) // REFERENCE_WEEKS)
        self.lessons = learn(Past(TableRows(self.reference), cut_by_time(dates, DAYS), rows), [check])

    def drifted(self, window: pa.Table) -> bool:
        """Hold a week against the reference."""
        return compare(self.reference, window, checks=[self.check], lessons=self.lessons).checks[0].drifted


def episodes_of(verdicts: Sequence[bool]) -> list[int]:
    """Return at which windows, counted from one, episodes are raised, as the monitor raises and clears them."""
    status, raised = DriftMonitorStatus(), []
    for number, moved in enumerate(verdicts, start=1):
        end = START + timedelta(days=DAYS * number)
        run = MonitorRun(
            window_start_time=iso(end - timedelta(days=DAYS)),
            window_end_time=iso(end),
            verdict=WindowVerdict.DRIFTED if moved else WindowVerdict.STABLE,
            model_version="1",
            finished_time=iso(end),
        )
        before = status.episode
        status = status.model_copy(update={"last_run": run, "history": [run, *status.history][:10]})
        status = episodes.after_run(status, run, MONITOR, "1", end)
        if status.episode is not None and before is None:
            raised.append(number)
    return raised


def quiet_year(check: Check, seed: int) -> list[bool]:
    """Return the verdicts of a year of weekly windows in which nothing changes."""
    random = np.random.default_rng(seed)
    watch = Watch(check, random)
    found = [watch.drifted(pa.concat_tables(days_of(first))) for first in WEEKS]
    return [found[number] for number in random.choice(len(WEEKS), YEAR_WEEKS)]


def windows_until(check: Check, change: Callable[[np.random.Generator, int], pa.Table], seed: int) -> int | None:
    """Return after how many windows an episode is raised; none: not within `STEPS`."""
    random = np.random.default_rng(seed)
    watch = Watch(check, random)
    raised = episodes_of([watch.drifted(change(random, number)) for number in range(STEPS)])
    return raised[0] if raised else None


def main() -> None:
    """Print both tables."""
    quiet = Table("check", "drifted windows", "episodes a year", "at most", title=f"{YEARS} quiet years")
    changed = Table("check", *CHANGES, title=f"windows until an episode, {TRIALS} trials each")
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, check in ((name, check) for name, check in CHECKS.items() if wanted in name):
        years = [quiet_year(check, seed) for seed in range(YEARS)]
        counts = [len(episodes_of(year)) for year in years]
        quiet.add_row(name, f"{np.mean(years):.1%}", f"{np.mean(counts):.2f}", str(max(counts)))
        found = [[windows_until(check, change, seed) for seed in range(TRIALS)] for change in CHANGES.values()]
        changed.add_row(name, *(", ".join(str(count or "-") for count in counts) for counts in found))
    console = Console()
    console.print(quiet)
    console.print(changed)


@cache
def _year() -> flights.Flights:
    return flights.load()


def _features(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame[list(flights.FEATURES)], preserve_index=False)


if __name__ == "__main__":
    main()
