"""What a transition wants written to the registry: it stands in status first, and is made in a later pass. Pure."""

from collections.abc import Sequence

from leeboard.api.modeldeployment import RegistryWrite, RolloutPhase, StableStatus
from leeboard.contract import tags
from leeboard.control.clock import iso
from leeboard.modeldeployment import versions
from leeboard.modeldeployment.view import View

_MAX_PENDING = 20


def queued(pending: Sequence[RegistryWrite], fresh: Sequence[RegistryWrite]) -> list[RegistryWrite]:
    """Put writes at the end of those that wait, instead of older ones that they contradict."""
    kept = [old for old in pending if not any(_contradicts(new, old) for new in fresh)]
    return [*kept, *fresh][-_MAX_PENDING:]


def promotion(view: View, version: str, before: str | None) -> list[RegistryWrite]:
    """Return the writes that make a version the champion; none if it was (`before`) already."""
    if version == before:
        return []
    source, metadata = view.subject.spec.model, view.subject.metadata
    tag = RegistryWrite(tag=tags.promoted(metadata.namespace, metadata.name), tag_value=iso(view.now), version=version)
    if source.version is not None:
        return [tag]
    return [
        RegistryWrite(set_alias=source.stable_alias, version=version),
        RegistryWrite(delete_alias=source.challenger_alias, version=version),
        tag,
    ]


def rejection(view: View, version: str, stable: StableStatus | None, why: str) -> list[RegistryWrite]:
    """Return the writes that reject a version: a tag that says why, and no alias any more."""
    source = view.subject.spec.model
    writes = [RegistryWrite(tag=_rejected_tag(view), tag_value=why, version=version)]
    if source.version is None:
        writes.append(RegistryWrite(delete_alias=source.challenger_alias, version=version))
    return [*writes, *return_of_champion(view, version, stable)]


def acquittal(view: View, version: str) -> list[RegistryWrite]:
    """Return the write that takes the tag of a rejected version away."""
    model, tag = view.seen.registry.model, _rejected_tag(view)
    tagged = model is not None and version in model.versions and tag in model.versions[version].tags
    return [RegistryWrite(tag=tag, version=version)] if tagged else []


def return_of_champion(view: View, version: str, stable: StableStatus | None) -> list[RegistryWrite]:
    """Return the writes after which the registry says that the stable version is the champion, and not the other."""
    source, metadata = view.subject.spec.model, view.subject.metadata
    writes = [RegistryWrite(tag=tags.promoted(metadata.namespace, metadata.name), version=version)]
    if source.version is None and stable is not None and _is_champion(view, version):
        writes.append(RegistryWrite(set_alias=source.stable_alias, version=stable.version))
    return writes


def ask_again(view: View, version: str) -> list[RegistryWrite]:
    """Return the pending writes with the challenger alias set to a version that is to be tried again."""
    source, pending = view.subject.spec.model, view.status.pending_registry_writes
    if source.version is not None or (view.status.stable is not None and view.status.stable.version == version):
        return list(pending)
    withdrawn = [
        write for write in pending if (write.delete_alias, write.version) != (source.challenger_alias, version)
    ]
    return queued(withdrawn, [RegistryWrite(set_alias=source.challenger_alias, version=version)])


def _contradicts(new: RegistryWrite, old: RegistryWrite) -> bool:
    if new.tag is not None:
        return (new.tag, new.version) == (old.tag, old.version)
    if new.set_alias is not None:
        return new.set_alias == old.set_alias
    return (new.delete_alias, new.version) == (old.delete_alias, old.version)


def _is_champion(view: View, version: str) -> bool:
    model, alias = view.seen.registry.model, view.subject.spec.model.stable_alias
    if model is None:  # the registry does not answer: only our own promotion has made it the champion
        return view.in_phase(RolloutPhase.PROMOTING, RolloutPhase.BAKING)
    return versions.aliases_after(model, view.status.pending_registry_writes).get(alias) == version


def _rejected_tag(view: View) -> str:
    return tags.rejected(view.subject.metadata.namespace, view.subject.metadata.name)
