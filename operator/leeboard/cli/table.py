"""All models in one table; pure."""

from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.table import Table
from rich.text import Text

from leeboard.cli.cluster import Loop
from leeboard.cli.panel import readiness
from leeboard.cli.words import BAD, QUIET, ago, verdict


def table(loops: Sequence[Loop], now: datetime, *, with_namespace: bool) -> Table:
    """Draw a line for each model."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in (
        *(["namespace"] if with_namespace else []),
        "model",
        "serves",
        "traffic",
        "drift",
        "retraining",
        "is",
    ):
        drawn.add_column(column)
    for loop in loops:
        cells = [Text(loop.name, style="bold"), _serves(loop), _traffic(loop), _drift(loop), _retraining(loop, now)]
        drawn.add_row(*([loop.namespace] if with_namespace else []), *cells, readiness(loop.deployment))
    return drawn


def _serves(loop: Loop) -> Text:
    stable = loop.deployment.status.stable
    return Text(f"v{stable.version}") if stable else Text("-", style=QUIET)


def _traffic(loop: Loop) -> Text:
    return Text(", ".join(f"v{entry.version} {entry.percent} %" for entry in loop.deployment.status.traffic))


def _drift(loop: Loop) -> Text:
    cells = []
    for monitor in loop.monitors:
        status = monitor.status
        said = verdict(status.last_run.verdict) if status.last_run else Text("no window yet", style=QUIET)
        cells.append(said.append(" !", style=BAD) if status.episode else said)
    return Text(", ").join(cells)


def _retraining(loop: Loop, now: datetime) -> Text:
    cells = []
    for policy in loop.policies:
        status = policy.status
        if status.active_run is not None:
            cells.append(Text("runs"))
        elif status.last_run is not None:
            cells.append(verdict(status.last_run.outcome).append(f" {ago(status.last_run.finished_time, now)}", QUIET))
        else:
            cells.append(Text("no run yet", style=QUIET))
    return Text(", ").join(cells)
