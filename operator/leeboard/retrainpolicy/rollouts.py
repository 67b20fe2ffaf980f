"""What became of a version that a run registered: the ModelDeployment's status tells. Pure."""

from dataclasses import dataclass

from leeboard.api.modeldeployment import ModelDeployment, Outcome
from leeboard.api.retrainpolicy import ActiveRun, RunOutcome
from leeboard.retrainpolicy.seen import Seen

_OUTCOMES = {
    Outcome.PROMOTED: RunOutcome.PROMOTED,
    Outcome.ROLLED_BACK: RunOutcome.ROLLED_BACK,
    Outcome.ABORTED: RunOutcome.ROLLED_BACK,
    Outcome.SUPERSEDED: RunOutcome.SUPERSEDED,
}


@dataclass(frozen=True)
class Ended:
    """How the rollout of a run's version ended."""

    outcome: RunOutcome
    message: str
    rejected: bool = False
    """Whether the version was tried and found wanting: neither a person nor the cluster took it out."""


def outcome(seen: Seen, run: ActiveRun) -> Ended | None:
    """Return how the rollout of the run's version ended, and why; None: it has not.

    The end of the bake is the end: until then the version may still be rolled back.
    """
    model, version = seen.model, run.version
    if model is None or version is None or is_under_way(model, version):
        return None
    if seen.pinned:
        told = f"version {version} passed its gates; set spec.model.version to roll it out"
        return Ended(RunOutcome.REGISTERED, told)
    return _told(model, version) or _passed_over(seen, model, run)


def _told(model: ModelDeployment, version: str) -> Ended | None:
    """Return what the ModelDeployment remembers of the version."""
    status = model.status
    last = [status.last_rollout] if status.last_rollout is not None else []
    ended = next((rollout for rollout in (*last, *status.history) if rollout.version == version), None)
    if ended is not None:
        rejected = ended.rejected and ended.outcome is Outcome.ROLLED_BACK
        return Ended(_OUTCOMES[ended.outcome], ended.message, rejected=rejected)
    if status.stable is not None and status.stable.version == version:
        return Ended(RunOutcome.PROMOTED, f"version {version} serves since {status.stable.since_time}")
    entry = next((entry for entry in status.rejected_versions if entry.version == version), None)
    if entry is not None:
        return Ended(RunOutcome.ROLLED_BACK, f"version {version} was rejected: {entry.reason}", rejected=True)
    return None


def _passed_over(seen: Seen, model: ModelDeployment, run: ActiveRun) -> Ended | None:
    """Return that the alias went elsewhere before the version's rollout began."""
    source, aliases = model.spec.model, seen.aliases
    if not run.challenger_set or aliases is None:
        return None
    if run.version in {aliases.get(source.challenger_alias), aliases.get(source.stable_alias)}:
        return None
    now = aliases.get(source.challenger_alias)
    moved = f"now names version {now}" if now is not None else "was removed"
    return Ended(
        RunOutcome.SUPERSEDED,
        f"the alias {source.challenger_alias} {moved} before the rollout of version {run.version} began",
    )


def is_under_way(model: ModelDeployment, version: str) -> bool:
    """Say whether the version is being rolled out, its bake included, or waits to be tried again."""
    status = model.status
    if any(entry.version == version for entry in status.setbacks):
        return True
    if status.candidate is not None and status.candidate.version == version:
        return True
    return status.rollout is not None and status.stable is not None and status.stable.version == version
