"""What a decision may ask for: a plan of steps, a status, and when to look again. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leeboard.api.modeldeployment import RegistryWrite


@dataclass(frozen=True)
class Look:
    """When to look again, if nothing happens before: after so many seconds, or never."""

    after: float | None

    @classmethod
    def never(cls) -> "Look":
        """Only a change brings the next pass."""
        return cls(None)


@dataclass(frozen=True)
class Finished:
    """How a pass ended."""

    look: Look
    """When to look again, if nothing happens before."""
    failed: bool = False
    """Whether to back off: the next pass comes at `look` or after the key's back-off, whichever is sooner."""


@dataclass(frozen=True)
class Apply:
    """Server-side apply of a child under Leeboard's field manager; no call when nothing differs."""

    manifest: dict[str, Any]


@dataclass(frozen=True)
class Create:
    """Create a child once; AlreadyExists is no error when the child is ours and not being deleted."""

    manifest: dict[str, Any]


@dataclass(frozen=True)
class Adjust:
    """Change an arm in place: its replicas, and the labels that were taken away. Nothing else of an arm changes."""

    name: str
    min_replicas: int
    max_replicas: int
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Delete:
    """Delete a child of ours; absence is success."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True)
class EmitEvent:
    """An Event on the object; equal ones are written once."""

    type: str
    """Normal or Warning."""
    reason: str
    message: str


@dataclass(frozen=True)
class WriteRegistry:
    """Writes to the registry; those that fail stay in status and are tried again; never holds back later steps."""

    model: str
    writes: tuple[RegistryWrite, ...]


@dataclass(frozen=True)
class ClaimAlias:
    """Record on the registered model that this object owns the alias."""

    model: str
    alias: str
    owner: str


@dataclass(frozen=True)
class KeepRuns:
    """Mark the MLflow runs that speak for an episode, and delete the oldest others beyond a number."""

    experiment: str
    subject: str
    """namespace/name of the object that asked for the runs."""
    keep: int
    episodes: tuple[tuple[str, str], ...] = ()
    """Run ids and the episode that each speaks for."""


Step = Apply | Create | Adjust | Delete | EmitEvent | WriteRegistry | ClaimAlias | KeepRuns


@dataclass(frozen=True)
class Plan:
    """What is to be done now, in order; the status that then holds; when to look again."""

    status: dict[str, Any]
    """The whole status document, as it stands when every step has succeeded."""
    steps: tuple[Step, ...] = ()
    intent: dict[str, Any] | None = None
    """A status to write before the steps, for what must not be done twice."""
    look: Look = field(default_factory=Look.never)


@dataclass(frozen=True)
class StepFailure:
    """The step that failed; later ones were not tried."""

    step: Step
    message: str
    transient: bool
    """Whether trying again later may help."""


@dataclass(frozen=True)
class Outcomes:
    """What became of a plan's steps."""

    failure: StepFailure | None = None
    registry_failures: tuple[RegistryWrite, ...] = ()
    """Registry writes that did not succeed."""
    registry_message: str = ""

    @property
    def ok(self) -> bool:
        """Whether every step succeeded."""
        return self.failure is None and not self.registry_failures
