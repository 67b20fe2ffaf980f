"""`make bench`: what speed means here, side by side with a peer in the same run; a table and build/bench.json.

Times alone are noise: the ratio within a run is the figure. `make bench ONLY="univariate scores"` runs some workloads:
each is a module of this folder with a generator `figures()`. Rates of false alarms stand in a table of their own.
"""

import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import Figure, Rate

WORKLOADS = (
    "univariate",
    "stored",
    "window",
    "multivariate",
    "scores",
    "detection",
    "serving",
    "request",
    "footprint",
    "flavours",
    "operator",
    "fairness",
    "logtable",
    "endurance",
    "texts",
    "false_alarms",
)
TARGET = Path("build/bench.json")


def megabytes(value: float | None) -> str:
    """Show a peak of memory, if one was taken."""
    return "" if value is None else f"{value:.0f}"


def table_of(found: list[Figure]) -> Table:
    """Lay the figures out for the terminal."""
    headings = ("workload", "peer or floor", "ms", "its ms", "ratio", "MB", "its MB")
    table = Table(*headings, title="Medians of this run")
    for figure in found:
        times = (f"{figure.seconds * 1e3:.3f}", f"{figure.peer_seconds * 1e3:.3f}", f"{figure.ratio:.4g}")
        table.add_row(figure.workload, figure.peer, *times, megabytes(figure.peak_mb), megabytes(figure.peer_peak_mb))
    return table


def table_of_rates(found: list[Rate]) -> Table:
    """Lay the rates of false alarms out for the terminal."""
    table = Table("test", "data", "reference", "window", "nominal", "rate", "kept", title="False alarms")
    for rate in found:
        sizes = (f"{rate.reference_rows:,}", f"{rate.window_rows:,}")
        share = f"{rate.alarms / rate.trials:.4f} of {rate.trials}"
        table.add_row(rate.test, rate.data, *sizes, f"{rate.alpha}", share, "yes" if rate.kept else "NO")
    return table


def main() -> None:
    """Run the workloads that were named, or all."""
    console = Console()
    names = sys.argv[1:] or list(WORKLOADS)
    if unknown := sorted(set(names) - set(WORKLOADS)):
        sys.exit(f"no workload {', '.join(unknown)}; there are: {', '.join(WORKLOADS)}")
    found: list[Figure | Rate] = []
    for name in names:
        console.print(f"measuring {name}", style="dim")
        found += importlib.import_module(f"tests.benchmarks.{name}").figures()
    if figures := [one for one in found if isinstance(one, Figure)]:
        console.print(table_of(figures))
    if rates := [one for one in found if isinstance(one, Rate)]:
        console.print(table_of_rates(rates))
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps([asdict(one) for one in found], indent=1))
    console.print(f"written to {TARGET}")


if __name__ == "__main__":
    main()
