"""`leeboard report`: the last report about a model, in the terminal, in a file or in the browser."""

import asyncio
import json
import tempfile
import webbrowser
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from leeboard.cli.cluster import Loop, connected, loop_of, namespace_or_default
from leeboard.cli.errors import CommandError
from leeboard.cli.findings import comparison, drift, retraining, verification
from leeboard.cli.terminal import printable, terminal
from leeboard.contract.examinations import CompareReport, VerifyReport
from leeboard.contract.jobs import DriftReport, RetrainReport
from leeboard.contract.kinds import REPORT_BY_KIND
from leeboard.services.reports import fetch
from leeboard.settings import Settings


def run(name: str, namespace: str | None, kind: str, *, save: Path | None, browse: bool) -> None:
    """Show the report; with `save` or `browse` the HTML page, too."""
    loop = asyncio.run(_read(name, namespace_or_default(namespace)))
    settings = Settings.from_environment()
    folder = _folder(loop, kind)

    def text(page: str) -> str:
        return fetch(settings.tracking_uri, f"{folder}/{page}", settings.service_timeout_seconds)

    document = printable(json.loads(text("report.json")))
    console = terminal()
    console.print(_shown(document))
    if browse and save is None:
        save = Path(tempfile.mkdtemp(prefix="leeboard-report-")) / f"{name}-{kind}.html"
    if save is not None:
        save.write_text(text("report.html"), encoding="utf-8")
        console.print(f"saved as {save}", soft_wrap=True)
    if browse and save is not None:
        webbrowser.open(save.absolute().as_uri())


def _shown(document: dict[str, Any]) -> RenderableType:
    """Return what a report found, by the kind of its job."""
    report = REPORT_BY_KIND[document["kind"]].model_validate(document)
    match report:
        case DriftReport():
            return drift(report)
        case RetrainReport():
            return retraining(report)
        case VerifyReport():
            return verification(report)
        case CompareReport():
            return comparison(report)
        case _:
            return report.message


async def _read(name: str, namespace: str) -> Loop:
    async with connected() as client:
        return await loop_of(client, namespace, name)


def _folder(loop: Loop, kind: str) -> str:
    """Return the artifact folder of the newest run that left a report."""
    if kind == "rollout":
        return f"runs:/{_examination(loop)}"
    watchers = loop.monitors if kind == "drift" else loop.policies
    finished = [
        (run.finished_time or "", run.run_id)
        for watcher in watchers
        for run in (watcher.status.last_run, *watcher.status.history)
        if run is not None and run.run_id is not None
    ]
    if not finished:
        what = "no window was scored" if kind == "drift" else "no retraining ended"
        raise CommandError(f"there is no {kind} report about {loop.name} yet: {what}")
    return f"runs:/{max(finished)[1]}"


def _examination(loop: Loop) -> str:
    """Return the newest run that examined a version: of the rollout under way, else of the last one that had any."""
    status = loop.deployment.status
    rollout = status.rollout
    under_way = [found.run_id for found in (rollout.comparison, rollout.verification) if found] if rollout else []
    runs = [*under_way, *(run for ended in status.history for run in ended.run_ids)]
    if not runs:
        raise CommandError(
            f"there is no rollout report about {loop.name} yet: set spec.verification, or add a stage of kind shadow"
        )
    return runs[0]
