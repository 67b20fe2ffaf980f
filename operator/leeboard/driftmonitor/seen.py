"""What a monitor's decision is made from, and the simple facts that follow from it. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Self

from leeboard.api.base import seconds
from leeboard.api.driftmonitor import KIND, DriftMonitor, MonitorJob
from leeboard.api.modeldeployment import ModelDeployment, StableStatus
from leeboard.api.shared import ArmSpan
from leeboard.contract.registry import ReportedRun
from leeboard.contract.serving import TableState
from leeboard.control import livearms
from leeboard.control.clock import instant
from leeboard.control.schedule import due_tick, next_due
from leeboard.driftmonitor import references
from leeboard.settings import Settings


@dataclass(frozen=True)
class ScheduledWindow:
    """The rows `[start, end)` that a tick looks at: `end` is the tick less the lag, whenever the job really runs."""

    start: datetime
    end: datetime
    labels_pass: int = 0
    """For which time it is scored again as labels came."""
    checks: tuple[str, ...] = ()
    """By which checks alone; empty: by all."""

    @classmethod
    def of_job(cls, job: MonitorJob) -> Self:
        """Return the window of a job under way."""
        start, end = instant(job.window_start_time), instant(job.window_end_time)
        return cls(start, end, job.labels_pass or 0, tuple(job.checks))


@dataclass(frozen=True)
class Seen:
    """Everything that was seen in one pass."""

    monitor: DriftMonitor
    now: datetime
    settings: Settings
    model: ModelDeployment | None = None
    """The ModelDeployment that is watched."""
    jobs: tuple[Mapping[str, Any], ...] = ()
    """The monitor's RayJobs."""
    running_jobs: int = 0
    """Leeboard's RayJobs, of all objects, that have not ended."""
    held_up: str = ""
    """What keeps the pods of the job under way from running."""
    tables: TableState | None = None
    """Where the log lies, when a request needs it; None: nothing was logged yet."""
    report: ReportedRun | None = None
    """The finished run that answers the awaited request."""

    @property
    def stable(self) -> StableStatus | None:
        """The version that serves."""
        return self.model.status.stable if self.model is not None else None

    @property
    def room(self) -> bool:
        """Whether one more job may run."""
        return self.running_jobs < self.settings.max_jobs_at_once

    def job(self, name: str) -> Mapping[str, Any] | None:
        """Return the monitor's RayJob of this name."""
        return next((job for job in self.jobs if job["metadata"]["name"] == name), None)

    @cached_property
    def newest_tick(self) -> datetime:
        """The newest tick whose time has come for this monitor. Raises SpecError."""
        return due_tick(self.monitor.spec.schedule, self.now, *_identity(self.monitor))

    @cached_property
    def next_start(self) -> datetime:
        """When the next tick comes for this monitor. Raises SpecError."""
        return next_due(self.monitor.spec.schedule, self.now, *_identity(self.monitor))

    @property
    def due(self) -> datetime | None:
        """The tick to take up: of those missed only the newest; ticks before the monitor was made are not missed."""
        taken = self.monitor.status.last_tick_time or self.monitor.metadata.creation_timestamp
        return self.newest_tick if not taken or self.newest_tick > instant(taken) else None

    def window(self, tick: datetime) -> ScheduledWindow:
        """Return the window of a tick."""
        spec = self.monitor.spec.window
        end = tick - timedelta(seconds=seconds(spec.lag))
        return ScheduledWindow(end - timedelta(seconds=seconds(spec.duration)), end)

    @cached_property
    def live_arms(self) -> list[ArmSpan]:
        """The arms whose rows a window can still hold."""
        status = self.monitor.status
        starts = [self.window(self.newest_tick).start]
        starts += [instant(entry.window_start_time) for entry in status.pending_labels]
        if status.active_job is not None:
            starts.append(instant(status.active_job.window_start_time))
        return livearms.remember(status.live_arms, self.model, self.now, min(starts) - self.reach)

    @property
    def reach(self) -> timedelta:
        """How much further back than a window's start a job reads: labels come late, and references lie before."""
        checks = self.monitor.spec.checks
        late = max((seconds(check.performance.label_delay) for check in checks if check.performance), default=0)
        return timedelta(seconds=late) + references.reach(self.monitor)


def _identity(monitor: DriftMonitor) -> tuple[str, str, str]:
    return KIND, monitor.metadata.namespace, monitor.metadata.name
