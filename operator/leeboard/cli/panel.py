"""One model's loop at a glance; pure."""

from collections.abc import Iterator
from datetime import datetime

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from leeboard.api.base import seconds
from leeboard.api.driftmonitor import CheckStatus, DriftMonitor
from leeboard.api.modeldeployment import FinishedRollout, MetricStatus, ModelDeployment, RolloutPhase, RolloutStatus
from leeboard.api.retrainpolicy import ActiveRun, FinishedRun, RetrainPolicy
from leeboard.api.rollout import Stage
from leeboard.api.shared import Condition
from leeboard.cli.cluster import Loop
from leeboard.cli.words import BAD, BUSY, GOOD, QUIET, STYLES, ago, ahead, bar, mark, number, since, span, verdict

_ARM_STYLES = ("cyan", "magenta", "blue", "yellow")


def panel(loop: Loop, now: datetime) -> Panel:
    """Draw a loop as it stands at an instant."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for label, content in _rows(loop, now):
        grid.add_row(label, content)
    title = Text.assemble((f" {loop.name} ", "bold"), (f"in {loop.namespace} ", QUIET), readiness(loop.deployment), " ")
    return Panel(grid, title=title, title_align="left", box=box.ROUNDED, padding=(1, 2))


def readiness(found: ModelDeployment | DriftMonitor | RetrainPolicy) -> Text:
    """Write the one word that says how an object is: the reason of Ready, or that it is suspended."""
    if found.spec.suspend:
        return Text("◌ Suspended", style=BUSY)
    conditions = {condition.type: condition for condition in found.status.conditions}
    if "Stalled" in conditions:
        return Text(f"● {conditions['Stalled'].reason}", style=BAD)
    ready = conditions.get("Ready")
    if ready is None:
        return Text("○ not looked at yet: does the operator run?", style=QUIET)
    return Text(f"● {ready.reason}", style=GOOD if ready.status == "True" else BUSY)


def _rows(loop: Loop, now: datetime) -> Iterator[tuple[str, RenderableType]]:
    yield from _deployment(loop.deployment, now)
    for monitor in loop.monitors:
        yield _label("drift", monitor.metadata.name, loop), _drift(monitor, now)
    for policy in loop.policies:
        yield _label("retraining", policy.metadata.name, loop), _retraining(policy, now)
    waits = list(_waits(loop, now))
    if waits:
        yield "waits for", Group(*waits)


def _label(word: str, name: str, loop: Loop) -> str:
    return word if name == loop.name else f"{word}\n{name}"


def _deployment(deployment: ModelDeployment, now: datetime) -> Iterator[tuple[str, RenderableType]]:
    status, source = deployment.status, deployment.spec.model
    follows = f"pinned to {source.version}" if source.version else f"{source.stable_alias}, {source.challenger_alias}"
    yield "model", Text.assemble(source.name, (f"  {follows}", QUIET))
    if status.stable is not None:
        yield (
            "serves",
            Text.assemble((f"version {status.stable.version}", "cyan"), f" for {since(status.stable.since_time, now)}"),
        )
    if status.url:
        yield "at", Text(status.url, style="underline")
    if status.traffic:
        yield "traffic", _traffic(deployment)
    if status.rollout is not None:
        yield "rollout", Group(_step(deployment, status.rollout, now), *_measurements(status.rollout))
    elif status.last_rollout is not None:
        yield "last rollout", _finished(status.last_rollout, now)


def _traffic(deployment: ModelDeployment) -> RenderableType:
    entries = deployment.status.traffic
    styles = {entry.arm: _ARM_STYLES[position % len(_ARM_STYLES)] for position, entry in enumerate(entries)}
    legend = Text("  ").join(Text(f"v{entry.version} {entry.percent} %", style=styles[entry.arm]) for entry in entries)
    return Text.assemble(bar((entry.percent, styles[entry.arm]) for entry in entries), "  ", legend)


def _step(deployment: ModelDeployment, rollout: RolloutStatus, now: datetime) -> Text:
    status = deployment.status
    coming = f"version {status.candidate.version}" if status.candidate else "the new version"
    lasted = since(rollout.start_time, now)
    if rollout.phase is RolloutPhase.PREPARING:
        return Text(f"prepares {coming}, for {lasted}")
    if rollout.phase is RolloutPhase.PROMOTING:
        return Text(f"promotes {coming}")
    if rollout.phase is RolloutPhase.BAKING:
        previous = f"; version {rollout.previous.version} waits at the ready" if rollout.previous else ""
        began = rollout.step_start_time or rollout.last_advance_time
        return Text(f"bakes, for {since(began, now)} of {span(seconds(deployment.spec.rollout.bake))}{previous}")
    stage = next((each for each in deployment.spec.rollout.stages if each.name == rollout.stage), None)
    return Text(f"{coming}: {_where(rollout, stage)} at {rollout.weight} %, {_held(rollout, stage, now)}")


def _where(rollout: RolloutStatus, stage: Stage | None) -> str:
    if stage is not None and stage.shadow is not None:
        return f"{stage.name}, a copy of {stage.shadow.percent} % of the requests"
    if stage is None or stage.canary is None or rollout.step is None:
        return str(rollout.stage or "before its first stage")
    return f"{stage.name} step {rollout.step + 1} of {len(stage.canary.steps)}"


def _held(rollout: RolloutStatus, stage: Stage | None, now: datetime) -> str:
    if rollout.step_start_time is None:
        return "until the route takes it up"
    hold = ""
    if stage is not None and stage.shadow is not None:
        hold = f" of {span(seconds(stage.shadow.duration))}"
    elif stage is not None and stage.canary is not None and rollout.step is not None:
        hold = (
            f" of {span(seconds(stage.canary.steps[rollout.step].hold))}"
            if rollout.step < len(stage.canary.steps)
            else ""
        )
    return f"for {since(rollout.step_start_time, now)}{hold}"


def _measurements(rollout: RolloutStatus) -> Iterator[RenderableType]:
    if rollout.analysis:
        grid = Table.grid(padding=(0, 2))
        for metric in rollout.analysis:
            grid.add_row(*_measurement(metric))
        yield grid


def _measurement(metric: MetricStatus) -> tuple[RenderableType, ...]:
    bound = f"bound {number(metric.bound)}" if metric.bound is not None else ""
    return (
        mark(STYLES[metric.verdict]),
        metric.name,
        number(metric.value),
        Text(bound, style=QUIET),
        Text(f"n {metric.samples:,}", style=QUIET),
        Text(metric.message if STYLES[metric.verdict] != GOOD else "", style=QUIET),
    )


def _finished(rollout: FinishedRollout, now: datetime) -> Text:
    told = f": {rollout.message}" if rollout.message else ""
    return Text.assemble(
        f"version {rollout.version} ", verdict(rollout.outcome), f" {ago(rollout.finished_time, now)}", (told, QUIET)
    )


def _drift(monitor: DriftMonitor, now: datetime) -> RenderableType:
    status = monitor.status
    upcoming = f"next {ahead(status.next_run_time, now)}" if status.next_run_time else ""
    if status.active_job is not None:
        upcoming = f"scores a window, for {since(status.active_job.started_time, now)}"
    if status.last_run is None:
        return Text(f"no window yet  {upcoming}", style=QUIET)
    run = status.last_run
    window = f"  window until {run.window_end_time}, {run.rows:,} rows  {upcoming}"
    lines: list[RenderableType] = [Text.assemble(verdict(run.verdict), (window, QUIET))]
    if run.message:
        lines.append(Text(run.message, style=QUIET))
    if status.episode is not None:
        lasted = since(status.episode.started_time, now)
        lines.append(Text(f"drift lasts for {lasted}: {', '.join(status.episode.checks)}", style=BAD))
    if run.checks:
        grid = Table.grid(padding=(0, 2))
        for check in run.checks:
            grid.add_row(*_check(check))
        lines.append(grid)
    return Group(*lines)


def _check(check: CheckStatus) -> tuple[RenderableType, ...]:
    worst = f"worst: {', '.join(check.worst_columns)}" if check.worst_columns else check.message
    return (
        mark(BAD if check.drifted else GOOD),
        check.name,
        number(check.statistic),
        Text(f"bound {number(check.threshold)}" if check.threshold is not None else "", style=QUIET),
        Text(worst, style=BAD if check.drifted else QUIET),
    )


def _retraining(policy: RetrainPolicy, now: datetime) -> RenderableType:
    status = policy.status
    lines: list[RenderableType] = []
    if status.active_run is not None:
        lines += _active(status.active_run, now)
    if status.last_run is not None:
        lines += _last(status.last_run, now)
    if status.next_run_time is not None:
        lines.append(Text(f"next {ahead(status.next_run_time, now)}", style=QUIET))
    return Group(*lines) if lines else Text("no run yet", style=QUIET)


def _active(run: ActiveRun, now: datetime) -> Iterator[RenderableType]:
    why = ", ".join(trigger.name for trigger in run.triggers)
    doing = f"version {run.version} comes in" if run.version else "trains"
    yield Text(f"{doing}, for {since(run.started_time, now)}, because of {why}", style=BUSY)
    yield from _comparison(run.metrics, run.champion_metrics)


def _last(run: FinishedRun, now: datetime) -> Iterator[RenderableType]:
    version = f"version {run.version} " if run.version else ""
    told = f": {run.message}" if run.message else ""
    yield Text.assemble(version, verdict(run.outcome), f" {ago(run.finished_time, now)}", (told, QUIET))
    yield from _comparison(run.metrics, run.champion_metrics)


def _comparison(challenger: dict[str, float], champion: dict[str, float]) -> Iterator[RenderableType]:
    """Compare what was measured of both on the same rows."""
    if challenger:
        grid = Table.grid(padding=(0, 2))
        for name, value in sorted(challenger.items()):
            before = champion.get(name)
            versus = f"champion {number(before)}" if before is not None else ""
            grid.add_row(" ", name, number(value), Text(versus, style=QUIET))
        yield grid


def _waits(loop: Loop, now: datetime) -> Iterator[RenderableType]:
    everything: tuple[ModelDeployment | DriftMonitor | RetrainPolicy, ...] = (
        loop.deployment,
        *loop.monitors,
        *loop.policies,
    )
    for found in everything:
        for condition in found.status.conditions:
            if _matters(condition):
                style = BAD if condition.type == "Stalled" else BUSY
                who = f"{type(found).__name__}, for {since(condition.last_transition_time, now)}"
                yield Text.assemble((f"{condition.reason} ", style), condition.message, (f"  ({who})", QUIET))


def _matters(condition: Condition) -> bool:
    """Say whether a condition tells what is waited for; Reconciling only repeats Ready."""
    if condition.type == "Stalled":
        return condition.status == "True"
    return condition.type not in {"DriftDetected", "Reconciling"} and condition.status != "True"
