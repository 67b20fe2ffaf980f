"""What a policy's decision is made from, and the simple facts that follow from it. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from leeboard.api.base import seconds
from leeboard.api.driftmonitor import DriftMonitor
from leeboard.api.modeldeployment import ModelDeployment, StableStatus
from leeboard.api.retrainpolicy import FiredTrigger, RetrainPolicy
from leeboard.api.shared import ArmSpan, ObjectMeta
from leeboard.contract.registry import ReportedRun
from leeboard.contract.serving import TableState
from leeboard.control import livearms
from leeboard.control.clock import instant
from leeboard.settings import Settings


@dataclass(frozen=True)
class Seen:
    """Everything that was seen in one pass."""

    policy: RetrainPolicy
    now: datetime
    settings: Settings
    model: ModelDeployment | None = None
    """The ModelDeployment that is retrained."""
    monitors: Mapping[str, DriftMonitor | None] = field(default_factory=dict)
    """The monitors that triggers name, by name."""
    others: tuple[ObjectMeta, ...] = ()
    """Other policies for the same ModelDeployment."""
    jobs: tuple[Mapping[str, Any], ...] = ()
    """The policy's RayJobs."""
    running_jobs: int = 0
    """Leeboard's RayJobs, of all objects, that have not ended."""
    held_up: str = ""
    """What keeps the pods of the job under way from running."""
    tables: TableState | None = None
    """The log, when it is needed; None: nothing was logged yet, or the collector is away."""
    collector_away: str = ""
    """Why the log could not be asked for."""
    report: ReportedRun | None = None
    """The finished run that answers the active run's request."""
    aliases: Mapping[str, str] | None = None
    """The registry's aliases, while a rollout is waited for."""
    inputs: frozenset[str] | None = None
    """What the stable version takes, when logging hides columns; None: not asked, or the version does not say."""
    ledger: tuple[FiredTrigger, ...] = ()
    """What MLflow remembers of started runs, when status remembers nothing."""

    @property
    def stable(self) -> StableStatus | None:
        """The version that serves."""
        return self.model.status.stable if self.model is not None else None

    @property
    def pinned(self) -> bool:
        """Whether Git decides about versions, not the registry's aliases."""
        return self.model is not None and self.model.spec.model.version is not None

    @property
    def room(self) -> bool:
        """Whether one more job may run."""
        return self.running_jobs < self.settings.max_jobs_at_once

    @property
    def hidden(self) -> tuple[str, ...]:
        """Columns that the data window would need and that logging drops or hashes, in order of their names."""
        columns = self.model.spec.logging.columns if self.model is not None else None
        if columns is None or self.data_length is None:
            return ()
        return tuple(sorted(name for name in columns.unreadable if self.inputs is None or name in self.inputs))

    def job(self, name: str) -> Mapping[str, Any] | None:
        """Return the policy's RayJob of this name."""
        return next((job for job in self.jobs if job["metadata"]["name"] == name), None)

    @property
    def winner(self) -> ObjectMeta | None:
        """The policy that goes before this one: the oldest, then the first by name; None: this one."""
        mine = self.policy.metadata
        first = min((mine, *self.others), key=lambda meta: (meta.creation_timestamp, meta.name))
        return None if first.name == mine.name else first

    @property
    def data_length(self) -> timedelta | None:
        """Length of the data window; None: a table is trained on."""
        window = self.policy.spec.data.window
        return timedelta(seconds=seconds(window.duration)) if window is not None else None

    @cached_property
    def live_arms(self) -> list[ArmSpan]:
        """The arms whose rows the data window can still hold."""
        if self.data_length is None:
            return []
        active = self.policy.status.active_run
        end = min(self.now, instant(active.cutoff_time)) if active is not None else self.now
        return livearms.remember(self.policy.status.live_arms, self.model, self.now, end - self.data_length)
