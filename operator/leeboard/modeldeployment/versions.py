"""Which version is wanted: what aliases, pin and tags say, what was rejected, what comes back after a loss. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from leeboard.api.modeldeployment import (
    ModelDeployment,
    ModelDeploymentStatus,
    RegistryWrite,
    RejectedVersion,
    Setback,
    StableStatus,
)
from leeboard.contract import tags
from leeboard.contract.registry import RegisteredModel
from leeboard.control.clock import instant, iso
from leeboard.modeldeployment import manifests
from leeboard.modeldeployment.seen import Seen

MAX_REJECTED = 20
_MAX_SETBACKS = 8
_FIRST_PAUSE = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(hours=6)


@dataclass(frozen=True)
class Wish:
    """A version that is to come in, and the arm by which."""

    version: str
    arm: str
    emergency_return: bool = False
    """It was promoted before, and someone moved the champion (or the pin) back to it."""


def aliases_after(model: RegisteredModel, pending: Iterable[RegistryWrite]) -> dict[str, str]:
    """Return the aliases as they stand once our own writes are through: those never count as someone's wish."""
    aliases = dict(model.aliases)
    for write in pending:
        if write.set_alias:
            aliases[write.set_alias] = write.version
        if write.delete_alias and aliases.get(write.delete_alias) == write.version:
            del aliases[write.delete_alias]
    return aliases


def was_promoted(subject: ModelDeployment, model: RegisteredModel, version: str) -> bool:
    """Say whether this ModelDeployment has promoted the version."""
    tag = tags.promoted(subject.metadata.namespace, subject.metadata.name)
    return version in model.versions and tag in model.versions[version].tags


def recover_stable(seen: Seen) -> StableStatus | None:
    """Return the stable version after a loss of all status; None: this is a first deployment.

    It is the champion if it carries the promoted tag, else the newest version that does: never an unproven one.
    """
    subject, model = seen.subject, seen.registry.model
    if model is None:
        return None
    tagged = [version for version in model.versions if was_promoted(subject, model, version)]
    champion = model.aliases.get(subject.spec.model.stable_alias) if subject.spec.model.version is None else None
    version = champion if champion in tagged else max(tagged, key=int, default=None)
    if version is None:
        return None
    return StableStatus(version=version, arm=_arm_of(seen, version), since_time=iso(seen.now))


def _arm_of(seen: Seen, version: str) -> str:
    """Return the arm that serves the version now, else the one that the spec wants."""
    weights: Mapping[str, int] = seen.route.weights if seen.route else {}
    standing = [arm.name for arm in seen.arms.values() if arm.usable and arm.version == version]
    wanted = manifests.arm_name(seen.subject, version)
    return max(standing, key=lambda name: (weights.get(name, 0), name == wanted, name), default=wanted)


def recover_rejections(seen: Seen) -> list[RejectedVersion]:
    """Return the rejected versions that are asked for right now, after a loss of all status."""
    subject, model = seen.subject, seen.registry.model
    if model is None:
        return []
    tag = tags.rejected(subject.metadata.namespace, subject.metadata.name)
    source = subject.spec.model
    asked = {source.version, model.aliases.get(source.stable_alias), model.aliases.get(source.challenger_alias)}
    return [
        RejectedVersion(version=version, reason=found.tags[tag].split(":", 1)[0][:64])
        for version, found in sorted(model.versions.items())
        if tag in found.tags and version in asked
    ]


def note_absence(seen: Seen, status: ModelDeploymentStatus) -> list[RejectedVersion]:
    """Return the rejected versions, after a look at who is asked for now.

    A version that was once not asked for and now is asked for again, is no longer rejected.
    """
    kept = []
    for entry in status.rejected_versions:
        asked = _is_asked_for(seen, status, entry)
        if asked and entry.alias_left:
            continue
        kept.append(entry if asked else entry.model_copy(update={"alias_left": True}))
    return kept


def _is_asked_for(seen: Seen, status: ModelDeploymentStatus, entry: RejectedVersion) -> bool:
    source, model = seen.subject.spec.model, seen.registry.model
    if entry.arm is not None:
        return status.stable is not None and manifests.arm_name(seen.subject, status.stable.version) == entry.arm
    if source.version is not None:
        return source.version == entry.version
    if model is None:
        return True
    aliases = aliases_after(model, status.pending_registry_writes)
    return entry.version in {aliases.get(source.stable_alias), aliases.get(source.challenger_alias)}


def set_back(status: ModelDeploymentStatus, version: str, arm: str, reason: str, now: datetime) -> list[Setback]:
    """Return the setbacks with one more for a version: it is tried again in 5 min, 10 min, 20 min, … 6 h."""
    others = [entry for entry in status.setbacks if (entry.version, entry.arm) != (version, arm)]
    count = sum(entry.count for entry in status.setbacks if entry not in others) + 1
    pause = min(_FIRST_PAUSE * 2 ** min(count - 1, 8), _LONGEST_PAUSE)
    entry = Setback(version=version, arm=arm, reason=reason, count=count, retry_time=iso(now + pause))
    return [*others, entry][-_MAX_SETBACKS:]


def still_asked(seen: Seen, status: ModelDeploymentStatus) -> list[Setback]:
    """Return the setbacks of what is still asked for: once it was not, or by another spec, it is tried anew."""
    model = seen.registry.model
    asked = {version for version, _ in _asked(seen, status, model)} if model is not None else set()
    if status.stable is not None:
        asked.add(status.stable.version)
    return [
        entry
        for entry in status.setbacks
        if entry.version in asked and entry.arm == manifests.arm_name(seen.subject, entry.version)
    ]


def waits(entry: Setback, now: datetime) -> bool:
    """Say whether a version that was set back is not tried yet."""
    return entry.retry_time is not None and instant(entry.retry_time) > now


def _barred(seen: Seen, status: ModelDeploymentStatus, version: str, arm: str) -> bool:
    return rejection(status, version, arm) is not None or any(
        entry.arm == arm and waits(entry, seen.now) for entry in status.setbacks
    )


def rejection(status: ModelDeploymentStatus, version: str, arm: str) -> RejectedVersion | None:
    """Return why a version is not tried, or None."""
    return next(
        (entry for entry in status.rejected_versions if entry.version == version and entry.arm in {None, arm}), None
    )


def asked_version(seen: Seen, status: ModelDeploymentStatus) -> str | None:
    """Return the version that the pin or the alias names, rejected or not; None: neither names one."""
    model = seen.registry.model
    asked = _asked(seen, status, model) if model is not None else []
    return asked[0][0] if asked else None


def wish(seen: Seen, status: ModelDeploymentStatus) -> Wish | None:
    """Return what is to come in now; None: what serves is what is wanted.

    In order: the pin, or a champion that someone moved, or a challenger, or the stable version with another template.
    """
    subject, model = seen.subject, seen.registry.model
    if model is None:
        return None
    stable = status.stable.version if status.stable else None
    for version, steady in _asked(seen, status, model):
        known = model.versions.get(version)
        arm = manifests.arm_name(subject, version)
        if version == stable or known is None or not known.ready or _barred(seen, status, version, arm):
            continue
        returning = steady and stable is not None and was_promoted(subject, model, version)
        return Wish(version, arm, emergency_return=returning)
    if status.stable is None:
        return None
    if subject.spec.model.version not in {None, stable} and status.stable.arm in seen.arms:
        return None
    arm = manifests.arm_name(subject, status.stable.version)
    if arm == status.stable.arm or _barred(seen, status, status.stable.version, arm):
        return None
    return Wish(status.stable.version, arm)


def _asked(seen: Seen, status: ModelDeploymentStatus, model: RegisteredModel) -> list[tuple[str, bool]]:
    """Return the versions that are asked for, most wanted first, and whether as the stable one (pin or champion)."""
    source = seen.subject.spec.model
    if source.version is not None:
        return [(source.version, True)]
    aliases = aliases_after(model, status.pending_registry_writes)
    named = ((source.stable_alias, True), (source.challenger_alias, False))
    return [(aliases[alias], steady) for alias, steady in named if alias in aliases]
